-- The next piece of the feed. ARGV[2]: the id of the entry that it is behind; 3: bytes after which it stops; 4: entries
-- between two counts of them. Answers whether there may be more, and the entries.
local most, some = tonumber(ARGV[3]), tonumber(ARGV[4])
local entries, bytes, last = {}, 0, ARGV[2]
repeat
  local piece = redis.call('XRANGE', feed, '(' .. last, '+', 'COUNT', some)
  for _, entry in ipairs(piece) do
    entries[#entries + 1] = entry
    last = entry[1]
    for _, field in ipairs(entry[2]) do
      bytes = bytes + #field
    end
  end
until #piece < some or bytes >= most
return answer('done', bytes >= most and 1 or 0, entries)
