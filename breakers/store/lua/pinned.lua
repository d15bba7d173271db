-- Return what stands on the board, where that has changed.
--
-- KEYS  1 the board
-- ARGV  1 the state of it that is known
-- Returns its state, and where that is another one its fields and values.
local state = redis.call('HGET', KEYS[1], '#') or ''
if state == ARGV[1] then return {state} end
return {state, redis.call('HGETALL', KEYS[1])}
