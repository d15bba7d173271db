-- Say that a replica is here, and hear who else is.
--
-- KEYS  1 epoch  2 members  3 knows  4 forgotten
-- ARGV  1 id  2 name  3 `1` where it is about to stop  4 what it says of itself  5 the names that it has on record, a space
--       on each side
-- Returns {'forgotten'}, {'missing'} where nobody is known here by that name, or {'heard', now in ms, the epoch or
-- nothing, {id, row, …}, {a name that was forgotten, …}}.
local id, name, now = ARGV[1], ARGV[2], now_ms()
if redis.call('HEXISTS', KEYS[4], name) == 1 then return {'forgotten'} end
local row = read_row(redis.call('HGET', KEYS[2], id))
if not row or row.name ~= name then return {'missing'} end
row.stopped, row.heard, row.said = ARGV[3] == '1', now, ARGV[4]
write_row(KEYS[2], id, row)
redis.call('HSET', KEYS[3], id, ARGV[5])
return {'heard', now, redis.call('GET', KEYS[1]) or '', redis.call('HGETALL', KEYS[2]), redis.call('HKEYS', KEYS[4])}
