-- News of tasks and tokens: every script that changes one has this behind `names.lua`.
--
-- `news` holds what was opened, closed or revoked, `task ID` or `token ID`, by when that was: a number from the counter of
-- versions. Whoever asks is told what is newer than the number that it was told last.

-- How many are kept: as many tasks as are open at once, and tokens that were revoked before their time, many times over.
local NEWS_MAX = 65536

local function post(versions, news, what)
  redis.call('ZADD', news, redis.call('INCR', versions), what)
  redis.call('ZREMRANGEBYRANK', news, 0, -NEWS_MAX - 1)
end

