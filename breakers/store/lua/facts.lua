-- Read what a decision about a write may know, in one moment.
--
-- KEYS  1 epoch  2 writes  3… names
-- ARGV  1 the epoch that the caller knows
-- Returns {'lost'}, or {'known', now in ms, stopped, generation, {field, value, …} for each name}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local writes = redis.call('HMGET', KEYS[2], 'stopped', 'generation')
local known = {'known', now_ms(), writes[1] or '0', writes[2] or '0'}
for i = 3, #KEYS do known[#known + 1] = redis.call('HGETALL', KEYS[i]) end
return known
