-- Closes some sockets of a gateway that is ending, at most so many, and when none is left forgets the gateway. Gives how
-- many it closed, and whether that was all.
local function sweep(gateway, holder, sockets, at_most)
  local reason = redis.call('HGET', ending, gateway)
  if not reason then
    return 0, true
  end
  local some = redis.call('HRANDFIELD', sockets, at_most, 'WITHVALUES')
  local fields, ids = {'g', gateway}, {}
  for at = 1, #some, 2 do
    ids[#ids + 1] = some[at]
    for _, field in ipairs({'b', some[at + 1], 's', some[at], 'c', reason}) do
      fields[#fields + 1] = field
    end
  end
  if #ids > 0 then
    redis.call('HDEL', sockets, unpack(ids))
  end
  local all = redis.call('EXISTS', sockets) == 0
  if all then
    redis.call('DEL', holder)
    redis.call('HDEL', ending, gateway)
    redis.call('ZREM', seen, gateway)
    redis.call('ZREM', leases, gateway)
    fields[#fields + 1] = 'n'
    fields[#fields + 1] = ''
  end
  publish(fields)
  return #ids, all
end
