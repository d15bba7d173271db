-- Read what a decision about a write may know, in one moment.
--
-- KEYS  1 epoch  2 stops  3… names
-- ARGV  1 the epoch that the caller knows  then each scope that it is in
-- Returns {'lost'}, or {'known', now in ms, {generation, the record of each scope}, {field, value, …} for each name}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local known = {'known', now_ms(), redis.call('HMGET', KEYS[2], '#', unpack(ARGV, 2))}
for i = 3, #KEYS do known[#known + 1] = redis.call('HGETALL', KEYS[i]) end
return known
