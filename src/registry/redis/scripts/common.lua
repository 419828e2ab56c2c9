-- What every script begins with. ARGV[1]: the epoch to begin with where there is no data.
local meta, seen, leases, ending, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

-- Lua would write large numbers as 1.7e+15.
local function whole(number)
  return string.format('%.0f', number)
end

-- An entry of the feed, from which replicas learn of everything. Its fields: see wire.rs.
local newest
local function publish(fields)
  newest = redis.call('XADD', feed, '*', 'v', '1', unpack(fields))
  redis.call('HSET', meta, 'last', newest)
end

local state = redis.call('HMGET', meta, 'epoch', 'void', 'last')
local epoch, void = state[1], tonumber(state[2])
newest = state[3] or ''

-- Begins with an epoch: every tenure from before it is void. Tenures count on from the clock, so that none comes twice.
local function begin(new)
  epoch, void = new, micros
  redis.call('HSET', meta, 'epoch', new, 'began', whole(now), 'tenures', whole(micros), 'void', whole(micros))
  redis.call('HDEL', meta, 'ticked')
  publish({'e', new})
end

if not epoch then
  begin(ARGV[1])
end

-- What a script answers: a word, which data it is, the newest entry of the feed, and more. Also where it changed nothing: what
-- it was to change may have been so before, and nobody has heard of it.
local function answer(word, ...)
  return {word, epoch, newest, ...}
end
