-- Give up a hold that has lapsed, and the claim that it was taken with: what was not sent by then is not sent.
--
-- KEYS  1 record  2-6 the book  then the totals
-- ARGV  1 call  2 ms by which it is done earlier, because another takes the claim over  then the charges
-- Returns 1, or 0 where the hold has not lapsed, or ended.
local book, now = book_at(2), now_ms()
local due = redis.call('ZSCORE', book.lapsing, ARGV[1])
if not due or tonumber(due) - tonumber(ARGV[2]) > now then return 0 end
local value = redis.call('GET', KEYS[1])
if value and read(value) == 'c' then redis.call('DEL', KEYS[1]) end
local done = release(book, ARGV[1], charges_at(7, 3), false, now)
redis.call('ZREM', book.lapsing, ARGV[1])
return done
