"""
Writes that ended, told together: each is a row of bytes that nobody reads before somebody asks for it by a name of its.

A long past is hundreds of thousands of writes, of which hardly one is ever asked for again. So what everyone needs of
them stands in a heading: which writes and which names these are, from when, and what all of them took of caps. Whoever
does not care for bundles goes through one as through the events that it was made of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from breakers.known import Ended, State
from breakers.spend import Charge
from breakers.store import moves
from breakers.store.events import Event, IntentDelivered, IntentEnded, IntentOpened

Write = tuple[IntentOpened, Ended]


@dataclass(frozen=True, slots=True)
class Spent:
    """
    What several calls took of one total; `charge` is the one of them that has its newest cap, of a call made `at`.
    """

    charge: Charge
    took: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Heading:
    """
    What is said of all writes of a bundle at once: none is in it twice, and none of their names is.

    `owners` says of each name whose it is, by its place among the intents. The first and the last end are those of any
    of them; `spent` is what they took together, `charged` which of those that could take something was made last, and
    when.
    """

    intents: tuple[str, ...]
    names: tuple[str, ...]
    owners: tuple[int, ...]
    first_end: datetime
    last_end: datetime
    spent: tuple[Spent, ...] = ()
    charged: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """
    Writes that took effect, or whose answer is kept: a row of each, in the order of the heading, and what reads a row.
    """

    heading: Heading
    rows: Sequence[bytes]
    read: Callable[[bytes], Write]

    def __iter__(self) -> Iterator[Event]:
        for row in self.rows:
            opened, ended = self.read(row)
            yield opened
            yield IntentEnded(opened.intent, ended)


class Bundled(ABC, Iterable[Event]):
    """
    Events of which some can be had in bundles.
    """

    @abstractmethod
    def bundled(self) -> Iterator[Event | Bundle]:
        """
        Yield the same events, and bundles in the place of those that are in one.
        """


def heading_of(writes: Sequence[Write]) -> Heading:
    """
    Return what is said of these writes at once.
    """
    names = [(name, number) for number, (opened, _) in enumerate(writes) for name in _names(opened)]
    ends = [ended.at for _, ended in writes]
    charged = [(opened.at, opened.intent) for opened, _ in writes if opened.charges]
    last_made, last = max(charged, default=(None, ""))
    return Heading(
        tuple(opened.intent for opened, _ in writes),
        tuple(name for name, _ in names),
        tuple(owner for _, owner in names),
        min(ends),
        max(ends),
        _spent(writes),
        None if last_made is None else (last, last_made),
    )


def parted(told: Sequence[Event]) -> tuple[list[Write], list[Event]]:
    """
    Return which writes can be told together, and what has to be told by itself, in its order.

    By itself is told whatever more than one event is about, or more than one write by its names.
    """
    mentions = Counter(
        event.intent for event in told if isinstance(event, IntentOpened | IntentEnded | IntentDelivered)
    )
    writes: list[Write] = []
    rest: list[Event] = []
    taken: set[str] = set()
    for event in told:
        rest.append(event)
        opened = rest[-2] if len(rest) > 1 else None
        if not isinstance(event, IntentEnded) or not isinstance(opened, IntentOpened) or mentions[event.intent] > 2:
            continue
        if opened.intent == event.intent and _can_wait(opened, event.ended) and taken.isdisjoint(_names(opened)):
            del rest[-2:]
            taken.update(_names(opened))
            writes.append((opened, event.ended))
    return writes, rest


def _can_wait(opened: IntentOpened, ended: Ended) -> bool:
    """
    Tell whether nothing follows from a write but that its names are taken, and what it took.
    """
    return ended.state is State.COMPLETED and moves.stands(ended) and not opened.suggestion


def _names(opened: IntentOpened) -> tuple[str, ...]:
    return () if opened.names is None else tuple(dict.fromkeys(filter(None, opened.names.held)))


def _spent(writes: Iterable[Write]) -> tuple[Spent, ...]:
    found: dict[tuple[str, str, str, datetime | None], Spent] = {}
    for opened, ended in writes:
        for charge, took in zip(opened.charges, moves.spent(opened.charges, ended, sent=True), strict=True):
            key = (charge.node, charge.period, charge.measure, charge.until)
            known = found.get(key)
            if known is None:
                found[key] = Spent(charge, took, opened.at)
            elif charge.cap > 0 and (known.charge.cap <= 0 or known.at <= opened.at):
                found[key] = Spent(charge, known.took + took, opened.at)
            else:
                found[key] = Spent(known.charge, known.took + took, known.at)
    return tuple(found.values())
