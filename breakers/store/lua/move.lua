-- Put a record in the place of the one that the caller has seen: settle, resolve, delivered, and what a replay says. An
-- end counts what it took; as long as there is none, that is held. What it carries out is `executed` once it has ended;
-- what was let go before it was sent gives back its grant and its permits.
--
-- KEYS  1 versions  2 record  3 open intents  4 answer  5-9 the book  10 breakers  11-13 the suggestions
--       then the names that it holds  then the totals
-- ARGV  1 intent  2 the record as seen, empty for none  3 the new letter  4 ms until it may be forgotten, 0 for never
--       5 when it ended in µs, 0 for not  6 `1` unless it had no effect  7 the packed intent, newline, the packed end
--       8 the sealed answer, empty for none  9 ms until the answer may be forgotten  10 how many names  11 now in µs
--       12 the packed charges  13 the suggestion that it carries out, empty for none  14 `1` where it was let go
--       15 when it was opened or ended, in µs  16 how many wishes  then those  then the charges
-- Returns {1, the record as it is now}, or {0, the record as it was found} where it is not the one that was seen; behind
-- the record, where what was under way has ended, {field, value, …} for each name.
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
for i = 14, 13 + names do place(KEYS[i], ARGV[1], letter ~= 'f' and value, version, now) end
local charges, book, was = charges_at(14 + names, 17 + 5 * ARGV[16]), book_at(5), found ~= '' and read(found)
if #charges > 0 and was ~= 'e' and was ~= 'f' then
  if has_ended then
    close(book, ARGV[1], charges, ARGV[12], 's', ARGV[11], now)
  elseif redis.call('EXISTS', book.hold) == 1 then
    redis.call('ZREM', book.lapsing, ARGV[1])
  else
    take(book, ARGV[1], charges, ARGV[12], nil, now)
  end
end
if ARGV[14] == '1' and (not was or was == 'c') then
  give_back_permits(KEYS[10], wishes_at(17, tonumber(ARGV[16])), ARGV[1])
  if ARGV[13] ~= '' then give_back_grant(shelf_at(11), ARGV[13], ARGV[1], ARGV[11], now) end
elseif ARGV[13] ~= '' then
  carry(shelf_at(11), ARGV[13], ARGV[1], has_ended, ARGV[15], now)
end
local moved = {1, value}
if was == 'd' then
  for i = 14, 13 + names do moved[#moved + 1] = redis.call('HGETALL', KEYS[i]) end
end
return moved
