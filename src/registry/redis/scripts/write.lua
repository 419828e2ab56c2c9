-- Keeps events. ARGV from 5 on, of each event: 'o' (opened), socket id and record, or 'c' (closed), socket id and reason.
local refused = superseded()
if refused then
  return refused
end
sign_of_life()
local fields = {'g', gateway}
local function add(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
for at = 5, #ARGV, 3 do
  local kind, socket, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local before = redis.call('HGET', sockets, socket)
  if kind == 'o' and before then
    -- What was confirmed of it stays, if it is of the same session still.
    local mark, confirmed = parts(before)
    if confirmed ~= '' then
      local mark_now, _, reported = parts(value)
      if mark_now == mark then
        value = put_together(mark, confirmed, reported)
      end
    end
  end
  if kind == 'o' and before ~= value then
    redis.call('HSET', sockets, socket, value)
    if before then
      add('b', before)
    end
    add('o', value)
  elseif kind == 'c' and before then
    redis.call('HDEL', sockets, socket)
    add('b', before)
    add('s', socket)
    add('c', value)
  end
end
if #fields > 2 then
  publish(fields)
end
return answer('done')
