-- Note that a token is not valid any more.
--
-- KEYS  1 the token  2 versions  3 news
-- ARGV  1 ms until no such token can be valid anyway  2 its id
-- Returns 1, or 0 where it is known for longer.
if redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
post(KEYS[2], KEYS[3], 'token ' .. ARGV[2])
return 1
