-- Forget a replica: nobody waits for it any more, and whatever it still holds by holds no more.
--
-- The epoch turns, so that a process of it that goes on writes nothing: every other one takes the next number by itself.
--
-- KEYS  1 epoch  2 the one that is being built  3 members  4 knows  5 forgotten
-- ARGV  1 its id  2 its name  3 ms for which one that was not heard of may be here  4 `1` where it is only asked whether
--       that is so, `0` where it is on record that it is forgotten  5 the id of whoever orders it  6 the names that that
--       one has on record, a space on each side
-- Returns {'forgotten'}, or {'here', for how many ms it was not heard of}.
local id, name, now = ARGV[1], ARGV[2], now_ms()
local epoch, building, row = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), read_row(redis.call('HGET', KEYS[3], id))
if row and row.name ~= name then row = nil end
if ARGV[4] == '1' then
  local since = row and (row.stopped and 0 or row.heard)
  -- Of what is being built not everyone may have heard yet.
  if not row and building and not epoch then since = (tonumber(string.match(building, '^([%d.]+):')) or 0) * 1000 end
  if since and now - since <= tonumber(ARGV[3]) then return {'here', math.max(0, now - since)} end
  return {'forgotten'}
end
local is_new = redis.call('HSETNX', KEYS[5], name, string.format('%.0f', now)) == 1
if row then
  redis.call('HDEL', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
end
redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
if is_new and epoch then redis.call('SET', KEYS[1], turned(epoch)) end
return {'forgotten'}
