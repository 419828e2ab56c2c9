-- Tells all replicas of sessions that have ended. KEYS from 6 on, of each: what was told of it last. ARGV[2]: for how many
-- seconds that is remembered; from 3 on, of each: the kind of its end, this end's number, that of the one that the session
-- has outlived or nothing, and the end. Of whoever finds it the first tells it: for the others the last one is another one.
for at = 6, #KEYS do
  local first = 3 + (at - 6) * 4
  local kind, number, outlived = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  local last = redis.call('HGET', KEYS[at], kind)
  -- What was told of other data was told to other watchers.
  local is_known = last and string.sub(last, 1, #epoch) == epoch
  if not is_known or last == epoch .. '.' .. outlived then
    redis.call('HSET', KEYS[at], kind, epoch .. '.' .. number)
    redis.call('EXPIRE', KEYS[at], ARGV[2])
    publish({'k', number, 'x', ARGV[first + 3]})
  end
end
return answer('done')
