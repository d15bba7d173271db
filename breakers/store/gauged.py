"""
The breakers, where several processes share them, and what all of them count for each.

| key | what it holds |
|---|---|
| `breakers` | by key, the record of a breaker |
| `resting` | those that pass, by when they may be forgotten |
| `window:KEY` | what was counted under its generation, by bucket (`lua/count.lua`) |
| `alive`, `counted` | by process, when it last counted and what that was |

A record is a line that scripts compare (`lua/gauging.lua`): its generation, who has the permit and until when, and when
the next one may pass, both by the server's clock; then what only we read, where moments are by ours. What this process
last saw of each is its own view: reads are judged by it, and it is told to a server that lost it. What cannot be read
is taken for what was seen before it, and whatever is put in its place takes it.

A report is added once, however often it is asked for until it is answered: whoever has no answer asks with the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from breakers.breaker import Breaker, Delta, Probe, State, Sums, Wish, row_s
from breakers.store.buckets import BUCKET_S, span_of
from breakers.store.gauges import RESTS, rests
from breakers.store.link import Shared, reading, text
from breakers.store.packed import micros, millis, moment
from breakers.store.protocol import ALIVE_S

AT_ONCE = 16
"""For how many breakers is counted in one step, so that nobody waits for it."""

NEAR = timedelta(seconds=1)
"""How far apart a moment may be that two processes have of one on the server's clock."""

NOBODY = "-"
"""What stands where nobody has the permit."""


@dataclass(slots=True)
class Seen:
    """
    A record as it was last seen, packed and read; of its moments by the server's clock, what they are by ours. What is
    not `is_there` was seen before what stands there now.
    """

    raw: bytes
    breaker: Breaker | None
    moments: dict[int, datetime] = field(default_factory=dict)
    is_there: bool = True

    @property
    def gen(self) -> str:
        """
        Return the generation of what stands there; nobody's where that cannot be read.
        """
        return self.raw.partition(b" ")[0].decode(errors="replace") or NOBODY


@dataclass(slots=True)
class Report:
    """
    What is being counted under a name, and what was answered of it.
    """

    deltas: tuple[Delta, ...]
    replica: str
    name: str
    sums: list[Sums] = field(default_factory=list)
    done: int = 0


class Moving(NamedTuple):
    """
    A move that was asked for: from what to what, and where which record stood.
    """

    before: Breaker | None
    after: Breaker
    raw: bytes


