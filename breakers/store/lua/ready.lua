-- End a replay of the ledger: from here on, writes are held under the epoch, once every ledger was told that is needed,
-- and everyone who belongs to the fleet has this replica on record, and it them.
--
-- KEYS  1 epoch  2 the one that is being built  3 members  4 knows  5 forgotten  6 expected  7 replayed
-- ARGV  1 what `begin` returned  2 id, empty for whoever is no replica  3 name
-- Returns {'lost'} where the store was emptied meanwhile, {'forgotten'}, {'building', name…} of those who have to tell
-- what they know, {'joining', name…} of those who do not know this one, or that it does not know, or {'open', epoch}.
local told, id, name = ARGV[1], ARGV[2], ARGV[3]
local epoch = redis.call('GET', KEYS[1])
if (base_of(epoch) or redis.call('GET', KEYS[2])) ~= told then return {'lost'} end
local row = id ~= '' and read_row(redis.call('HGET', KEYS[3], id)) or nil
if id ~= '' then
  if redis.call('HEXISTS', KEYS[5], name) == 1 then return {'forgotten'} end
  if not row or row.name ~= name then return {'lost'} end
  redis.call('HSET', KEYS[7], name, told)
end
if not epoch then
  local waits = {'building'}
  for _, one in ipairs(redis.call('HKEYS', KEYS[6])) do
    if redis.call('HGET', KEYS[7], one) ~= told and redis.call('HEXISTS', KEYS[5], one) == 0 then
      waits[#waits + 1] = one
    end
  end
  if #waits > 1 then return waits end
  epoch = told .. '/0'
  redis.call('SET', KEYS[1], epoch)
  redis.call('DEL', KEYS[2])
end
if id ~= '' then
  local strange, rows = {'joining'}, redis.call('HGETALL', KEYS[3])
  for i = 1, #rows, 2 do
    local other = read_row(rows[i + 1])
    if other and rows[i] ~= id and other.admitted then
      if not (knows_it(KEYS[4], rows[i], name) and knows_it(KEYS[4], id, other.name)) then
        strange[#strange + 1] = other.name
      end
    end
  end
  if #strange > 1 then return strange end
  if not row.admitted then
    row.admitted = true
    write_row(KEYS[3], id, row)
  end
end
return {'open', epoch}
