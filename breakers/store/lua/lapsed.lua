-- Find calls whose hold has lapsed.
--
-- KEYS  1 the calls whose hold lapses
-- Returns a few of them, the first that lapsed first.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, 16)
