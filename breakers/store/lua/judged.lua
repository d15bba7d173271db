-- Judge a total by the cap that its newest record has, at the end of a replay. Where somebody was judged since then, or
-- the replay of another ledger knows a later one, that stays.
--
-- KEYS  1 total  2-5 the book, but for a call's hold
-- ARGV  1 cap  2 its points  3 when it was on record, in µs  4 now in µs
-- Returns 1, or 0 where that says nothing new.
local found = redis.call('HMGET', KEYS[1], 'gone', 'cap', 'from')
if not found[1] then return 0 end
if (found[2] or '0') ~= '0' and (not found[3] or tonumber(found[3]) >= tonumber(ARGV[3])) then return 0 end
judge(book_at(1), {total = KEYS[1], cap = ARGV[1], points = ARGV[2]}, ARGV[4])
redis.call('HSET', KEYS[1], 'from', ARGV[3])
return 1
