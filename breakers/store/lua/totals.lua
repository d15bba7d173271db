-- What a call takes of the caps above it: every script that may change a total has this behind `names.lua`.
--
-- A total's hash holds `settled` and `held`, the `cap` that it was last judged by with the `points` of that (percentage
-- and the sum that it is; `from` when, in µs, where a replay says so), `until` when its period is over and `gone` when it may be forgotten (0: never). Of alerts,
-- `at PERCENT` says that a part of the cap is reached, and `! KIND PERCENT CAP` that this was told. Sums are whole
-- numbers as text, added by the server; as numbers they are only compared, and none that matters is beyond 2^53.
--
-- A call's hold is `<state> <amount> <amount>…`, newline, its packed charges, newline, who holds it (`read` or `write`,
-- and the replica), where it may not be on record: `h`eld; taken `w`hole because nobody knows how it ended; or
-- `s`ettled, kept as long as a total that it was counted in: nothing is counted twice.

-- The keys that all of it needs, in their order: the call's hold, the calls whose hold lapses by when that is, every
-- total by name, those that will be forgotten by when that is, what was told and not delivered yet.
local function book_at(first)
  return {
    hold = KEYS[first], lapsing = KEYS[first + 1], totals = KEYS[first + 2], fading = KEYS[first + 3],
    alerts = KEYS[first + 4],
  }
end

-- The charges: a key each, the last ones; and six arguments each: the amount, what was taken of it, ms until the total
-- may be forgotten (0: never), when its period is over in µs, and, where it is judged, the cap and its points.
local function charges_at(key, argument)
  local charges = {}
  for i = key, #KEYS do
    local a = argument + 6 * (i - key)
    charges[#charges + 1] = {
      total = KEYS[i], amount = ARGV[a], spent = ARGV[a + 1], kept = tonumber(ARGV[a + 2]), over = ARGV[a + 3],
      cap = ARGV[a + 4], points = ARGV[a + 5],
    }
  end
  return charges
end

local function name_of(total)
  return string.match(total, '}:total:(.*)$')
end

local function add(total, field, amount)
  if amount ~= '0' then redis.call('HINCRBY', total, field, amount) end
end

local function take_off(total, field, amount)
  if amount ~= '0' then redis.call('HINCRBY', total, field, '-' .. amount) end
end

