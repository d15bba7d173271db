-- Put a letter into a box, unless it is full.
--
-- KEYS  1 the box
-- ARGV  1 the letter  2 ms after which nobody waits for what lies there  3 letters at most
-- Returns 1, or 0 where it is full.
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
