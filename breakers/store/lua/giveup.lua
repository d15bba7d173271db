-- Give up a hold that has lapsed. A write's goes with the claim that it was taken with: what was not sent by then is not
-- sent. A read may have been, and its replica's record may say so: it is taken whole until that replica tells.
--
-- KEYS  1 record  2-6 the book  then the totals
-- ARGV  1 call  2 ms by which it is done earlier, because another takes the claim over  3 now in µs  4 the packed
--       charges, newline, who holds them  then the charges
-- Returns 1, or 0 where the hold has not lapsed, or ended.
local book, charges, now = book_at(2), charges_at(7, 5), now_ms()
local due = redis.call('ZSCORE', book.lapsing, ARGV[1])
if not due or tonumber(due) - tonumber(ARGV[2]) > now then return 0 end
local was, _, by = read_hold(book.hold)
if was == 'h' and by and string.sub(by, 1, 5) == 'read ' then
  local done = close(book, ARGV[1], charges, ARGV[4], 'w', ARGV[3], now)
  -- Its replica finds it here, as long as it is kept.
  local left = redis.call('PTTL', book.hold)
  redis.call('ZADD', book.lapsing, left > 0 and string.format('%.0f', now + left + 1000) or '+inf', ARGV[1])
  return done
end
local value = redis.call('GET', KEYS[1])
if value and read(value) == 'c' then redis.call('DEL', KEYS[1]) end
local done = was == 'h' and release(book, ARGV[1], charges, false, now) or 0
redis.call('ZREM', book.lapsing, ARGV[1])
return done
