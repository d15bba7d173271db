-- Hold what a read may take, if every cap has room, and give it what it wishes for of breakers.
--
-- KEYS  1 epoch  2-6 the book  7 breakers  then the totals
-- ARGV  1 epoch  2 call  3 ms until the hold lapses  4 the packed charges  5 now in µs
--       6 `1` where it is the last time of asking  7 how many wishes  then those  then the charges
-- Returns {'lost'} or {'stale'} where it cannot have what it wishes for; {'held', now in ms, the record of each breaker},
-- also for a call that holds it already. Or what `admit` says.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local now, wished = now_ms(), tonumber(ARGV[7])
local wishes, charges = wishes_at(8, wished), charges_at(8, 8 + 5 * wished)
if not can_have(KEYS[7], wishes, ARGV[2], {}, now) then return {'stale'} end
if #charges > 0 then
  local refused = admit(
    book_at(2), ARGV[2], charges, ARGV[4], string.format('%.0f', now + ARGV[3]), ARGV[5], ARGV[6] == '1', now
  )
  if refused then return refused end
end
return {'held', now, unpack(have(KEYS[7], wishes, ARGV[2], now))}
