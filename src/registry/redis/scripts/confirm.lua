-- Keeps what was confirmed of sockets. ARGV from 5 on, of each: socket id, the mark of the session that it is about, what.
local refused = superseded()
if refused then
  return refused
end
local fields = {'g', gateway}
for at = 5, #ARGV, 3 do
  local socket = ARGV[at]
  local before = redis.call('HGET', sockets, socket)
  if before then
    local mark, confirmed, reported = parts(before)
    if mark == ARGV[at + 1] and confirmed ~= ARGV[at + 2] then
      local record = put_together(mark, ARGV[at + 2], reported)
      redis.call('HSET', sockets, socket, record)
      for _, field in ipairs({'b', before, 'o', record}) do
        fields[#fields + 1] = field
      end
    end
  end
end
if #fields > 2 then
  publish(fields)
end
return answer('done')
