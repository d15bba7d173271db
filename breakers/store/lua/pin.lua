-- Put a record on the board: nothing takes the place of a revocation, and of two of the same kind the first stays.
--
-- KEYS  1 the board
-- ARGV  1 id  2 `m` (minted) or `r` (revoked)  3 the record  4 a name for the board as it is then
--       5 what stands there and is not to be believed, as it was read; or nothing
-- Returns 1 where it stands there now.
local known = redis.call('HGET', KEYS[1], ARGV[1])
local believed = known and known ~= ARGV[5]
if believed and (ARGV[2] == 'm' or string.sub(known, 1, 1) == 'r') then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[3], '#', ARGV[4])
return 1
