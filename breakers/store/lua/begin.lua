-- Begin a replay of the ledger, and say what the store will be known by when it is done.
--
-- KEYS  1 epoch  2 the epoch that is being built  3 what names are made with
-- ARGV  1 what this process makes names with; nothing where that is not said
-- Returns the epoch where there is one, else the one that is being built: a new one, unless somebody builds it already.
-- Nothing where the others make names with something else: what one does is not known by the other's names.
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[3], ARGV[1], 'NX')
  if redis.call('GET', KEYS[3]) ~= ARGV[1] then return false end
end
local epoch = redis.call('GET', KEYS[1])
if epoch then return epoch end
local time = redis.call('TIME')
redis.call('SET', KEYS[2], time[1] .. '.' .. time[2], 'NX')
return redis.call('GET', KEYS[2])
