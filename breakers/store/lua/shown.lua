-- Read totals.
--
-- KEYS  1 epoch  2… totals
-- ARGV  1 epoch
-- Returns {'lost'}, or {'known', {settled, held, cap, until, gone} for each}, where one that is not there has none.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local known = {'known'}
for i = 2, #KEYS do known[i] = redis.call('HMGET', KEYS[i], 'settled', 'held', 'cap', 'until', 'gone') end
return known
