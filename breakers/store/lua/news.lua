-- Tell what is new of tasks and tokens.
--
-- KEYS  1 epoch  2 news  3 the tasks that are open
-- ARGV  1 epoch  2 after which number  3 how many at most
-- Returns {'lost'}, or {'news', `1` unless some may be missing, {what, number, …}, {the task, where it is open, …}}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local is_whole, oldest = redis.call('ZCARD', KEYS[2]) < NEWS_MAX, redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if not is_whole then is_whole = tonumber(oldest[2]) <= tonumber(ARGV[2]) end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local tasks = {}
for i = 1, #found, 2 do
  local task = string.match(found[i], '^task (.*)$')
  tasks[#tasks + 1] = task and redis.call('HGET', KEYS[3], task) or false
end
return {'news', is_whole and '1' or '0', found, tasks}
