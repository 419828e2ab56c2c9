-- Ends leases. ARGV[2]: the lease, and 3: how long the feed is kept, in milliseconds; 4: signs of life from here on, in
-- microseconds; 5: sockets to close at most; 6: gateways to end at most; 7: why; 8 and 9: what the keys of holders and of
-- sockets begin with. Answers the time, whether there is more to do, who was ended, and signs of life.
local lease, at_most = tonumber(ARGV[2]), tonumber(ARGV[5])
local last = redis.call('HMGET', meta, 'ticked', 'grace')
local ticked, grace = tonumber(last[1]), tonumber(last[2])
-- Nobody has ended leases for a while, so nobody may have been able to give signs of life: leases stood still.
if not ticked or math.abs(now - ticked) > lease / 3 then
  grace = now + lease
  redis.call('HSET', meta, 'grace', whole(grace))
end
redis.call('HSET', meta, 'ticked', whole(now))

local ended = {}
if now >= grace then
  ended = redis.call('ZRANGEBYSCORE', leases, '-inf', '(' .. whole(now), 'LIMIT', 0, ARGV[6])
  for _, gateway in ipairs(ended) do
    redis.call('HSETNX', ending, gateway, ARGV[7])
    redis.call('ZREM', leases, gateway)
  end
end

local some = redis.call('HRANDFIELD', ending, ARGV[6])
for _, gateway in ipairs(some) do
  local closed = sweep(gateway, ARGV[8] .. gateway, ARGV[9] .. gateway, at_most)
  at_most = at_most - closed
  if at_most <= 0 then
    break
  end
end
local more = redis.call('EXISTS', ending)

redis.call('XTRIM', feed, 'MINID', '~', whole(math.max(now - ARGV[3], 0)))
local signs = redis.call('ZRANGEBYSCORE', seen, ARGV[4], '+inf', 'WITHSCORES')
for at = 2, #signs, 2 do
  signs[at] = whole(signs[at])
end
return answer('done', whole(micros), more, ended, signs)
