-- Read what a decision about a write may know, in one moment.
--
-- KEYS  1 epoch  2 stops  3 breakers  4 suggestions  5 suggestions by name  6… names
-- ARGV  1 the epoch that the caller knows  2… what it is judged by (`seeing.lua`)
-- Returns {'lost'}, or {'known', …} as in `seeing.lua`.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
return known('known', now_ms(), which_at(2), KEYS[2], KEYS[3], KEYS[4], KEYS[5], 6, #KEYS)