class Gauged:
    """
    The breakers, over what is shared.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        self._seen: dict[str, Seen] = {}
        # The moves and the report that have no answer yet: each may have been made.
        self._moving: dict[str, Moving] = {}
        self._unanswered: Report | None = None
        self._life, self._reports = "", 0

    def __repr__(self) -> str:
        return f"<Gauged {self._shared.tag} seen={len(self._seen)}>"

    async def start(self, told: Iterable[Breaker]) -> None:
        """
        Tell the server what a ledger says of breakers, and what this process has seen.
        """
        seen = [one.breaker for one in self._seen.values() if one.breaker is not None]
        for breaker in (*told, *seen):
            await self.replay(breaker)
        self._life = str(await self._shared.ask("HINCRBY", "counted", "#", "1"))

    async def all(self) -> tuple[Breaker, ...]:
        """
        Return every breaker that has a record, by key, and tell the server of those that it should have.
        """
        with reading():
            now_ms, fields = self._known(*await self._shared.run("gauges", ("epoch", "breakers"), self._shared.epoch))
            found = dict(zip((_key(one) for one in fields[::2]), fields[1::2], strict=True))
        at = self._now()
        known = [self.read(key, found.get(key), now_ms, at) for key in sorted(found.keys() | self._seen.keys())]
        for breaker in known:
            if breaker is not None and not self._seen[breaker.key].is_there:
                await self.replay(breaker)
        return tuple(breaker for breaker in known if breaker is not None)

    def view(self, keys: Iterable[str]) -> dict[str, Breaker]:
        """
        Return those of these that this process has seen.
        """
        seen = {key: self._seen[key].breaker for key in keys if key in self._seen} if self._seen else {}
        return {key: breaker for key, breaker in seen.items() if breaker is not None}

    def marks(self, keys: Iterable[str]) -> tuple[str, ...]:
        """
        Return under which generation each of these stood there when it was last seen.
        """
        return tuple(self._seen[key].gen if key in self._seen else NOBODY for key in keys)

    def read(self, key: str, raw: bytes | None, now_ms: int, at: datetime) -> Breaker | None:
        """
        Note a record that a script found; both moments are one, on the server's clock and ours.

        What holds traffic back here is not forgotten because the server lacks it, or has an older one, as one that took
        its place may: it is put there again.
        """
        seen = self._seen.get(key)
        if raw is None and (seen is None or seen.breaker is None or seen.breaker.state is State.PASSING):
            self._seen.pop(key, None)
            return None
        if seen is None or seen.raw != (raw or b""):
            self._seen[key] = seen = _reread(key, raw or b"", now_ms, at, seen)
        return seen.breaker

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        """
        Put a record in the place of the one that the caller has seen, and tell whether it still was that one.

        What was asked for before and not answered is not asked for twice: it was made if it stands there.
        """
        key = after.key
        tried = self._moving.pop(key, None)
        is_again = tried is not None and (tried.before, tried.after) == (before, after)
        if not is_again:
            if self.view((key,)).get(key) != before:
                await self.all()
            if not _is_same(self.view((key,)).get(key), before) or (before is not None and after.gen < before.gen):
                return False
            seen = self._seen.get(key)
            tried = Moving(before, after, b"" if seen is None else seen.raw)
        assert tried is not None
        word, found = await self._moved(tried)
        if word != "moved" and not is_again and _is_same(found, before):
            # Only what cannot be read stands in its place.
            seen = self._seen.get(key)
            word, found = await self._moved(tried._replace(raw=b"" if seen is None else seen.raw))
        return word == "moved" or (is_again and _is_same(found, after))

    async def replay(self, breaker: Breaker) -> None:
        """
        Note a record that is told, unless a newer one is there.
        """
        await self._shift("", b"", breaker)

    async def count(self, deltas: Sequence[Delta], replica: str) -> tuple[Sums, ...]:
        """
        Add what one process has counted, and return the sums of those breakers, one of each.
        """
        report, self._unanswered = self._unanswered, None
        if report is None or (report.deltas, report.replica) != (tuple(deltas), replica):
            self._reports += 1
            report = Report(tuple(deltas), replica, f"{self._life}.{self._reports}")
        by_key = [tuple(some) for _, some in groupby(sorted(deltas, key=lambda one: one.key), key=lambda one: one.key)]
        parts = [by_key[first : first + AT_ONCE] for first in range(0, len(by_key) or 1, AT_ONCE)]
        try:
            for number in range(report.done, len(parts)):
                report.sums += await self._count(parts[number], replica, f"{report.name}.{number}")
                report.done += 1
        except BaseException:
            self._unanswered = report
            raise
        sums = {one.key: one for one in report.sums}
        return tuple(sums[key] for key in dict.fromkeys(delta.key for delta in deltas))

    def had(self, wishes: Iterable[Wish], records: Sequence[bytes], now_ms: int) -> None:
        """
        Note what a script has made of the breakers that a call wished something of.
        """
        at = self._now()
        for wish, raw in zip(wishes, records, strict=False):
            self.read(wish.key, raw, now_ms, at)

    async def _count(self, some: Sequence[tuple[Delta, ...]], replica: str, name: str) -> list[Sums]:
        newest = int(self._now().timestamp()) // BUCKET_S
        told: list[str | int] = []
        for number, deltas in enumerate(some, 1):
            for one in deltas:
                told += (number, one.gen, max(0, newest - one.bucket))
                told += (span_of(one.over_s), span_of(row_s(one.key, one.over_s)))
                told += (one.ok, one.slow, one.fail, one.local, one.unknown, one.writes, one.tail, int(one.broken))
        keys = ("epoch", "breakers", "alive", "counted", *(f"window:{deltas[0].key}" for deltas in some))
        alive_ms = round(ALIVE_S * 1000)
        with reading():
            answer = await self._shared.run("count", keys, self._shared.epoch, replica, name, alive_ms, *told)
            now_ms, alive, *rows = self._known(*answer)
            at = self._now()
            every = []
            for deltas, row in zip(some, rows, strict=True):
                self.read(deltas[0].key, row[0], now_ms, at)
                sums = replace(Sums(deltas[0].key, *row[1:]), alive=alive)
                began = newest - sums.streak_since if sums.streak_since >= 0 else 0
                every.append(replace(sums, streak_since=began))
            return every

    async def _moved(self, tried: Moving) -> tuple[str, Breaker | None]:
        try:
            return await self._shift(self._shared.epoch, tried.raw, tried.after)
        except BaseException:
            self._moving[tried.after.key] = tried
            raise

    async def _shift(self, epoch: str, raw: bytes, after: Breaker) -> tuple[str, Breaker | None]:
        """
        Put a record where another was seen, or where none is that is newer; return what stands there.
        """
        at, key = self._now(), after.key
        seen = self._seen.get(key)
        by_server = {} if seen is None else {one: ms for ms, one in seen.moments.items()}
        probe = after.probe
        told = (
            *(key, raw, after.gen, NOBODY if probe is None else probe.call),
            _spelled(None if probe is None else probe.expires, by_server, at),
            _spelled(after.next_at, by_server, at),
            *(pack_breaker(after), round(RESTS.total_seconds() * 1000) if rests(after) else 0),
        )
        keys = ("epoch", "breakers", f"window:{key}", "resting")
        with reading():
            word, *rest = await self._shared.run("shift", keys, epoch, *told)
            if word == b"lost":
                raise self._shared.lost()
            now_ms, found = rest
            if word == b"moved":
                # As it was made: nobody's moments are a little off who made it.
                self._seen[key] = _as_made(found, after)
            return text(word), self.read(key, found or None, now_ms, self._now())

    def _known(self, word: bytes, *rest: Any) -> Sequence[Any]:
        if word == b"lost":
            raise self._shared.lost()
        return rest


def permits(wishes: Iterable[Wish]) -> tuple[str | int, ...]:
    """
    Return what a script is told of wishes: how many there are, and each.
    """
    every = tuple(wishes)
    told: list[str | int] = [len(every)]
    for one in every:
        told += (one.key, one.gen, int(one.probe), round(one.lease_s * 1000), round(one.gap_s * 1000))
    return tuple(told)


def pack_breaker(breaker: Breaker) -> bytes:
    """
    Return what scripts do not read of a record, as one line.
    """
    since, until = (None if one is None else micros(one) for one in (breaker.since, breaker.until))
    return orjson.dumps([
        *(str(breaker.state), breaker.round, since, until, breaker.trips, breaker.oks, breaker.step, breaker.rate),
        *(breaker.why, breaker.by, str(breaker.before)),
    ])  # fmt: skip


def unpack_breaker(key: str, raw: bytes, moments: Callable[[int], datetime]) -> Breaker:
    """
    Return a record; `moments` says what a moment of the server's clock is by ours.

    Raise `ValueError` or `TypeError` where it is not what was packed.
    """
    head, line = raw.split(b"\n")
    gen, probe, expires, next_ms = head.decode().split(" ")
    state, round_, since_us, until_us, trips, oks, step, rate, why, by, before = orjson.loads(line)
    numbers, words = (round_, trips, oks, step, rate), (why, by)
    if any(type(one) is not int for one in numbers) or not all(isinstance(one, str) for one in words):
        raise TypeError("this is no record of a breaker")
    since, until = (None if one is None else moment(one) for one in (since_us, until_us))
    return Breaker(
        key,
        *(State(state), int(gen), round_, since, until, trips, oks, step, rate),
        next_at=None if next_ms == "0" else moments(int(next_ms)),
        probe=None if probe == NOBODY else Probe(probe, moments(int(expires))),
        why=why,
        by=by,
        before=State(before),
    )


def _reread(key: str, raw: bytes, now_ms: int, at: datetime, seen: Seen | None) -> Seen:
    """
    Return a record that has changed since it was seen; what has not changed of its moments stays as it was read.
    """
    known = {} if seen is None else seen.moments
    moments: dict[int, datetime] = {}

    def ours(server_ms: int) -> datetime:
        moments[server_ms] = known.get(server_ms) or at + timedelta(milliseconds=server_ms - now_ms)
        return moments[server_ms]

    before = None if seen is None else seen.breaker
    try:
        breaker = unpack_breaker(key, raw, ours)
    except (ValueError, TypeError, OverflowError):
        return Seen(raw, before, is_there=False)
    if before is not None and before.state is not State.PASSING and breaker.gen < before.gen:
        return Seen(raw, before, is_there=False)
    return Seen(raw, breaker, moments)


def _as_made(raw: bytes, breaker: Breaker) -> Seen:
    _, _, expires, next_ms = raw.partition(b"\n")[0].split(b" ")
    moments = {} if breaker.probe is None else {int(expires): breaker.probe.expires}
    return Seen(raw, breaker, moments if breaker.next_at is None else moments | {int(next_ms): breaker.next_at})


def _key(field: bytes) -> str:
    # What is no text is no breaker of any call.
    return field.decode(errors="backslashreplace")


def _spelled(one: datetime | None, by_server: dict[datetime, int], at: datetime) -> str:
    """
    Return a moment as a script is told of it: as it stands there, or how far from now it is.
    """
    if one is None:
        return "0"
    return str(by_server[one]) if one in by_server else f"+{millis(one) - millis(at)}"


def _is_same(one: Breaker | None, other: Breaker | None) -> bool:
    """
    Tell whether both say the same, but for how two processes read the server's clock.
    """
    if one is None or other is None:
        return one is other
    if not _is_near(one.next_at, other.next_at):
        return False
    probe = other.probe
    if one.probe is not None and probe is not None and one.probe.call == probe.call:
        probe = one.probe
    return one == replace(other, next_at=one.next_at, probe=probe)


def _is_near(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= NEAR
