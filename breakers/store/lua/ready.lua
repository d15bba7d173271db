-- End a replay of the ledger: from here on, writes are held under this epoch.
--
-- KEYS  1 epoch  2 the epoch that is being built
-- ARGV  1 what `begin` returned
-- Returns 1, or 0 where the store was emptied while the ledger was replayed into it.
local epoch = redis.call('GET', KEYS[1])
if epoch then return epoch == ARGV[1] and 1 or 0 end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
