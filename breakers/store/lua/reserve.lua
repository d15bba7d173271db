-- Claim the names of a write for a lease, if nothing under them has moved; claims that have lapsed go.
--
-- KEYS  1 epoch  2 writes  3 versions  4 record  then the names that were asked  then the records that are taken over
--       then the further names of those
-- ARGV  1 epoch  2 generation  3 intent  4 lease in ms  5 ms after which a lapsed claim is forgotten  6 the packed intent
--       7 how many names were asked  8 how many records are taken over  then the version of each name that was asked
--       then for each `1` where it is to be held, `0` where it was only asked  then the intents that are taken over
-- Returns 'lost', 'stale' or 'held'; 'held' for an intent that has a record already, which stays as it is.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if redis.call('EXISTS', KEYS[4]) == 1 then return 'held' end
if (redis.call('HGET', KEYS[2], 'generation') or '0') ~= ARGV[2] then return 'stale' end
local asked, taken = tonumber(ARGV[7]), tonumber(ARGV[8])
for i = 1, asked do
  if (redis.call('HGET', KEYS[4 + i], '#') or '0') ~= ARGV[8 + i] then return 'stale' end
end
local now, version = now_ms(), redis.call('INCR', KEYS[3])
for t = 1, taken do
  local intent = ARGV[8 + 2 * asked + t]
  redis.call('DEL', KEYS[4 + asked + t])
  for i = 5, #KEYS do
    local is_name = i <= 4 + asked or i > 4 + asked + taken
    if is_name and redis.call('HEXISTS', KEYS[i], intent) == 1 then place(KEYS[i], intent, false, version, now) end
  end
end
local till = now + ARGV[4]
local gone = till + ARGV[5]
local value = string.format('c %.0f %.0f 0 0\n%s\n', gone, till, ARGV[6])
redis.call('SET', KEYS[4], value, 'PX', string.format('%.0f', gone - now))
for i = 1, asked do
  if ARGV[8 + asked + i] == '1' then place(KEYS[4 + i], ARGV[3], value, version, now) end
end
return 'held'
