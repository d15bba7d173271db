-- What the stop says: every script that is bound by it has this behind `names.lua`.
--
-- `stops` holds by scope `<mode> <epoch> <until> <back>`, newline, who set it, when and why; and under `#` the generation,
-- which grows whenever any of them changes. `until` is in µs of the server's clock (0: never), from when on `back` holds.
-- What cannot be read holds as `stop-writes`, and so does `all` where it is not there.

local STRICTNESS = {['run'] = 0, ['suggest'] = 1, ['stop-writes'] = 2, ['stop-all'] = 3}

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Return a record, or nothing where it cannot be read.
local function read_stop(value)
  local mode, epoch, till, back = string.match(value, '^([%l-]+) (%d+) (%d+) ([%l-]+)\n%[.*%]$')
  if not mode or not STRICTNESS[mode] or not STRICTNESS[back] or #epoch > 15 or #till > 16 then return nil end
  return {mode = mode, epoch = tonumber(epoch), till = tonumber(till), back = back}
end

-- Return the mode of a record as it is now.
local function mode_of(value, now)
  local stop = read_stop(value)
  if not stop then return 'stop-writes' end
  return stop.till > 0 and now >= stop.till and stop.back or stop.mode
end

-- Tell whether a record takes the place of another of its scope: newer, or stricter under one epoch.
local function overrules(stop, other)
  if stop.epoch ~= other.epoch then return stop.epoch > other.epoch end
  local strict, than = STRICTNESS[stop.mode], STRICTNESS[other.mode]
  if strict ~= than then return strict > than end
  return STRICTNESS[stop.till > 0 and stop.back or stop.mode] > STRICTNESS[other.till > 0 and other.back or other.mode]
end

-- Tell whether a stop of any of these scopes keeps a write back: one that refuses, or one that parks and is not answered.
local function is_barred(stops, scopes, answered)
  local now, found = now_us(), redis.call('HMGET', stops, unpack(scopes))
  for i, value in ipairs(found) do
    local mode = value and mode_of(value, now) or (scopes[i] == 'all' and 'stop-writes' or 'run')
    if STRICTNESS[mode] > STRICTNESS['suggest'] or (mode == 'suggest' and not answered[i]) then return true end
  end
  return false
end

