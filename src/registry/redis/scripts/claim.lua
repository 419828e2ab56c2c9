-- Asks for a gateway id. ARGV[4]: incarnation; 5: labels; 6: the sign of life that was the last, or nothing; 7: how many
-- replaced incarnations are remembered, and 8: for how many seconds.
local incarnation, labels, silent = ARGV[4], ARGV[5], ARGV[6]
if redis.call('HEXISTS', ending, gateway) == 1 then
  return answer('ending')
end
for _, replaced in ipairs(redis.call('LRANGE', retired, 0, -1)) do
  if replaced == incarnation then
    redis.call('EXPIRE', retired, ARGV[8])
    return answer('retired')
  end
end
local held = redis.call('HMGET', holder, 'tenure', 'incarnation', 'cut')
if held[1] and held[2] ~= incarnation then
  local sign = held[1] .. '.' .. whole(redis.call('ZSCORE', seen, gateway) or 0)
  if sign ~= silent then
    return answer('held', sign, held[3] == '1' and 1 or 0)
  end
  redis.call('LPUSH', retired, held[2])
  redis.call('LTRIM', retired, 0, ARGV[7] - 1)
  redis.call('EXPIRE', retired, ARGV[8])
end
local granted = whole(redis.call('HINCRBY', meta, 'tenures', 1))
redis.call('HSET', holder, 'tenure', granted, 'incarnation', incarnation, 'labels', labels, 'listing', '1', 'cut', '0')
sign_of_life()
publish_holder()
return answer('granted', granted)
