-- Keep an opened task, once: what is known of it stays, even where that is only that it is over.
--
-- KEYS  1 task  2 the tasks that are open  3 versions  4 news
-- ARGV  1 its id  2 the packed task  3 ms until it may be forgotten
-- Returns 1, or 0 where it is known.
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, -1) ~= '\n' then return 0 end
redis.call('SET', KEYS[1], (value or '\n') .. ARGV[2], 'PX', ARGV[3])
if value then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
post(KEYS[3], KEYS[4], 'task ' .. ARGV[1])
return 1
