-- Some ids of open sockets. ARGV[5]: where to go on, 0 at first; 6: about how many. Answers where to go on, 0 at the end.
local refused = superseded()
if refused then
  return refused
end
local some = redis.call('HSCAN', sockets, ARGV[5], 'COUNT', ARGV[6])
local ids = {}
for at = 1, #some[2], 2 do
  ids[#ids + 1] = some[2][at]
end
return answer('done', some[1], ids)
