-- What stands under a name: every script of the store begins with this.
--
-- A name's hash holds the field `#`, its version, and by intent the packed records that stand under it: all that are
-- open, and of what is completed the newest and the newest that took effect. Each record's first line is
-- `<letter> <gone> <until> <ended> <applied>` (breakers/store/packed.py). No loop runs over more than one name's records.

-- How long the version of a name under which nothing stands is kept: as long as anyone may still judge by it.
local NAME_KEPT_MS = 60000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Return letter, gone, ended and applied of a packed record.
local function read(value)
  local letter, gone, ended, applied = string.match(value, '^(%a) (%d+) %d+ (%d+) (%d)\n')
  return letter, tonumber(gone), tonumber(ended), applied == '1'
end

local function is_later(ended, intent, than)
  return than == nil or ended > than.ended or (ended == than.ended and intent > than.intent)
end

-- Put a record under a name, or take it away (value false); forget what may be forgotten, and say when all of it may.
local function place(name, intent, value, version, now)
  if value then
    redis.call('HSET', name, '#', version, intent, value)
  else
    redis.call('HDEL', name, intent)
    redis.call('HSET', name, '#', version)
  end
  local fields, done, last, newest, effect = redis.call('HGETALL', name), {}, now + NAME_KEPT_MS, nil, nil
  for i = 1, #fields, 2 do
    if fields[i] ~= '#' then
      local letter, gone, ended, applied = read(fields[i + 1])
      if gone > 0 and gone <= now then
        redis.call('HDEL', name, fields[i])
      else
        if gone == 0 then last = nil elseif last and gone > last then last = gone end
        if letter == 'e' then
          local one = {intent = fields[i], ended = ended}
          done[#done + 1] = one
          if is_later(ended, one.intent, newest) then newest = one end
          if applied and is_later(ended, one.intent, effect) then effect = one end
        end
      end
    end
  end
  for _, one in ipairs(done) do
    if one ~= newest and one ~= effect then redis.call('HDEL', name, one.intent) end
  end
  if last then redis.call('PEXPIREAT', name, last) else redis.call('PERSIST', name) end
end

