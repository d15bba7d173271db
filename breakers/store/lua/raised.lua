-- Note that an alert is on record, which is raised no second time; one that is new here waits until it was delivered.
--
-- KEYS  1 total  2 what was told and not delivered yet
-- ARGV  1 kind  2 percentage  3 cap  4 the alert under which it waits  5 settled  6 when it was raised, in µs
--       7 `1` where it waits, `0` where it was delivered  8 ms that this is known of a total that nobody is charged at
-- Returns 1, or 0 where it was known.
if redis.call('HSETNX', KEYS[1], '! ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 1) == 0 then return 0 end
if ARGV[1] == 'reached' then redis.call('HSET', KEYS[1], 'at ' .. ARGV[2], 1) end
if redis.call('HEXISTS', KEYS[1], 'gone') == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[8]) end
if ARGV[7] == '1' then
  local turn = redis.call('HINCRBY', KEYS[2], '#', 1)
  redis.call('HSET', KEYS[2], ARGV[4], turn .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
end
return 1
