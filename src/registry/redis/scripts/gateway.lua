-- What scripts about one gateway go on with. KEYS 6-8: its holder, its sockets, the incarnations that others replaced.
-- ARGV[2]: its id; 3: the lease in milliseconds; 4: the caller's tenure; of claims and sweeps something else.
local holder, sockets, retired = KEYS[6], KEYS[7], KEYS[8]
local gateway, lease, tenure = ARGV[2], ARGV[3], ARGV[4]

local function sign_of_life()
  redis.call('ZADD', seen, whole(micros), gateway)
  redis.call('ZADD', leases, whole(now + lease), gateway)
end

-- Nil when the caller's tenure is the one that counts, else what the caller is answered.
local function superseded()
  local held = redis.call('HMGET', holder, 'tenure', 'incarnation', 'labels')
  if not held[1] or tonumber(held[1]) <= void or redis.call('HEXISTS', ending, gateway) == 1 then
    return answer('superseded')
  end
  if held[1] ~= tenure then
    return answer('superseded', held[2], held[3])
  end
end

-- Publishes who holds the gateway id.
local function publish_holder()
  local held = redis.call('HMGET', holder, 'tenure', 'incarnation', 'labels', 'listing', 'cut')
  publish({'g', gateway, 't', held[1], 'i', held[2], 'l', held[3], 'h', held[4] .. held[5]})
end
