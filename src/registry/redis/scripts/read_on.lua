-- The next piece of the feed. ARGV[2]: the id of the entry that it is behind; 3: bytes after which it stops. One entry after
-- the other, since each may be megabytes. Answers whether there may be more, and the entries.
local most = tonumber(ARGV[3])
local entries, bytes, last = {}, 0, ARGV[2]
repeat
  local entry = redis.call('XRANGE', feed, '(' .. last, '+', 'COUNT', 1)[1]
  if entry then
    entries[#entries + 1] = entry
    last = entry[1]
    for _, field in ipairs(entry[2]) do
      bytes = bytes + #field
    end
  end
until not entry or bytes >= most
return answer('done', bytes >= most and 1 or 0, entries)
