-- Ends a gateway: from now on nobody can write for it, and sweeping closes its sockets. ARGV[5]: why.
local refused = superseded()
if refused then
  return refused
end
redis.call('HSET', ending, gateway, ARGV[5])
return answer('done')
