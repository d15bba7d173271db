-- Add what one process has counted for breakers, once, and add up what counts of each.
--
-- `window:KEY` holds the generation (`gen`) that it was counted under, how many buckets count (`span`), and by
-- `<bucket> <kind>` how often: what a delta has (breakers/breaker.py), and `by REPLICA` for who had local failures. A
-- bucket is ten seconds of the server's clock. `alive` has by process when it last counted, `counted` what that was, so
-- that nothing is added twice.
--
-- KEYS  1 epoch  2 breakers  3 alive  4 counted  then a window each
-- ARGV  1 epoch  2 replica  3 the name of this report  4 ms for which a process is alive  then thirteen for each
--       delta: 1 which window  2 gen  3 how many buckets ago  4 how many buckets count  5 in how many of those failures in
--       a row do  6 ok  7 slow  8 fail  9 local  10 unknown  11 writes  12 tail  13 `1` where a good one came before that
-- Returns {'lost'}, or {'counted', now in ms, how many are alive, then for each window {the breaker's record, gen, ok,
-- slow, fail, local, unknown, writes, recent, streak, since how many buckets, how many had local failures}}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local KINDS = {'ok', 'slow', 'fail', 'local', 'unknown', 'writes', 'tail', 'broken'}
local RECENT, SILENT_MS, SPAN_MAX = 6, 3600000, 360
local now = now_ms()
local newest = math.floor(now / 10000)

for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - SILENT_MS, 'LIMIT', 0, 8)) do
  redis.call('ZREM', KEYS[3], gone)
  redis.call('HDEL', KEYS[4], gone)
end
redis.call('ZADD', KEYS[3], now, ARGV[2])
local alive = redis.call('ZCOUNT', KEYS[3], string.format('(%.0f', now - ARGV[4]), '+inf')
local is_new = redis.call('HGET', KEYS[4], ARGV[2]) ~= ARGV[3]

-- Return a window under its breaker's generation: its buckets by number, each with its counts by kind, and the record.
local function window_of(key)
  local record = redis.call('HGET', KEYS[2], string.match(key, '}:window:(.*)$'))
  local breaker = read_breaker(record)
  local window = {key = key, record = record, gen = breaker and breaker.gen or '0', span = 30, buckets = {}, changed = {}}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local number, kind = string.match(fields[i], '^(%d+) (.+)$')
    local value = tonumber(fields[i + 1])
    if fields[i] == 'gen' and fields[i + 1] == window.gen then
      window.is_its = true
    elseif fields[i] == 'span' and value then
      window.span = value
    elseif number and value and tonumber(number) <= newest then
      number = tonumber(number)
      window.buckets[number] = window.buckets[number] or {}
      window.buckets[number][kind] = value
    end
  end
  if not window.is_its then
    redis.call('DEL', key)
    window.buckets = {}
  end
  return window
end

local function add(window, number, told)
  local bucket = window.buckets[number] or {}
  local tail, broken = bucket.tail or 0, bucket.broken or 0
  for i, kind in ipairs(KINDS) do bucket[kind] = (bucket[kind] or 0) + told[i] end
  bucket.tail = told[8] == '1' and tonumber(told[7]) or tail + told[7]
  bucket.broken = (told[8] == '1' or broken > 0) and 1 or 0
  if told[4] ~= '0' then bucket['by ' .. ARGV[2]] = 1 end
  window.buckets[number], window.changed[number] = bucket, true
end

-- Write what was added, and forget what is too old to count.
local function keep(window)
  local is_changed = false
  for number, bucket in pairs(window.buckets) do
    for kind, count in pairs(bucket) do
      local field = string.format('%.0f %s', number, kind)
      if number <= newest - window.span then
        redis.call('HDEL', window.key, field)
      elseif window.changed[number] and count > 0 then
        redis.call('HSET', window.key, field, string.format('%.0f', count))
        is_changed = true
      elseif window.changed[number] then
        redis.call('HDEL', window.key, field)
      end
    end
    if number <= newest - window.span then window.buckets[number] = nil end
  end
  if is_changed then
    redis.call('HSET', window.key, 'gen', window.gen, 'span', window.span)
    redis.call('PEXPIRE', window.key, (window.span + 1) * 10000)
  end
end

local function sums_of(window)
  local sums, replicas, locals, recent, streak, since = {}, {}, 0, 0, 0, -1
  for number, bucket in pairs(window.buckets) do
    for kind, count in pairs(bucket) do
      sums[kind] = (sums[kind] or 0) + count
      if string.sub(kind, 1, 3) == 'by ' and not replicas[kind] then
        replicas[kind], locals = true, locals + 1
      end
    end
    if number > newest - RECENT then recent = recent + (bucket.fail or 0) end
  end
  for ago = 0, window.row - 1 do
    local bucket = window.buckets[newest - ago]
    if bucket and (bucket.tail or 0) > 0 then streak, since = streak + bucket.tail, ago end
    if bucket and (bucket.broken or 0) > 0 then break end
  end
  local row = {window.record, tonumber(window.gen)}
  for i = 1, 6 do row[#row + 1] = sums[KINDS[i]] or 0 end
  for _, each in ipairs({recent, streak, since, locals}) do row[#row + 1] = each end
  return row
end

local windows, rows = {}, {'counted', now, alive}
for i = 5, #KEYS do windows[i - 4] = window_of(KEYS[i]) end
for a = 5, #ARGV, 13 do
  local window, ago = windows[tonumber(ARGV[a])], tonumber(ARGV[a + 2])
  window.row = math.min(tonumber(ARGV[a + 4]), SPAN_MAX)
  if is_new and ARGV[a + 1] == window.gen then
    window.span = math.min(tonumber(ARGV[a + 3]), SPAN_MAX)
    if ago < window.span then add(window, newest - ago, {unpack(ARGV, a + 5, a + 12)}) end
  end
end
for i, window in ipairs(windows) do
  keep(window)
  rows[3 + i] = sums_of(window)
end
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3])
return rows
