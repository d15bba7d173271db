-- Keep an opened task, once: what is known of it stays.
--
-- KEYS  1 task  2 the tasks that are open
-- ARGV  1 its id  2 the packed task  3 ms until it may be forgotten
-- Returns 1, or 0 where it is known.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], '\n' .. ARGV[2], 'PX', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
