-- Tells all replicas something. ARGV[2]: what; 3: a number of this message alone: a driver may say it twice.
publish({'k', ARGV[3], 'm', ARGV[2]})
return answer('done')
