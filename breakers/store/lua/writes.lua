-- Note whether writes may pass: an older record never undoes a newer one, and of two with one epoch the stricter holds.
--
-- KEYS  1 writes
-- ARGV  1 `1` for stopped, `0` for passing  2 the record's epoch
-- Returns {stopped, epoch, generation} as they are now; the generation grows whenever `stopped` changes.
local held = redis.call('HMGET', KEYS[1], 'stopped', 'epoch', 'generation')
local stopped, epoch, generation = held[1] or '0', tonumber(held[2] or '0'), held[3] or '0'
local given = tonumber(ARGV[2])
if given < epoch then return {stopped, held[2], generation} end
local now_stopped = (ARGV[1] == '1' or (given == epoch and stopped == '1')) and '1' or '0'
if now_stopped ~= stopped then generation = redis.call('HINCRBY', KEYS[1], 'generation', 1) end
redis.call('HSET', KEYS[1], 'stopped', now_stopped, 'epoch', ARGV[2])
return {now_stopped, ARGV[2], tostring(generation)}
