-- Claim the names of a write for a lease, hold what it may take, and give it what it wishes for of breakers and the grant
-- of what it carries out; if nothing under its names has moved, every cap has room, and all of that is to be had. Claims
-- that have lapsed go.
--
-- KEYS  1 epoch  2 stops  3 versions  4 record  5-9 the book  10 breakers  11-13 the suggestions  then the names that were
--       asked  then the records that are taken over  then the further names of those  then its task and its tokens, where
--       it has some  then the totals
-- ARGV  1 epoch  2 generation  3 intent  4 lease in ms  5 ms after which a lapsed claim is given up
--       6 the packed intent  7 how many names were asked  8 how many records are taken over  9 how many further names
--       10 now in µs  11 `1` where it is the last time of asking  12 the packed charges
--       13 the suggestion that it carries out, empty for none  14 what its grant is for  15 the permits of those that are
--       taken over, on a line each: the intent, the breaker  16 how many wishes  then those
--       then the version of each name that was asked  then for each `1` where it is to be held, `0` where it was only
--       asked  then the intents that are taken over  then what it is judged by (`seeing.lua`)  then how many marks, and for
--       each breaker its generation as it was seen, `-` for none; no marks where all of it was read for this call
--       then how many keys say how it stands with its task and its tokens  then the charges
-- Returns {'lost'}; {'stale', …} with all that is known by now, as in `seeing.lua`; {'barred', the task, `1` where a token
-- of it was revoked}; or {'held', now in ms, the suggestion, the record of each breaker}: 'held' also for an intent that
-- has a record already, which stays as it is. Or what `admit` says: {'lapsed', call…} of calls to give up first,
-- {'exhausted', which charge, settled, held}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local now, intent, suggestion, wished = now_ms(), ARGV[3], ARGV[13], tonumber(ARGV[16])
local breakers, shelf, wishes = KEYS[10], shelf_at(11), wishes_at(17, wished)

local asked, taken, further = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local first = 16 + 5 * wished
local which, m = which_at(first + 1 + 2 * asked + taken)
local marks = tonumber(ARGV[m])
local e = m + marks + 1
local standing, enveloped = 13 + asked + taken + further, tonumber(ARGV[e])

local function stale()
  return known('stale', now, which, KEYS[2], KEYS[10], KEYS[11], KEYS[12], 14, 13 + asked)
end

-- Tell whether what was seen, and not asked for, is so: no breaker has moved, and nothing is suggested.
local function is_seen()
  local found = redis.call('HMGET', KEYS[10], unpack(which.keys))
  for i = 1, marks do
    local breaker = read_breaker(found[i])
    if (breaker and breaker.gen or '-') ~= ARGV[m + i] then return false end
  end
  for _, name in ipairs(which.names) do
    if known_suggestion(shelf, redis.call('HGET', shelf.suggested, name), now) then return false end
  end
  return true
end

-- Return how the task and the tokens stand, where that bars the call: the task is not open, or a token was revoked.
local function barred()
  if enveloped == 0 then return end
  local task, revoked = redis.call('GET', KEYS[standing + 1]), 0
  for i = standing + 2, standing + enveloped do revoked = revoked + redis.call('EXISTS', KEYS[i]) end
  if revoked == 0 and string.find(task or '', '^\n.') then return end
  return {'barred', task, revoked > 0 and '1' or '0'}
end

local is_its = suggestion == '' or is_executing(shelf, suggestion, intent, now)
-- The intents whose claims are taken over: what they have is to be had.
local others = {}

-- Tell whether it can have all that it was judged with, or has it already; and take what it has not.
local function may_take()
  if not can_have(breakers, wishes, intent, others, now) then return false end
  return is_its or is_granted(shelf, suggestion, ARGV[14], others, now)
end

local function take_all()
  local value = not is_its and execute(shelf, suggestion, intent, ARGV[10], now)
  return {'held', now, value, unpack(have(breakers, wishes, intent, now))}
end

local value = redis.call('GET', KEYS[4])
if value then
  if read(value) ~= 'c' or (is_its and has_permits(breakers, wishes, intent)) then return {'held', now, false} end
  -- What it was given was given back meanwhile: whoever asked for it had no answer.
  return may_take() and take_all() or stale()
end
if (redis.call('HGET', KEYS[2], '#') or '0') ~= ARGV[2] then return stale() end
for i = 1, asked do
  if (redis.call('HGET', KEYS[13 + i], '#') or '0') ~= ARGV[first + i] then return stale() end
end
if marks > 0 and not is_seen() then return stale() end
local bars = barred()
if bars then return bars end
for t = 1, taken do others[ARGV[first + 2 * asked + t]] = true end
if not may_take() then return stale() end
local till = now + ARGV[4]
local gone = till + ARGV[5]
local charges = charges_at(standing + enveloped + 1, e + 1)
if #charges > 0 then
  local refused = admit(book_at(5), intent, charges, ARGV[12], string.format('%.0f', gone), ARGV[10], ARGV[11] == '1', now)
  if refused then return refused end
end
local version = redis.call('INCR', KEYS[3])
for t = 1, taken do
  local other, record = ARGV[first + 2 * asked + t], KEYS[13 + asked + t]
  give_back_grant(shelf, carried_by(redis.call('GET', record)), other, ARGV[10], now)
  redis.call('DEL', record)
  for i = 14, 13 + asked + taken + further do
    local is_name = i <= 13 + asked or i > 13 + asked + taken
    if is_name and redis.call('HEXISTS', KEYS[i], other) == 1 then place(KEYS[i], other, false, version, now) end
  end
end
for other, key in string.gmatch(ARGV[15], '(%S+) ([^\n]+)') do
  give_back_permits(breakers, {{key = key, probe = true}}, other)
end
value = string.format('c %.0f %.0f 0 0\n%s\n', gone, till, ARGV[6])
redis.call('SET', KEYS[4], value, 'PX', string.format('%.0f', gone - now))
for i = 1, asked do
  if ARGV[first + asked + i] == '1' then place(KEYS[13 + i], intent, value, version, now) end
end
return take_all()
