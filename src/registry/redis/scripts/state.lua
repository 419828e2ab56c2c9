-- Says how far a gateway is. ARGV[5]: what is so now, 'complete' or 'cut'.
local refused = superseded()
if refused then
  return refused
end
local field, value = 'cut', '1'
if ARGV[5] == 'complete' then
  field, value = 'listing', '0'
  sign_of_life()
end
if redis.call('HGET', holder, field) ~= value then
  redis.call('HSET', holder, field, value)
  publish_holder()
end
return answer('done')
