-- Throw some keys away, as long as it is this wiping that they are thrown away for.
--
-- KEYS  1 wiping  then those that go
-- ARGV  1 what for
-- Returns 1, or 0 where somebody has done that by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
