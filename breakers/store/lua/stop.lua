-- Note a record of the stop: an older one never undoes a newer one, and of two with one epoch the stricter holds.
--
-- KEYS  1 stops
-- ARGV  1 scope  2 mode  3 epoch  4 µs from now until `back` holds, empty for never  5 back  6 the packed rest
--       7 `1` where it was ordered just now, so that it may take the place of what cannot be read
-- Returns {generation, the record as it stands}; the generation grows whenever what is judged by changes.
local value, now = redis.call('HGET', KEYS[1], ARGV[1]), now_us()
local till = ARGV[4] == '' and 0 or math.max(1, now + ARGV[4])
local stop = {mode = ARGV[2], epoch = tonumber(ARGV[3]), till = till, back = ARGV[5]}
local was = value and read_stop(value)
local is_junk = value and not was
local counted = redis.call('HGET', KEYS[1], '#') or '0'
local generation = tonumber(counted) or 0
if (was and not overrules(stop, was)) or (is_junk and ARGV[7] ~= '1') then
  return {string.format('%.0f', generation), value}
end
value = string.format('%s %s %.0f %s\n%s', stop.mode, ARGV[3], till, stop.back, ARGV[6])
redis.call('HSET', KEYS[1], ARGV[1], value)
-- A scope that nobody ever said anything of is bound by nothing of its own.
was = was or {mode = 'run', till = 0}
if is_junk or not tonumber(counted) or was.mode ~= stop.mode or was.till > 0 or till > 0 then
  generation = generation + 1
  redis.call('HSET', KEYS[1], '#', string.format('%.0f', generation))
end
return {string.format('%.0f', generation), value}
