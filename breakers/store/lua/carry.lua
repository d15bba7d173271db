-- Note that an intent that is on record carries out a suggestion, and whether it has ended.
--
-- KEYS  1-3 the suggestions
-- ARGV  1 the suggestion  2 intent  3 `1` where that has ended  4 when, in µs
-- Returns the suggestion, where that says something new.
return carry(shelf_at(1), ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], now_ms())
