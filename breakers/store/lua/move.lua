-- Put a record in the place of the one that the caller has seen: settle, resolve, delivered, and what a replay says. An
-- end counts what it took; as long as there is none, that is held.
--
-- KEYS  1 versions  2 record  3 open intents  4 answer  5-9 the book  then the names that it holds  then the totals
-- ARGV  1 intent  2 the record as seen, empty for none  3 the new letter  4 ms until it may be forgotten, 0 for never
--       5 when it ended in µs, 0 for not  6 `1` unless it had no effect  7 the packed intent, newline, the packed end
--       8 the sealed answer, empty for none  9 ms until the answer may be forgotten  10 how many names  11 now in µs
--       12 the packed charges  then the charges
-- Returns {1, the record as it is now}, or {0, the record as it was found} where it is not the one that was seen.
local found = redis.call('GET', KEYS[2]) or ''
if found ~= ARGV[2] then return {0, found} end
local now, letter, kept, names = now_ms(), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[10])
local version = redis.call('INCR', KEYS[1])
local gone = kept > 0 and now + kept or 0
local value = string.format('%s %.0f 0 %s %s\n%s', letter, gone, ARGV[5], ARGV[6], ARGV[7])
if kept > 0 then redis.call('SET', KEYS[2], value, 'PX', ARGV[4]) else redis.call('SET', KEYS[2], value) end
local has_ended = letter == 'e' or letter == 'f'
if has_ended then
  redis.call('HDEL', KEYS[3], ARGV[1])
else
  redis.call('HSET', KEYS[3], ARGV[1], value)
end
if ARGV[8] ~= '' then redis.call('SET', KEYS[4], ARGV[8], 'PX', ARGV[9]) end
for i = 10, 9 + names do place(KEYS[i], ARGV[1], letter ~= 'f' and value, version, now) end
local charges, book, was = charges_at(10 + names, 13), book_at(5), found ~= '' and read(found)
if #charges > 0 and was ~= 'e' and was ~= 'f' then
  if has_ended then
    close(book, ARGV[1], charges, ARGV[12], 's', ARGV[11], now)
  elseif redis.call('EXISTS', book.hold) == 1 then
    redis.call('ZREM', book.lapsing, ARGV[1])
  else
    take(book, ARGV[1], charges, ARGV[12], nil, now)
  end
end
return {1, value}
