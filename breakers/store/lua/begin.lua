-- Begin a replay of the ledger, and say what the store will be known by when it is done.
--
-- What is there holds only as long as this is the server that it was built in, nothing was evicted from it, and whoever
-- belongs to the fleet is known to it: otherwise it lost something, and nothing is held before all have replayed anew.
-- After an eviction anything may be missing, what tells of it first of all: then all of it goes first (`wipe`).
--
-- KEYS  1 epoch  2 the one that is being built  3 what names are made with  4 server  5 evicted  6 versions  7 wiping
--       8 members  9 knows  10 forgotten  11 expected  12 replayed
-- ARGV  1 what this process makes names with; nothing where that is not said  2 the server that was asked  3 how much it
--       has evicted  4 what makes a new epoch unlike any other  5 the wiping that is done, empty for none
--       6 id, empty for whoever is no replica  7 name  8 `1` where it belongs to the fleet by its own record
--       9 what it says of itself  10 the names that it has on record, a space on each side  11 those that it has on record
--       as forgotten, likewise  12 `1` where it saw an eviction that this server does not count, after a restart
-- Returns nothing where the others make names with something else: what one does is not known by the other's names.
-- Else {'forgotten'}, {'wipe', what for}, or {'begun', what it is known by, why that is a new one: `new`, `server`,
-- `evicted`, `missing`; empty where it is none}.
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[3], ARGV[1], 'NX')
  if redis.call('GET', KEYS[3]) ~= ARGV[1] then return false end
end
local id, name, belongs, now = ARGV[6], ARGV[7], ARGV[8] == '1', now_ms()
local row = id ~= '' and read_row(redis.call('HGET', KEYS[8], id)) or nil
if id ~= '' and redis.call('HEXISTS', KEYS[10], name) == 1 then return {'forgotten'} end
local epoch, building = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
for gone in string.gmatch(ARGV[11], '%S+') do
  local is_new = redis.call('HSETNX', KEYS[10], gone, string.format('%.0f', now)) == 1
  if is_new and epoch then
    epoch = turned(epoch)
    redis.call('SET', KEYS[1], epoch)
  end
  local other = string.match(gone, '^[^.]+')
  local of = read_row(redis.call('HGET', KEYS[8], other))
  if of and of.name == gone then
    redis.call('HDEL', KEYS[8], other)
    redis.call('HDEL', KEYS[9], other)
  end
end

local server, counted = redis.call('GET', KEYS[4]), tonumber(redis.call('GET', KEYS[5]) or '')
local wiping, why = redis.call('GET', KEYS[7]), ''
-- Whoever begins leaves both, and beats from then on. They are asked for seldom, and so are evicted first.
local is_whole = server and counted or not (server or counted or redis.call('EXISTS', KEYS[8]) == 1)
if wiping and wiping ~= ARGV[5] then return {'wipe', wiping} end
if wiping then
  why = 'evicted'
elseif not is_whole or ARGV[12] == '1' or (server == ARGV[2] and tonumber(ARGV[3]) > counted) then
  redis.call('SET', KEYS[7], ARGV[4])
  redis.call('DEL', KEYS[1], KEYS[2])
  return {'wipe', ARGV[4]}
elseif not epoch and not building then
  why = 'new'
elseif server ~= ARGV[2] then
  why = 'server'
elseif epoch and belongs and not (row and row.name == name) then
  why = 'missing'
end

if why ~= '' then
  -- Whoever was here is waited for.
  local names = {}
  for _, value in ipairs(redis.call('HVALS', KEYS[8])) do
    local of = read_row(value)
    if of and of.admitted then names[#names + 1] = of.name end
  end
  redis.call('DEL', KEYS[1], KEYS[7], KEYS[8], KEYS[9], KEYS[11], KEYS[12])
  for _, one in ipairs(names) do redis.call('HSET', KEYS[11], one, 1) end
  building = string.format('%.3f', now / 1000) .. ':' .. ARGV[4]
  redis.call('SET', KEYS[2], building)
  redis.call('SET', KEYS[4], ARGV[2])
  -- No version of before is met again by whoever judged by one.
  local version = tonumber(redis.call('GET', KEYS[6]) or '0') or 0
  redis.call('SET', KEYS[6], string.format('%.0f', math.max(version + 1, now * 1000)))
  epoch, row = nil, nil
end
redis.call('SET', KEYS[5], ARGV[3])
if not epoch then
  for one in string.gmatch(ARGV[10], '%S+') do redis.call('HSET', KEYS[11], one, 1) end
end
if id ~= '' then
  if not row or row.name ~= name then row = {name = name, since = now, admitted = false} end
  row.stopped, row.heard, row.said = false, now, ARGV[9]
  row.admitted = row.admitted or belongs
  write_row(KEYS[8], id, row)
  redis.call('HSET', KEYS[9], id, ARGV[10])
end
return {'begun', base_of(epoch) or building, why}
