-- Say what becomes of what a call holds, apart from any record: a read's end, and what a replay says.
--
-- KEYS  1-5 the book  then the totals
-- ARGV  1 call  2 now in µs  3 the packed charges  4 what: `settle` at what it took; `whole`, as nobody knows how it
--       ended; `hold`, as it is under way; `again MS`, likewise, and not on record, so that it lapses then; `release`, as
--       it never left; `undo`, as it may have been held and nobody was told so  then the charges
-- Returns 1, or 0 where that says nothing new.
local book, charges, now = book_at(1), charges_at(6, 5), now_ms()
local what, lapses = ARGV[4], string.match(ARGV[4], '^again (%d+)$')
if what == 'settle' then return close(book, ARGV[1], charges, ARGV[3], 's', ARGV[2], now) end
if what == 'whole' then return close(book, ARGV[1], charges, ARGV[3], 'w', ARGV[2], now) end
if what == 'release' or what == 'undo' then return release(book, ARGV[1], charges, what == 'release', now) end
if redis.call('EXISTS', book.hold) == 1 then return lapses and 0 or redis.call('ZREM', book.lapsing, ARGV[1]) end
take(book, ARGV[1], charges, ARGV[3], lapses and string.format('%.0f', now + lapses), now)
return 1
