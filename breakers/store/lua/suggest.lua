-- Note a suggestion, unless it is known or the same write has one that is live.
--
-- KEYS  1 epoch  2-4 the suggestions
-- ARGV  1 epoch  2 id  3 stage  4 version  5 digest  6 when it was parked, in µs  7 ms until it expires
--       8 when it changed, in µs  9 intent  10 its names  11 the packed rest
-- Returns {'lost'}, or {'stands', id, the one that stands}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local shelf, now, id = shelf_at(2), now_ms(), ARGV[2]
if known_suggestion(shelf, id, now) then return {'stands', id, redis.call('HGET', shelf.suggestions, id)} end
for name in string.gmatch(ARGV[10], '%S+') do
  local under = redis.call('HGET', shelf.suggested, name)
  local one = known_suggestion(shelf, under, now)
  if one and LIVE[one.stage] then return {'stands', under, redis.call('HGET', shelf.suggestions, under)} end
end
return {'stands', id, put_suggestion(shelf, id, told_suggestion(3, now), now)}
