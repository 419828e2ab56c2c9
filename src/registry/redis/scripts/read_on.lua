-- What stands in the feed behind an entry, as much as may be read at once. ARGV[2]: the entry's id; 3: bytes; 4: entries of
-- which it is looked how many bytes they have. Answers whether there may be more, and the entries.
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
