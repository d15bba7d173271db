"""What the store could not be told is told again behind the road, and nobody waits for it or fails by it."""

from __future__ import annotations

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
    """A store that is away for so many verbs, and notes those that reach it."""

    def __init__(self, for_verbs: int) -> None:
        self.left = for_verbs
        self.told: list[object] = []

    async def settle(self, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        """
        Note how a reservation ended.
        """
        self._tell((held.go.call.id, ended, answer))

    async def delivered(self, intent: str, *, reached: bool) -> None:
        """
        Note whether an answer reached its caller.
        """
        self._tell((intent, reached))

    def _tell(self, what: object) -> None:
        self.left -= 1
        if self.left >= 0:
            raise StoreUnavailable("it does not answer")
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
    assert store.told[2] == ("01A", False)
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
