-- Give back the permits and the grant of a call that was not answered, or of which nothing is on record any more.
--
-- KEYS  1 breakers  2-4 the suggestions  5 the record of the intent
-- ARGV  1 call  2 now in µs  3 the suggestion that it carries out, empty for none  4 `1` where that is kept as long as
--       there is a record of the call  5 how many wishes  then those
-- Returns {now in ms, the suggestion, where that changed}.
local now, value = now_ms(), false
give_back_permits(KEYS[1], wishes_at(6, tonumber(ARGV[5])), ARGV[1])
if ARGV[3] ~= '' and (ARGV[4] ~= '1' or redis.call('EXISTS', KEYS[5]) == 0) then
  value = give_back_grant(shelf_at(2), ARGV[3], ARGV[1], ARGV[2], now)
end
return {now, value}
