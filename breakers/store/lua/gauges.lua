-- Read every breaker.
--
-- KEYS  1 epoch  2 breakers
-- ARGV  1 epoch
-- Returns {'lost'}, or {'known', now in ms, {key, record, …}}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
return {'known', now_ms(), redis.call('HGETALL', KEYS[2])}
