-- Tells all replicas something. ARGV[2]: what; 3: a number of this message alone: a driver may say it twice; 4: the field
-- that says what kind it is (wire.rs).
publish({'k', ARGV[3], ARGV[4], ARGV[2]})
return answer('done')
