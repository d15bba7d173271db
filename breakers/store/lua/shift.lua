-- Put a breaker's record in the place of another: of the one that the caller has seen, or, as a replay tells it, of an
-- older one. What was counted under another generation counts no more.
--
-- KEYS  1 epoch  2 breakers  3 what was counted for it  4 the breakers that rest
-- ARGV  1 epoch, empty for a replay  2 key  3 the record as seen, empty for none  4 gen  5 who has the permit  6 until when
--       7 when the next may pass  8 the packed rest  9 ms until it may be forgotten, 0 for never
-- Returns {'lost'}, {'moved', now in ms, the record}, or {'other', now in ms, the record as it was found}.
local now, found = now_ms(), redis.call('HGET', KEYS[2], ARGV[2]) or ''
local was = read_breaker(found)
if ARGV[1] == '' then
  if was and tonumber(was.gen) >= tonumber(ARGV[4]) then return {'other', now, found} end
elseif redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'lost'}
elseif found ~= ARGV[3] then
  return {'other', now, found}
end
local value = pack_breaker({
  gen = ARGV[4], probe = ARGV[5], expires = moment_of(ARGV[6], now), next_ms = moment_of(ARGV[7], now), rest = ARGV[8],
})
redis.call('HSET', KEYS[2], ARGV[2], value)
if not was or was.gen ~= ARGV[4] then redis.call('DEL', KEYS[3]) end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 8)) do
  redis.call('HDEL', KEYS[2], over)
  redis.call('ZREM', KEYS[4], over)
end
if ARGV[9] == '0' then
  redis.call('ZREM', KEYS[4], ARGV[2])
else
  redis.call('ZADD', KEYS[4], string.format('%.0f', now + ARGV[9]), ARGV[2])
end
return {'moved', now, value}
