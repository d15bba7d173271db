"""What the store has to be told is told behind the road where it is shared, and again where it could not be told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

from breakers.known import Ended, State
from breakers.spend import CALLS, Charge
from breakers.store.protocol import Reservation, Store, StoreUnavailable
from proxy.settling import Settling
from tests.ledger.world import START, StillClock, read, write
from tests.proxy.road import Lines

ENDED = Ended(State.COMPLETED, START, applied=True, keeps=True, status=200)
PAUSES = (0.0, 0.0)


class Away:
    """A store that is away for so many verbs, and notes those that reach it; until `answers` none of them ends."""

    def __init__(self, for_verbs: int, kind: str = "memory") -> None:
        self.left, self.kind = for_verbs, kind
        self.told: list[object] = []
        self.fault: Exception = StoreUnavailable("it does not answer")
        self.answers = asyncio.Event()
        self.answers.set()

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        Note how a reservation ended.
        """
        await self.answers.wait()
        self._tell((held.go.call.id, ended, answer))

    async def delivered(self, intent: str, *, reached: bool) -> None:
        """
        Note whether an answer reached its caller.
        """
        await self.answers.wait()
        self._tell((intent, reached))

    async def earlier(self, intent: str) -> None:
        """
        Know nothing of any intent.
        """
        self._tell(("earlier", intent))

    def _tell(self, what: object) -> None:
        self.left -= 1
        if self.left >= 0:
            raise self.fault
        self.told.append(what)


def settling(store: Away) -> tuple[Settling, Lines]:
    """
    Return what tells this store, and its log.
    """
    log = Lines()
    return Settling(cast("Store", store), StillClock(), log, PAUSES), log


async def test_told_at_once() -> None:
    """A store that is there has been told once the verb returns."""
    store, held = Away(0), write()
    told, _ = settling(store)
    await told.settle(held, ENDED, b"sealed")
    assert store.told == [(held.go.call.id, ENDED, b"sealed")]
    await told.settle(read(), None)
    await told.missed("01A")
    # A read that was charged nothing held nothing that there would be to tell.
    assert store.told[1:] == [("01A", False)]
    assert len(told) == 0


async def test_told_later() -> None:
    """A store that was away is told what it missed, while the road has long gone on."""
    store, held = Away(2), write()
    told, log = settling(store)
    await told.settle(held, ENDED)
    assert (store.told, len(told)) == ([], 1)
    assert await told.drain(1.0) == 0
    assert store.told == [(held.go.call.id, ENDED, None)]
    assert log.lines == []


async def test_told_in_order() -> None:
    """A store hears that an answer was missed only once it knows of the end, however soon it is there again."""
    store, held = Away(1), write()
    told, _ = settling(store)
    intent = held.go.call.id
    await told.settle(held, ENDED)
    await told.missed(intent)
    told.noted(intent, reached=True)
    await told.missed("01B")
    assert store.told == [("01B", False)]
    await told.drain(1.0)
    await told.drain(1.0)
    assert store.told[1:] == [(intent, ENDED, None), (intent, False), (intent, True)]
    assert told._last == {}


async def test_never_told() -> None:
    """A store that stays away is given up with a line that names the call: the record has it."""
    store = Away(99)
    told, log = settling(store)
    told.noted("01A", reached=True)
    await told.drain(1.0)
    await told.drain(1.0)
    assert store.told == []
    assert log.of("unsettled") == [{"event": "unsettled", "call": "01A"}]


async def test_in_doubt_and_let_go() -> None:
    """A write that broke off is in doubt, one of which nothing was sent frees its names, and neither was delivered."""
    store, held = Away(0), write()
    held = replace(held, go=replace(held.go, charges=(Charge("agent:clerk", "2026-11", CALLS, 3, 9),)))
    told, _ = settling(store)
    await told.doubt(held)
    await told.let_go(held)
    assert store.told == [
        (held.go.call.id, Ended(State.UNKNOWN, START, delivered=False), None),
        (held.go.call.id, Ended(State.COMPLETED, START, applied=False, delivered=False, spent=(0,)), None),
    ]


async def test_nobody_waits() -> None:
    """What others share is told behind the road, at once and in order, while nobody waits for its answer."""
    store, held = Away(0, "redis"), write()
    told, _ = settling(store)
    store.answers.clear()
    await told.settle(held, ENDED, b"sealed")
    await told.missed(held.go.call.id)
    assert (store.told, len(told)) == ([], 2)
    assert await told.is_completed(held.go.call.id)
    await told.settle(read(), None)
    store.answers.set()
    assert await told.drain(1.0) == 0
    assert store.told == [(held.go.call.id, ENDED, b"sealed"), (held.go.call.id, False)]
    assert not await told.is_completed(held.go.call.id)


async def test_later_though_shared() -> None:
    """What others share and cannot be told at once is told again, before what came after it."""
    store, held = Away(2, "redis"), write()
    told, _ = settling(store)
    await told.settle(held, ENDED)
    told.noted(held.go.call.id, reached=True)
    assert not store.told
    for _ in range(2):
        await told.drain(1.0)
    assert store.told == [(held.go.call.id, ENDED, None), (held.go.call.id, True)]


async def test_failed_behind() -> None:
    """What fails behind the road in a way that nobody foresaw is in the log, and is told all the same."""
    store, held = Away(0, "redis"), write()
    told, log = settling(store)
    store.left, store.fault = 1, ValueError("a record of another kind")
    await told.settle(held, ENDED)
    assert await told.drain(5) == 0
    assert store.told == [(held.go.call.id, ENDED, None)]
    assert [line["call"] for line in log.of("failure")] == [held.go.call.id]
