-- Hold what a read may take, if every cap has room.
--
-- KEYS  1 epoch  2-6 the book  then the totals
-- ARGV  1 epoch  2 call  3 ms until the hold lapses  4 the packed charges  5 now in µs
--       6 `1` where it is the last time of asking  then the charges
-- Returns {'lost'} or {'held'}; 'held' for a call that holds it already. Or what `admit` says.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local now = now_ms()
local refused = admit(
  book_at(2), ARGV[2], charges_at(7, 7), ARGV[4], string.format('%.0f', now + ARGV[3]), ARGV[5], ARGV[6] == '1', now
)
return refused or {'held'}
