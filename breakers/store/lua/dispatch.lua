-- Mark an intent as about to be sent, unless its claim was taken over or given up, or it has ended.
--
-- KEYS  1 epoch  2 stops  3 versions  4 record  5 open intents  6 the calls whose hold lapses
--       7-9 the suggestions  10… the names that it holds
-- ARGV  1 epoch  2 intent  3 the packed intent  4 the suggestion that it carries out, empty for none  then each scope that it is in, `all` the first, and for each `1` where an
--       approver's grant answers its being parked by a stop of that scope
-- Returns {'lost-epoch'}, {'lost'}, or {'granted' or 'stopped', the record}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost-epoch'} end
local value = redis.call('GET', KEYS[4])
local letter = value and read(value)
if letter ~= 'c' and letter ~= 'd' then return {'lost'} end
if letter == 'c' then
  -- Another may have the grant by now.
  if is_carried_by_another(shelf_at(7), ARGV[4], ARGV[2], now_ms()) then return {'lost'} end
  value = 'd 0 0 0 0\n' .. ARGV[3] .. '\n'
  local now, version = now_ms(), redis.call('INCR', KEYS[3])
  redis.call('SET', KEYS[4], value)
  redis.call('HSET', KEYS[5], ARGV[2], value)
  redis.call('ZREM', KEYS[6], ARGV[2])
  for i = 10, #KEYS do place(KEYS[i], ARGV[2], value, version, now) end
end
local scopes, answered = {}, {}
for i = 5, #ARGV, 2 do
  scopes[#scopes + 1] = ARGV[i]
  answered[#scopes] = ARGV[i + 1] == '1'
end
return {is_barred(KEYS[2], scopes, answered) and 'stopped' or 'granted', value}
