-- Claim the names of a write for a lease and hold what it may take, if nothing under its names has moved and every cap
-- has room; claims that have lapsed go.
--
-- KEYS  1 epoch  2 stops  3 versions  4 record  5-9 the book  then the names that were asked  then the records that
--       are taken over  then the further names of those  then the totals
-- ARGV  1 epoch  2 generation  3 intent  4 lease in ms  5 ms after which a lapsed claim is given up
--       6 the packed intent  7 how many names were asked  8 how many records are taken over  9 how many further names
--       10 now in µs  11 `1` where it is the last time of asking  12 the packed charges  then the version of each name
--       that was asked  then for each `1` where it is to be held, `0` where it was only asked  then the intents that
--       are taken over  then the charges
-- Returns {'lost'}, {'stale'} or {'held'}; 'held' for an intent that has a record already, which stays as it is. Or
-- what `admit` says: {'lapsed', call…} of calls to give up first, {'exhausted', which charge, settled, held}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
if redis.call('EXISTS', KEYS[4]) == 1 then return {'held'} end
if (redis.call('HGET', KEYS[2], '#') or '0') ~= ARGV[2] then return {'stale'} end
local asked, taken, further = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
for i = 1, asked do
  if (redis.call('HGET', KEYS[9 + i], '#') or '0') ~= ARGV[12 + i] then return {'stale'} end
end
local now = now_ms()
local till = now + ARGV[4]
local gone = till + ARGV[5]
local charges = charges_at(10 + asked + taken + further, 13 + 2 * asked + taken)
if #charges > 0 then
  local refused = admit(book_at(5), ARGV[3], charges, ARGV[12], string.format('%.0f', gone), ARGV[10], ARGV[11] == '1', now)
  if refused then return refused end
end
local version = redis.call('INCR', KEYS[3])
for t = 1, taken do
  local intent = ARGV[12 + 2 * asked + t]
  redis.call('DEL', KEYS[9 + asked + t])
  for i = 10, 9 + asked + taken + further do
    local is_name = i <= 9 + asked or i > 9 + asked + taken
    if is_name and redis.call('HEXISTS', KEYS[i], intent) == 1 then place(KEYS[i], intent, false, version, now) end
  end
end
local value = string.format('c %.0f %.0f 0 0\n%s\n', gone, till, ARGV[6])
redis.call('SET', KEYS[4], value, 'PX', string.format('%.0f', gone - now))
for i = 1, asked do
  if ARGV[12 + asked + i] == '1' then place(KEYS[9 + i], ARGV[3], value, version, now) end
end
return {'held'}
