-- Note how a suggestion stands by a ledger, unless it is known better: nothing leads out of an end, and of two that have
-- ended, or have not, the one with the higher version counts.
--
-- KEYS  1-3 the suggestions
-- ARGV  1 id  2-10 how it stands, as in `suggest`
-- Returns the suggestion as it stands.
local shelf, now, id = shelf_at(1), now_ms(), ARGV[1]
local known, one = read_suggestion(redis.call('HGET', shelf.suggestions, id)), told_suggestion(2, now)
if known then
  local is_live, was_live = LIVE[one.stage], LIVE[known.stage]
  local is_newer = is_live == was_live and tonumber(one.version) > tonumber(known.version)
  if not is_newer and (is_live or not was_live) then return redis.call('HGET', shelf.suggestions, id) end
end
return put_suggestion(shelf, id, one, now)
