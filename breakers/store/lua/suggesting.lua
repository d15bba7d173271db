-- Suggestions: every script that reads or changes one has this behind `names.lua`.
--
-- `suggestions` holds by id `<stage> <version> <digest> <at> <expires> <gone> <changed> <intent>`, newline, the names that
-- its write is found by, newline, what scripts do not read (breakers/store/suggested.py). `expires` is when no grant is
-- good any more and `gone` when it may be forgotten, in ms of the server's clock (0: never); `at` and `changed` are in µs
-- of ours (0: never). `suggested` has by name the newest suggestion, one that is live first; `parting` what has ended by when it
-- goes. What cannot be read is as if it were not there.

local SUGGESTION_KEPT_MS = 86400000
local LIVE = {open = true, approved = true, executing = true}

-- Return a record, or nothing where there is none that can be read.
local function read_suggestion(value)
  local stage, version, digest, at, expires, gone, changed, intent, names, rest =
    string.match(value or '', '^(%l+) (%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%S+)\n([^\n]*)\n(%[".*%])$')
  if not stage then return nil end
  return {
    stage = stage, version = version, digest = digest, at = at, expires = expires, gone = gone, changed = changed,
    intent = intent, names = names, rest = rest,
  }
end

-- The keys that all of it needs, in their order.
local function shelf_at(first)
  return {suggestions = KEYS[first], suggested = KEYS[first + 1], parting = KEYS[first + 2]}
end

-- Return a suggestion that may be known, or nothing.
local function known_suggestion(shelf, id, now)
  local one = id and read_suggestion(redis.call('HGET', shelf.suggestions, id)) or nil
  return one and (one.gone == '0' or tonumber(one.gone) > now) and one or nil
end

-- Tell whether a write is answered from one rather than from the other: from one that is live, otherwise the newest.
local function is_nearer(id, one, under, other)
  if LIVE[one.stage] ~= LIVE[other.stage] then return LIVE[one.stage] end
  local at, than = tonumber(one.at), tonumber(other.at)
  return at > than or (at == than and id > under)
end

-- Put a suggestion in its place, and forget a few that are over; return it packed.
local function put_suggestion(shelf, id, one, now)
  if LIVE[one.stage] then
    one.gone = '0'
    redis.call('ZREM', shelf.parting, id)
  else
    one.gone = one.gone ~= '0' and one.gone or string.format('%.0f', now + SUGGESTION_KEPT_MS)
    redis.call('ZADD', shelf.parting, one.gone, id)
  end
  local value = string.format(
    '%s %s %s %s %s %s %s %s\n%s\n%s', one.stage, one.version, one.digest, one.at, one.expires, one.gone, one.changed,
    one.intent, one.names, one.rest
  )
  redis.call('HSET', shelf.suggestions, id, value)
  for name in string.gmatch(one.names, '%S+') do
    local under = redis.call('HGET', shelf.suggested, name)
    local other = under ~= id and known_suggestion(shelf, under, now)
    if not other or is_nearer(id, one, under, other) then redis.call('HSET', shelf.suggested, name, id) end
  end
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', shelf.parting, '-inf', now, 'LIMIT', 0, 8)) do
    local gone = read_suggestion(redis.call('HGET', shelf.suggestions, over))
    for name in string.gmatch(gone and gone.names or '', '%S+') do
      if redis.call('HGET', shelf.suggested, name) == over then redis.call('HDEL', shelf.suggested, name) end
    end
    redis.call('HDEL', shelf.suggestions, over)
    redis.call('ZREM', shelf.parting, over)
  end
  return value
end

-- Put what a suggestion becomes by what happens to its intent in its place; return it packed.
local function next_stage(shelf, id, one, stage, intent, changed, now)
  one.stage, one.intent, one.changed = stage, intent, changed
  one.version = string.format('%.0f', one.version + 1)
  return put_suggestion(shelf, id, one, now)
end

-- Tell whether an approver's word is good: for what was shown, in time, and for nobody but those it is taken from.
local function is_granted(shelf, id, digest, others, now)
  local one = known_suggestion(shelf, id, now)
  local is_free = one and (one.stage == 'approved' or (one.stage == 'executing' and others[one.intent]))
  return is_free and one.digest == digest and tonumber(one.expires) > now
end

local function is_executing(shelf, id, intent, now)
  local one = known_suggestion(shelf, id, now)
  return one and one.stage == 'executing' and one.intent == intent
end

local function is_carried_by_another(shelf, id, intent, now)
  return known_suggestion(shelf, id, now) and not is_executing(shelf, id, intent, now)
end

-- Have an intent carry out a suggestion that was granted to it.
local function execute(shelf, id, intent, changed, now)
  return next_stage(shelf, id, known_suggestion(shelf, id, now), 'executing', intent, changed, now)
end

-- Return the suggestion that a claim was to carry out, which stands in what only we read of it.
local function carried_by(value)
  local is_read, opened = pcall(cjson.decode, string.match(value or '', '^c[^\n]*\n([^\n]*)') or '')
  return is_read and type(opened) == 'table' and type(opened[13]) == 'string' and opened[13] or nil
end

-- Give back the grant of an intent of which nothing is on record.
local function give_back_grant(shelf, id, intent, changed, now)
  if not is_executing(shelf, id, intent, now) then return false end
  return next_stage(shelf, id, known_suggestion(shelf, id, now), 'approved', '-', changed, now)
end

-- Note that an intent that is on record carries out a suggestion, and whether it has ended. Of two intents of one the
-- later one counts: the earlier lost its claim, so nothing of it was sent.
local function carry(shelf, id, intent, has_ended, changed, now)
  local one = known_suggestion(shelf, id, now)
  if not one or one.stage == 'rejected' or one.stage == 'expired' or one.stage == 'void' then return false end
  local value = false
  if one.intent == '-' or intent > one.intent then
    value = next_stage(shelf, id, one, 'executing', intent, changed, now)
  end
  if has_ended and one.stage == 'executing' and one.intent == intent then
    value = next_stage(shelf, id, one, 'executed', intent, changed, now)
  end
  return value
end

-- Return a suggestion as it was told: nine arguments, from its stage on.
local function told_suggestion(a, now)
  return {
    stage = ARGV[a], version = ARGV[a + 1], digest = ARGV[a + 2], at = ARGV[a + 3],
    expires = string.format('%.0f', math.max(1, now + ARGV[a + 4])), gone = '0', changed = ARGV[a + 5],
    intent = ARGV[a + 6], names = ARGV[a + 7], rest = ARGV[a + 8],
  }
end

