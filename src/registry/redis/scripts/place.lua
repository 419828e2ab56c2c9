-- Where the feed is. ARGV from 2 on: ids of entries. Answers for how long there has been data, the last tenure that is
-- void, the last and the first id, and of each entry whether it is there.
if redis.call('EXISTS', feed) == 0 then
  begin(ARGV[1])
end
local info = redis.call('XINFO', 'STREAM', feed)
local last, first
for at = 1, #info, 2 do
  if info[at] == 'last-generated-id' then
    last = info[at + 1]
  elseif info[at] == 'first-entry' then
    first = info[at + 1] and info[at + 1][1]
  end
end
local there = {}
for at = 2, #ARGV do
  local is_there = ARGV[at] == last or #redis.call('XRANGE', feed, ARGV[at], ARGV[at]) > 0
  there[#there + 1] = is_there and 1 or 0
end
local age = math.max(now - redis.call('HGET', meta, 'began'), 0)
return answer('done', whole(age), whole(void), last, first or last, there)
