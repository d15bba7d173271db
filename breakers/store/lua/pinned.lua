-- Return what stands on the board, where that has changed.
--
-- KEYS  1 the board
-- ARGV  1 the state of it that is known
-- Returns its state, and where that is another one its fields and values.
local said = redis.call('HMGET', KEYS[1], '#of', '#')
local state = (said[1] or '') .. ':' .. (said[2] or '')
if state == ARGV[1] then return {state} end
return {state, redis.call('HGETALL', KEYS[1])}
