-- Read what a decision about a write may know, in one moment.
--
-- KEYS  1 epoch  2 stops  3 breakers  4 suggestions  5 suggestions by name  6… names
-- ARGV  1 the epoch that the caller knows  2 how many scopes it is in  3 how many breakers it is judged by, beside those
--       of its scopes  then both  then the names that a suggestion of it is found by
-- Returns {'lost'}, or {'known', now in ms, {generation, the record of each scope}, {the record of each breaker},
-- {id, suggestion, …}, {field, value, …} for each name}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local scopes, breakers = tonumber(ARGV[2]), tonumber(ARGV[3])
local suggestions, keys = {}, {unpack(ARGV, 4 + scopes, 3 + scopes + breakers)}
for i = 4, 3 + scopes do keys[#keys + 1] = 'kill:' .. ARGV[i] end
for i = 4 + scopes + breakers, #ARGV do
  local id = redis.call('HGET', KEYS[5], ARGV[i])
  if id then
    suggestions[#suggestions + 1] = id
    suggestions[#suggestions + 1] = redis.call('HGET', KEYS[4], id)
  end
end
local known = {
  'known', now_ms(), redis.call('HMGET', KEYS[2], '#', unpack(ARGV, 4, 3 + scopes)),
  redis.call('HMGET', KEYS[3], unpack(keys)), suggestions,
}
for i = 6, #KEYS do known[#known + 1] = redis.call('HGETALL', KEYS[i]) end
return known
