-- Put what a suggestion has become in the place of what the caller has seen.
--
-- KEYS  1 epoch  2-4 the suggestions
-- ARGV  1 epoch  2 id  3-11 what it is to become, as in `suggest`, under the next version  12 the stage as seen
-- Returns {'lost'}, {'turned', the suggestion}, or {'other', the suggestion as it was found}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
local shelf, now, id = shelf_at(2), now_ms(), ARGV[2]
local known, one = known_suggestion(shelf, id, now), told_suggestion(3, now)
if not known or known.stage ~= ARGV[12] or known.version + 1 ~= tonumber(one.version) then
  return {'other', redis.call('HGET', shelf.suggestions, id)}
end
return {'turned', put_suggestion(shelf, id, one, now)}
