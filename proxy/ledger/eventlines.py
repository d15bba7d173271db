"""
The events of a segment as lines of JSON: so many of them a line, and before them the writes that can be told together,
each a line of its own behind their heading, so that a start need not read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import orjson

from breakers.store.bundle import Bundle, Heading, Write, heading_of, parted
from breakers.store.events import AlertDelivered, AlertRaised, Event, IntentEnded, IntentOpened, ReadHeld, ReadSettled
from proxy.ledger.spelled import Way, spelling_of

EVENTS_A_LINE = 128
"""Spelled at once: what the road waits for meanwhile is a fraction of a millisecond."""


@cache
def _ways(kind: Any) -> tuple[Way, Way]:
    """
    Return how values of a type that JSON does not say as they are are spelled and read.
    """
    spell, read = spelling_of(kind)
    assert spell is not None
    assert read is not None
    return spell, read


def spell_told(told: Iterable[Event | Bundle]) -> bytes:
    """
    Return the lines of what was told.
    """
    lines: list[bytes] = []
    alone: list[Event] = []
    for one in told:
        if isinstance(one, Bundle):
            lines += (*_spell_events(alone), *_spell_bundle(one.heading, one.rows))
            alone.clear()
        else:
            alone.append(one)
    lines += _spell_events(alone)
    return b"".join(line + b"\n" for line in lines)


def _spell_events(told: Sequence[Event]) -> list[bytes]:
    writes, rest = parted(told)
    spell, _ = _ways(Event)
    spell_row, _ = _ways(Write)
    bundled = _spell_bundle(heading_of(writes), [orjson.dumps(spell_row(one)) for one in writes]) if writes else []
    return [*bundled, orjson.dumps([spell(one) for one in rest])] if rest else bundled


def _spell_bundle(heading: Heading, rows: Sequence[bytes]) -> list[bytes]:
    spell, _ = _ways(Heading)
    # An object, so that nobody takes it for a line of events, which is a list.
    return [orjson.dumps({"bundle": spell(heading)}), *rows]


def read_told(data: bytes) -> Iterator[Event | Bundle]:
    """
    Yield what was told, as the lines say it.
    """
    _, read = _ways(Event)
    _, read_heading = _ways(Heading)
    lines = iter(data.splitlines())
    for line in lines:
        found = orjson.loads(line)
        if isinstance(found, dict):
            heading = read_heading(found["bundle"])
            yield Bundle(heading, list(islice(lines, len(heading.intents))), _read_row)
        else:
            yield from map(read, found)


def _read_row(row: bytes) -> Write:
    _, read = _ways(Write)
    write: Write = read(orjson.loads(row))
    return write


def not_past(told: Iterable[Event | Bundle], since: datetime) -> Iterator[Event | Bundle]:
    """
    Yield what was told but what a fold with this bound would not have told; a beginning stands before its end.
    """
    opened: IntentOpened | None = None
    past = False
    for one in told:
        match one:
            case Bundle():
                if one.heading.first_end >= since:
                    yield one
                elif one.heading.last_end >= since:
                    yield from not_past(one, since)
                continue
            case IntentOpened():
                opened = one
                continue
            case IntentEnded(_, ended):
                past = ended.at < since
            case ReadHeld(_, at):
                past = at < since
            case AlertRaised(alert):
                past = alert.at < since
            case ReadSettled() | AlertDelivered():
                pass
            case _:
                past = False
        if not past:
            if opened is not None:
                yield opened
            yield one
        opened = None
