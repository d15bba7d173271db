"""
A record as a store outside this process keeps it: one line that scripts compare, then two lines that only we read.

`<letter> <gone> <until> <ended> <applied>`, newline, the intent as it was opened, newline, its end (empty while there
is none). The letter is the state: `c`laimed, `d`ispatched, `u`nknown, `p`arked, `e`nded and standing, `f`reed. `gone`
is when it may be forgotten and `until` when a claim's lease passes, both in milliseconds of the store's own clock (0:
never); `ended` is in microseconds of ours, and `applied` is 0 only for what is known to have had no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from breakers.known import Earlier, Names, State
from breakers.spend import Charge
from breakers.store import moves
from breakers.store.events import IntentOpened

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)

CLAIMED, FREED = "c", "f"

LETTERS = {State.DISPATCHED: "d", State.UNKNOWN: "u", State.PARKED: "p", State.COMPLETED: "e"}
_STATES = {letter: state for state, letter in LETTERS.items()} | {CLAIMED: State.CLAIMED, FREED: State.COMPLETED}


@dataclass(frozen=True, slots=True)
class Kept:
    """
    A record as it was read: `opened` without a `place` until its intent was dispatched; `standing` under its names.
    """

    record: Earlier
    opened: IntentOpened
    standing: bool
    gone_ms: int


@dataclass(frozen=True, slots=True)
class Move:
    """
    What a record is to become; `spent` is what a completed one took of its charges.
    """

    record: Earlier
    opened: IntentOpened
    standing: bool
    spent: tuple[int, ...] = ()


@dataclass(slots=True)
class Packer:
    """
    What packs and reads records: our clock, how far the store's is ahead of it, and how long what has ended is kept.
    """

    now: Callable[[], datetime]
    retention: moves.Retention
    ahead_ms: int = 0

    def read(self, value: bytes | None) -> Kept | None:
        """
        Return a record as it is known now, by what was last seen of the store's clock.
        """
        at = self.now()
        return unpack(value, millis(at) + self.ahead_ms, at) if value else None

    def under(self, fields: Sequence[bytes], now_ms: int, at: datetime) -> tuple[int, tuple[Earlier, ...]]:
        """
        Return a name's version and what stands under it, newest first.
        """
        by_intent = dict(zip(fields[::2], fields[1::2], strict=True))
        version = int(by_intent.pop(b"#", 0))
        every = (unpack(value, now_ms, at) for value in by_intent.values())
        records = [record for kept in every if kept is not None and (record := self.as_of(kept, at)) is not None]
        return version, tuple(sorted(records, key=moves.newest_first, reverse=True))

    def as_of(self, kept: Kept, at: datetime) -> Earlier | None:
        """
        Return a record as it is known at this moment: without its answer, or not at all, once its time is over.
        """
        return moves.as_of(kept.record, at, self.retention, standing=kept.standing)

    def arguments(self, seen: bytes, move: Move, answer: bytes) -> tuple[str | int | bytes, ...]:
        """
        Return what the script that moves a record is told.
        """
        record = move.record
        had_effect = record.state is not State.COMPLETED or record.applied is not False
        due = moves.forgotten_at(record, self.retention, standing=move.standing)
        answers_ms = round(self.retention.answers_s * 1000)
        kept_ms = 0 if due is None else max(1, millis(due) - millis(self.now()))
        return (
            record.intent,
            seen,
            LETTERS[record.state] if move.standing else FREED,
            kept_ms,
            0 if record.ended_at is None else micros(record.ended_at),
            int(had_effect),
            pack_opened(move.opened) + b"\n" + pack_end(record),
            answer,
            min(kept_ms or answers_ms, answers_ms),
        )


def micros(at: datetime) -> int:
    """
    Return a moment in microseconds.
    """
    return (at - _EPOCH) // _MICROSECOND


def millis(at: datetime) -> int:
    """
    Return a moment in milliseconds.
    """
    return (at - _EPOCH) // _MILLISECOND


def pack_opened(opened: IntentOpened) -> bytes:
    """
    Return an intent as one line.
    """
    names = opened.names
    carries: tuple[str, ...] = (opened.suggestion,) if opened.suggestion else ()
    more = (opened.suggestion, opened.replica) if opened.replica else carries
    return orjson.dumps([
        opened.intent,
        micros(opened.at),
        opened.api,
        opened.operation,
        opened.agent,
        opened.task,
        [] if names is None else names.fingerprints,
        None if names is None else names.key,
        None if names is None else names.effect,
        opened.window_s,
        opened.place,
        *([[_line(charge) for charge in opened.charges]] if opened.charges or more else []),
        *more,
    ])  # fmt: skip


def pack_charges(charges: tuple[Charge, ...]) -> bytes:
    """
    Return what a call was charged with as one line: what it takes of which total, and until when that is one.
    """
    return orjson.dumps([_line(charge) for charge in charges])


def unpack_charges(line: bytes) -> tuple[Charge, ...]:
    """
    Return charges without the cap that they were admitted under: nobody is judged by what is packed.

    Raise `ValueError` or `TypeError` where they are not what was packed.
    """
    return _charges(orjson.loads(line))


def _line(charge: Charge) -> tuple[str, str, str, str, int | None]:
    # As text, because what reads JSON elsewhere may read large numbers as doubles.
    until = None if charge.until is None else micros(charge.until)
    return charge.node, charge.period, charge.measure, str(charge.amount), until


def pack_end(record: Earlier) -> bytes:
    """
    Return the end of a record as one line, empty while it has none.
    """
    if record.ended_at is None:
        return b""
    return orjson.dumps([micros(record.ended_at), record.applied, record.status, record.place, record.delivered])


def unpack(value: bytes, now_ms: int, at: datetime) -> Kept | None:
    """
    Return a record, or None where it may be forgotten; `now_ms` and `at` are one moment on the store's clock and ours.

    Raise `ValueError` or `TypeError` where it is not what was packed.
    """
    head, opened_line, end_line = value.split(b"\n")
    letter, gone, until, _, _ = head.decode("ascii").split(" ")
    gone_ms = int(gone)
    if 0 < gone_ms <= now_ms:
        return None
    opened = _opened(orjson.loads(opened_line))
    lease = at + timedelta(milliseconds=int(until) - now_ms) if letter == CLAIMED else None
    record = moves.from_opened(opened, _STATES[letter], lease)
    if end_line:
        ended_us, applied, status, place, delivered = orjson.loads(end_line)
        record = replace(
            record,
            ended_at=moment(ended_us),
            applied=applied,
            status=status,
            place=place,
            delivered=delivered,
        )
    return Kept(record, opened, letter != FREED, gone_ms)


def moment(microseconds: int) -> datetime:
    """
    Return the moment that so many microseconds are.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def _opened(line: list[object]) -> IntentOpened:
    intent, at_us, api, operation, agent, task, fingerprints, key, effect, window_s, place, *more = line
    names = (
        Names(tuple(_text(one) for one in _list(fingerprints)), _maybe(key), _maybe(effect)) if fingerprints else None
    )
    return IntentOpened(
        _text(intent),
        _text(api),
        _text(operation),
        _text(agent),
        _text(task),
        moment(_whole(at_us)),
        names,
        _whole(window_s),
        _text(place),
        charges=_charges(more[0]) if more else (),
        suggestion=_text(more[1]) if len(more) > 1 else "",
        replica=_text(more[2]) if len(more) > 2 else "",
    )


def _charges(lines: object) -> tuple[Charge, ...]:
    return tuple(_charge(*_list(line)) for line in _list(lines))


def _charge(node: object, period: object, measure: object, amount: object, until: object) -> Charge:
    over = None if until is None else moment(_whole(until))
    return Charge(_text(node), _text(period), _text(measure), int(_text(amount)), until=over)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("this is no text")
    return value


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("this is no whole number")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("this is no list")
    return value
