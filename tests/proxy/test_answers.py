"""Answers that repeats are given: from memory, from the store, from the record, and never half of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from breakers.known import Earlier, Ended, State
from breakers.store.protocol import Store, StoreUnavailable
from proxy.answer import Whole
from proxy.answers import ANSWER_BYTES_MAX, MEMORY_BYTES, Answers, Kept
from proxy.ledger.keyring import KeyRing
from proxy.ledger.reread import KeptAnswer
from tests.ledger.world import Counted

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DONE = Ended(State.COMPLETED, AT, applied=True, keeps=True, status=201, place="log#0/1/2/3")
SHOWN = Whole(
    201,
    (("content-type", "application/json"), ("breakwater-call", "01A"), ("breakwater-dispatched", "yes")),
    b'{"id": "re_1", "secret": "s"}',
)
KEPT = Kept(201, (("content-type", "application/json"),), SHOWN.body)
RECORDED = KeptAnswer(KEPT.status, KEPT.headers, KEPT.body)
RING = KeyRing({1: b"a" * 32, 2: b"b" * 32}, 2)


class Shelf:
    """A store that keeps sealed answers, and a record that has some."""

    def __init__(self, kind: str = "redis") -> None:
        self.kind = kind
        self.away = False
        self.sealed: dict[str, bytes] = {}
        self.recorded: dict[str, KeptAnswer] = {}
        self.read: list[str] = []

    async def answer(self, intent: str) -> bytes | None:
        """
        Return what is kept of an intent.
        """
        if self.away:
            raise StoreUnavailable("it does not answer")
        return self.sealed.get(intent)

    def at(self, place: str) -> KeptAnswer | None:
        """
        Return what is on record at a place.
        """
        self.read.append(place)
        return self.recorded.get(place)

    def answers(self, ring: KeyRing = RING) -> Answers:
        """
        Return the answers of a process that has just begun.
        """
        return Answers(cast("Store", self), self.at, ring, Counted())


def earlier(intent: str = "01A", *, place: str = "", answered: bool = True) -> Earlier:
    return Earlier(
        intent, State.COMPLETED, AT, "stripe", "refunds.create", "a", "a/1", "f1:x", place=place, answered=answered
    )


async def test_from_memory() -> None:
    """The process that answered first gives the same again, without its own headers and without reading anything."""
    shelf = Shelf("memory")
    answers = shelf.answers()
    assert answers.keep("01A", DONE, SHOWN) is None
    assert await answers.of(earlier(place="log#0/1/2/3")) == KEPT
    assert shelf.read == []


async def test_from_the_store() -> None:
    """Another process opens what the first sealed; bound to its intent and its ring, it is nothing to anyone else."""
    shelf = Shelf()
    sealed = shelf.answers().keep("01A", DONE, SHOWN)
    assert sealed is not None
    assert b"re_1" not in sealed
    shelf.sealed = {"01A": sealed, "01B": sealed, "01C": sealed[:-1], "01D": b"", "01E": sealed}
    assert await shelf.answers().of(earlier()) == KEPT
    assert [await shelf.answers().of(earlier(intent)) for intent in ("01B", "01C", "01D")] == [None, None, None]
    assert await shelf.answers(KeyRing({1: b"c" * 32}, 1)).of(earlier("01E")) is None
    assert await shelf.answers(KeyRing({2: b"c" * 32}, 2)).of(earlier("01E")) is None


async def test_turned_ring() -> None:
    """What was sealed under an older version of the ring opens for as long as the ring holds it."""
    shelf = Shelf()
    shelf.sealed["01A"] = shelf.answers(KeyRing({1: b"a" * 32}, 1)).keep("01A", DONE, SHOWN) or b""
    assert await shelf.answers(RING).of(earlier()) == KEPT


@pytest.mark.parametrize("away", [False, True], ids=["empty", "away"])
async def test_from_the_record(away: bool) -> None:
    """What the store does not have, or cannot say, is read from the record, once."""
    shelf = Shelf()
    shelf.away = away
    shelf.recorded["log#0/1/2/3"] = RECORDED
    answers = shelf.answers()
    for _ in range(2):
        assert await answers.of(earlier(place="log#0/1/2/3")) == KEPT
    assert shelf.read == ["log#0/1/2/3"]


async def test_unsent_from_the_record() -> None:
    """What was never sent is not given again, to whoever still waits for it, as if it had been."""
    shelf = Shelf()
    shelf.recorded["log#0/1/2/3"] = KeptAnswer(503, (), b"{}", sent=False)
    assert await shelf.answers().of(earlier(place="log#0/1/2/3")) == Kept(503, (), b"{}", "no")


async def test_nowhere() -> None:
    """An answer that is on no record, was not kept whole, or is kept no longer, is none."""
    shelf = Shelf()
    shelf.recorded["log#0/4/2/3"] = KeptAnswer(201, KEPT.headers, None)
    shelf.recorded["log#0/1/2/3"] = RECORDED
    answers = shelf.answers()
    assert await answers.of(earlier()) is None
    assert await answers.of(earlier(place="log#9/9/9/9")) is None
    assert await answers.of(earlier(place="log#0/4/2/3")) is None
    assert await answers.of(earlier(place="log#0/1/2/3", answered=False)) is None


async def test_of_another() -> None:
    """What stands at the same place of a log of the same name, and is another write's, is not given."""
    shelf = Shelf()
    shelf.recorded["log#0/1/2/3"] = replace(RECORDED, call="01Z")
    assert await shelf.answers().of(earlier(place="log#0/1/2/3")) is None
    shelf.recorded["log#0/1/2/3"] = replace(RECORDED, call="01A")
    assert await shelf.answers().of(earlier(place="log#0/1/2/3")) == KEPT


async def test_too_wide() -> None:
    """An answer wider than is kept in memory is not kept there nor sealed; the record has it."""
    shelf = Shelf()
    answers = shelf.answers()
    wide = Whole(200, (), b"a" * (ANSWER_BYTES_MAX + 1))
    assert answers.keep("01A", DONE, wide) is None
    assert await answers.of(earlier()) is None
    shelf.recorded["log#0/1/2/3"] = KeptAnswer(200, (), wide.body)
    for _ in range(2):
        assert (await answers.of(earlier(place="log#0/1/2/3")) or KEPT).body == wide.body
    assert len(shelf.read) == 2


async def test_never_stored() -> None:
    """An answer with a member that is never stored stays in memory and is sealed for nobody."""
    shelf = Shelf()
    answers = shelf.answers()
    assert answers.keep("01A", DONE, SHOWN, ("secret",)) is None
    assert await answers.of(earlier()) == KEPT


async def test_in_doubt() -> None:
    """What was said of a write in doubt is no answer: it would be given again once it is known how that ended."""
    shelf = Shelf()
    answers = shelf.answers()
    assert answers.keep("01A", Ended(State.UNKNOWN, AT), SHOWN) is None
    assert await answers.of(earlier()) is None


async def test_bounded() -> None:
    """Memory holds the newest answers and those that were asked for, and no more bytes than it may."""
    shelf = Shelf("memory")
    answers = shelf.answers()
    wide = Whole(200, (), b"a" * ANSWER_BYTES_MAX)
    answers.keep("first", DONE, SHOWN)
    answers.keep("second", DONE, SHOWN)
    for number in range(MEMORY_BYTES // ANSWER_BYTES_MAX + 8):
        answers.keep(f"wide {number}", DONE, wide)
        assert await answers.of(earlier("first")) == KEPT
    assert await answers.of(earlier("second")) is None
    assert await answers.of(earlier("wide 0")) is None
    assert answers._bytes <= MEMORY_BYTES
