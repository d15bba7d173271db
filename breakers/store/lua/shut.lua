-- Note that a task is over, once: why it was first said to be is why. One that is not known is over when it is opened.
--
-- KEYS  1 task  2 the tasks that are open  3 versions  4 news
-- ARGV  1 its id  2 when and why, packed  3 ms until one that is not known may be forgotten
-- Returns 1, or 0 where it is not known as open.
local value = redis.call('GET', KEYS[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then post(KEYS[3], KEYS[4], 'task ' .. ARGV[1]) end
if not value and tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[1], ARGV[2] .. '\n', 'PX', ARGV[3]) end
if not value or string.sub(value, 1, 1) ~= '\n' then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. value, 'KEEPTTL')
return 1
