-- The replicas of a deployment.
--
-- A replica has an id for ever, and a name, which is its id, or its id, a dot and how often it came back after it was
-- forgotten. `members` has by id the line `<name> <stopped> <heard> <since> <admitted>` and what it says of itself below;
-- `heard` and `since` are milliseconds of the server's clock. `knows` has by id the names that it has on record, with a
-- space on each side of each. `forgotten` has names, which never come back. `expected` are those without whose ledgers
-- nothing is complete, `replayed` has by name into what a ledger was told.

local function read_row(value)
  if not value then return nil end
  local name, stopped, heard, since, admitted, said = string.match(value, '^(%S+) (%d) (%d+) (%d+) (%d)\n(.*)$')
  if not name then return nil end
  return {
    name = name, stopped = stopped == '1', heard = tonumber(heard), since = tonumber(since), admitted = admitted == '1',
    said = said,
  }
end

local function write_row(members, id, row)
  local flags = {row.stopped and 1 or 0, row.admitted and 1 or 0}
  redis.call(
    'HSET', members, id,
    string.format('%s %d %.0f %.0f %d\n%s', row.name, flags[1], row.heard, row.since, flags[2], row.said)
  )
end

local function knows_it(knows, id, name)
  local known = redis.call('HGET', knows, id)
  return known and string.find(known, ' ' .. name .. ' ', 1, true) ~= nil
end

-- Return what stays of an epoch when somebody was forgotten, or the epoch itself.
local function base_of(epoch)
  return epoch and (string.match(epoch, '^(.*)/%d+$') or epoch)
end

-- Return an epoch as it is once somebody more was forgotten: who holds by the one of before, holds by none.
local function turned(epoch)
  local turns = tonumber(string.match(epoch, '/(%d+)$') or '') or 0
  return base_of(epoch) .. '/' .. string.format('%.0f', turns + 1)
end
