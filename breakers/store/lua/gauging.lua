-- Breakers: every script that reads or changes one has this behind `names.lua`.
--
-- `breakers` holds by key `<gen> <probe> <expires> <next>`, newline, what scripts do not read (breakers/store/gauged.py).
-- `probe` is the call that has the permit (`-`: nobody), `expires` when it counts as failed and `next` when a ramp lets
-- the next one pass, both in ms of the server's clock (0: not set). What cannot be read is as if it were not there.

-- Return a record, or nothing where there is none that can be read.
local function read_breaker(value)
  local gen, probe, expires, next_ms, rest =
    string.match(value or '', '^(%d+) (%S+) (%d+) (%d+)\n(%["[%l_]+",.*%])$')
  if not gen then return nil end
  return {gen = gen, probe = probe, expires = expires, next_ms = next_ms, rest = rest}
end

local function pack_breaker(breaker)
  return string.format(
    '%s %s %s %s\n%s', breaker.gen, breaker.probe, breaker.expires, breaker.next_ms, breaker.rest
  )
end

-- Return a moment that was told as `+<ms from now>`, or as it stands.
local function moment_of(told, now)
  local left = string.match(told, '^%+(-?%d+)$')
  return left and string.format('%.0f', math.max(1, now + left)) or told
end

-- Return what a call wishes for: five arguments each: the breaker, its generation, `1` for its permit or `0` for a place
-- in its ramp, how long the permit is leased and how long the next one waits, in ms.
local function wishes_at(argument, count)
  local wishes = {}
  for i = 1, count do
    local a = argument + 5 * (i - 1)
    wishes[i] = {key = ARGV[a], gen = ARGV[a + 1], probe = ARGV[a + 2] == '1', lease = ARGV[a + 3], gap = ARGV[a + 4]}
  end
  return wishes
end

-- Tell whether a call can have all of it, or has it, or takes it from `others`. A permit that is out for too long counts
-- as failed: whoever sees to that moves the breaker on.
local function can_have(breakers, wishes, call, others, now)
  for _, wish in ipairs(wishes) do
    local breaker = read_breaker(redis.call('HGET', breakers, wish.key))
    if not breaker or breaker.gen ~= wish.gen then return false end
    local is_free = breaker.probe == '-' or breaker.probe == call or others[breaker.probe]
    if wish.probe and not is_free then return false end
    if not wish.probe and tonumber(breaker.next_ms) > now then return false end
  end
  return true
end

-- Give it to the call, and return the records as they are then.
local function have(breakers, wishes, call, now)
  local records = {}
  for i, wish in ipairs(wishes) do
    local breaker = read_breaker(redis.call('HGET', breakers, wish.key))
    if not wish.probe then
      breaker.next_ms = string.format('%.0f', now + wish.gap)
    elseif breaker.probe == '-' then
      breaker.probe, breaker.expires = call, string.format('%.0f', now + wish.lease)
    end
    records[i] = pack_breaker(breaker)
    redis.call('HSET', breakers, wish.key, records[i])
  end
  return records
end

-- Tell whether a call has every permit of these.
local function has_permits(breakers, wishes, call)
  for _, wish in ipairs(wishes) do
    local breaker = wish.probe and read_breaker(redis.call('HGET', breakers, wish.key))
    if wish.probe and not (breaker and breaker.gen == wish.gen and breaker.probe == call) then return false end
  end
  return true
end

-- Take back the permits of a call.
local function give_back_permits(breakers, wishes, call)
  for _, wish in ipairs(wishes) do
    local breaker = wish.probe and read_breaker(redis.call('HGET', breakers, wish.key))
    if breaker and breaker.probe == call then
      breaker.probe, breaker.expires = '-', '0'
      redis.call('HSET', breakers, wish.key, pack_breaker(breaker))
    end
  end
end

