-- Read every record of the stop.
--
-- KEYS  1 epoch  2 stops
-- Returns the epoch that the server has, and the fields and values.
local found = {redis.call('GET', KEYS[1])}
for _, each in ipairs(redis.call('HGETALL', KEYS[2])) do found[#found + 1] = each end
return found
