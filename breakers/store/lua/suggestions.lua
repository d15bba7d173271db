-- Read every suggestion, or one.
--
-- KEYS  1 epoch  2 suggestions
-- ARGV  1 epoch  2 id, empty for all
-- Returns {'lost'}, or {'known', {id, suggestion, …}}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
if ARGV[2] == '' then return {'known', redis.call('HGETALL', KEYS[2])} end
local value = redis.call('HGET', KEYS[2], ARGV[2])
return {'known', value and {ARGV[2], value} or {}}