-- Return the state of a hold, its amounts, and who holds it, where that is said.
local function read_hold(hold)
  local value, amounts = redis.call('GET', hold), {}
  if not value then return nil, amounts end
  for amount in string.gmatch(string.match(value, '^[^\n]*'), '%d+') do amounts[#amounts + 1] = amount end
  return string.sub(value, 1, 1), amounts, string.match(value, '^[^\n]*\n[^\n]*\n(.*)$')
end

-- Say until when a total is kept: as long as anything of it is held, and until its time. A few that are over go.
local function keep(book, charge, now)
  local total, name = charge.total, name_of(charge.total)
  local gone = charge.kept > 0 and now + charge.kept or 0
  if redis.call('HSETNX', total, 'gone', string.format('%.0f', gone)) == 1 then
    redis.call('HSET', total, 'until', charge.over)
    redis.call('ZADD', book.totals, 0, name)
    for _, over in ipairs(redis.call('ZRANGEBYSCORE', book.fading, '-inf', now, 'LIMIT', 0, 8)) do
      redis.call('ZREM', book.totals, over)
      redis.call('ZREM', book.fading, over)
    end
  end
  local found = redis.call('HMGET', total, 'held', 'gone')
  if (found[1] or '0') == '0' and found[2] ~= '0' then
    redis.call('ZADD', book.fading, found[2], name)
    redis.call('PEXPIREAT', total, found[2])
  else
    redis.call('ZREM', book.fading, name)
    redis.call('PERSIST', total)
  end
end

-- Tell people something about a total, once. Of tokens they are not told: whoever holds one narrows it as they like.
local function tell(book, total, kind, threshold, cap, settled, at)
  if string.find(total, '}:total:token:', 1, true) then return end
  local said = kind .. ' ' .. threshold .. ' ' .. cap
  if redis.call('HSETNX', total, '! ' .. said, 1) == 0 then return end
  local turn = redis.call('HINCRBY', book.alerts, '#', 1)
  redis.call('HSET', book.alerts, said .. ' ' .. name_of(total), turn .. ' ' .. settled .. ' ' .. at)
end

-- Tell what of its cap a total has reached.
local function look(book, total, at)
  local found = redis.call('HMGET', total, 'settled', 'cap', 'points')
  local settled, cap = found[1] or '0', found[2] or '0'
  if cap == '0' or settled == '0' then return end
  for threshold, point in string.gmatch(found[3], '(%d+):(%d+)') do
    if tonumber(settled) >= tonumber(point) and redis.call('HSETNX', total, 'at ' .. threshold, 1) == 1 then
      tell(book, total, 'reached', threshold, cap, settled, at)
    end
  end
  if tonumber(settled) > tonumber(cap) then tell(book, total, 'overrun', '0', cap, settled, at) end
end

-- Count what was taken of a total, of which less may have been held.
local function settle(book, charge, held, at)
  if charge.spent == '0' then return end
  redis.call('HINCRBY', charge.total, 'settled', charge.spent)
  if tonumber(charge.spent) > tonumber(held) then
    local found = redis.call('HMGET', charge.total, 'cap', 'settled')
    if (found[1] or '0') ~= '0' then tell(book, charge.total, 'overrun', '0', found[1], found[2], at) end
  end
  look(book, charge.total, at)
end

-- Note the cap that a total is judged by. Under another one, what is out of reach again may be told again.
local function judge(book, charge, at)
  local found = redis.call('HMGET', charge.total, 'cap', 'points', 'settled')
  if found[1] == charge.cap and found[2] == charge.points then return end
  redis.call('HSET', charge.total, 'cap', charge.cap, 'points', charge.points)
  redis.call('HDEL', charge.total, 'from')
  for threshold, point in string.gmatch(charge.points, '(%d+):(%d+)') do
    if tonumber(found[3] or '0') < tonumber(point) then redis.call('HDEL', charge.total, 'at ' .. threshold) end
  end
  look(book, charge.total, at)
end

-- Hold what a call may take, until `due` where it lapses then.
local function take(book, call, charges, packed, due, now)
  local amounts = {}
  for i, charge in ipairs(charges) do
    add(charge.total, 'held', charge.amount)
    amounts[i] = charge.amount
    keep(book, charge, now)
  end
  redis.call('SET', book.hold, 'h ' .. table.concat(amounts, ' ') .. '\n' .. packed)
  if due then redis.call('ZADD', book.lapsing, due, call) else redis.call('ZREM', book.lapsing, call) end
end

-- Find the first of the charges for which its cap has no room; and what is settled and held of that.
local function without_room(charges)
  local taken = {}
  for i, charge in ipairs(charges) do
    local total, found = charge.total, redis.call('HMGET', charge.total, 'settled', 'held')
    local settled, held, cap = found[1] or '0', found[2] or '0', tonumber(charge.cap)
    -- Subtracted, because each of these is exact, and a sum of them need not be.
    local room = cap - tonumber(settled) - tonumber(held) - (taken[total] or 0)
    -- A cap of nothing refuses also what takes nothing of it.
    if cap <= 0 or tonumber(charge.amount) > room then return i, settled, held end
    taken[total] = (taken[total] or 0) + tonumber(charge.amount)
  end
end

-- Hold what a call may take where every total has room for it, or nothing. Return nothing where it is held, also from
-- before; {'lapsed', call…} where what others hold no longer may stand in its way, unless this is the `last` time of
-- asking; or {'exhausted', which charge, settled, held}.
local function admit(book, call, charges, packed, due, at, last, now)
  if redis.call('EXISTS', book.hold) == 1 then return end
  local full, settled, held = without_room(charges)
  if full then
    local late = last and {} or redis.call('ZRANGEBYSCORE', book.lapsing, '-inf', now, 'LIMIT', 0, 16)
    if #late > 0 then return {'lapsed', unpack(late)} end
  end
  for i = 1, full or #charges do judge(book, charges[i], at) end
  if not full then return take(book, call, charges, packed, due, now) end
  tell(book, charges[full].total, 'denied', '0', charges[full].cap, settled, at)
  for i = 1, full do keep(book, charges[i], now) end
  return {'exhausted', full, settled, held}
end

-- Leave a mark of a call that holds nothing any more, for as long as a total that it was counted in.
local function leave(book, call, charges, value)
  local kept = 1
  for _, charge in ipairs(charges) do
    if kept > 0 then kept = charge.kept > 0 and math.max(kept, charge.kept) or 0 end
  end
  redis.call('SET', book.hold, value)
  if kept > 0 then redis.call('PEXPIRE', book.hold, string.format('%.0f', kept)) end
  redis.call('ZREM', book.lapsing, call)
end

-- Count what a call took, and leave its hold in a further state: `s`, or `w` where all of it counts and nobody knows.
local function close(book, call, charges, packed, state, at, now)
  local was, amounts, by = read_hold(book.hold)
  if was == state and by then
    -- What was taken whole when it lapsed is on record after all.
    redis.call('SET', book.hold, 'w ' .. table.concat(amounts, ' ') .. '\n' .. packed, 'KEEPTTL')
    redis.call('ZREM', book.lapsing, call)
  end
  if was == state or was == 's' then return 0 end
  for i, charge in ipairs(charges) do
    local amount = amounts[i] or charge.amount
    if was == 'h' then take_off(charge.total, 'held', amount) end
    if was == 'w' then take_off(charge.total, 'settled', amount) end
    amounts[i] = amount
    if state == 'w' then charge.spent = amount end
    settle(book, charge, amount, at)
    keep(book, charge, now)
  end
  leave(book, call, charges, state == 'w' and 'w ' .. table.concat(amounts, ' ') .. '\n' .. packed or state)
  return 1
end

-- Give back what a call holds, or what was taken whole of it when it lapsed. It `ended` so, or is as if it had never been.
local function release(book, call, charges, ended, now)
  local was, amounts, by = read_hold(book.hold)
  if was ~= 'h' and not (was == 'w' and by) then return 0 end
  for i, charge in ipairs(charges) do
    take_off(charge.total, was == 'h' and 'held' or 'settled', amounts[i] or '0')
    keep(book, charge, now)
  end
  if ended then leave(book, call, charges, 's') else redis.call('DEL', book.hold) end
  redis.call('ZREM', book.lapsing, call)
  return 1
end

