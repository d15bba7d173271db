-- Begin a replay of the ledger, and say what the store will be known by when it is done.
--
-- KEYS  1 epoch  2 the epoch that is being built
-- Returns the epoch where there is one, else the one that is being built: a new one, unless somebody builds it already.
local epoch = redis.call('GET', KEYS[1])
if epoch then return epoch end
local time = redis.call('TIME')
redis.call('SET', KEYS[2], time[1] .. '.' .. time[2], 'NX')
return redis.call('GET', KEYS[2])
