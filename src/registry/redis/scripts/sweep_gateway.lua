-- Closes some sockets of a gateway that is ending. ARGV[4]: at most so many. Answers whether all are closed.
local _, all = sweep(gateway, holder, sockets, ARGV[4])
return answer('done', all and 1 or 0)
