-- Note that a task is over, once: why it was first said to be is why.
--
-- KEYS  1 task  2 the tasks that are open
-- ARGV  1 its id  2 when and why, packed
-- Returns 1, or 0 where it is not known as open.
local value = redis.call('GET', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if not value or string.sub(value, 1, 1) ~= '\n' then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. value, 'KEEPTTL')
return 1
