-- What a decision about a write may know: every script that reads it has this behind `names.lua`.

-- Return what a call is judged by, as it was told: how many scopes it is in, how many breakers it is judged by beside those
-- of its scopes, how many names a suggestion of it is found by, then all of them; and the argument behind that.
local function which_at(a)
  local scopes, breakers, names = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local second, third = a + 3 + scopes, a + 3 + scopes + breakers
  local which = {
    scopes = {unpack(ARGV, a + 3, second - 1)}, keys = {unpack(ARGV, second, third - 1)},
    names = {unpack(ARGV, third, third + names - 1)},
  }
  for _, scope in ipairs(which.scopes) do which.keys[#which.keys + 1] = 'kill:' .. scope end
  return which, third + names
end

-- Return all of it in one moment: {word, now in ms, {generation, the record of each scope}, {the record of each breaker},
-- {id, suggestion, …}, {field, value, …} for each name}. The names are the keys from `first` to `last`.
local function known(word, now, which, stops, breakers, suggestions, suggested, first, last)
  local shown = {}
  for _, name in ipairs(which.names) do
    local id = redis.call('HGET', suggested, name)
    if id then
      shown[#shown + 1] = id
      shown[#shown + 1] = redis.call('HGET', suggestions, id)
    end
  end
  local found = {
    word, now, redis.call('HMGET', stops, '#', unpack(which.scopes)), redis.call('HMGET', breakers, unpack(which.keys)),
    shown,
  }
  for i = first, last do found[#found + 1] = redis.call('HGETALL', KEYS[i]) end
  return found
end

