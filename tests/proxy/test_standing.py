"""A store that cannot be relied on: who says so, for how long, and what it is given once it can."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from breakers.store.events import Event
from breakers.store.protocol import Store, StoreUnavailable
from proxy.standing import NOT_BEGUN, Standing
from tests.breakers.stopping import halted, running
from tests.proxy.road import Lines

FIRST: tuple[Event, ...] = (running(1),)
LATER: tuple[Event, ...] = (*FIRST, halted(2))


class Moody:
    """A store that is away, or says that something is wrong, when it is told to be."""

    def __init__(self) -> None:
        self.away = False
        self.wrong: str | None = None
        self.emptied = False
        self.lost = ""
        # How many replays do not come to an end, and what is waited for once all was told.
        self.failing, self.waits = 0, ""
        self.said: list[str] = []
        self.begun: list[list[Event]] = []

    @property
    def untold(self) -> bool:
        """
        Tell whether it has to be told again.
        """
        return self.emptied or not self.begun

    async def begin(self, **_: object) -> None:
        """
        Hear that it will be told.
        """
        self._here()
        self.said.append("begin")

    async def start(self, events: Iterable[Event], **_: str) -> None:
        """
        Be told.
        """
        self._here()
        self.begun.append(list(events))
        if self.failing:
            self.failing, self.emptied = self.failing - 1, True
            raise StoreUnavailable("it was lost again")
        self.emptied = False
        if self.waits:
            raise StoreUnavailable(self.waits)

    async def fault(self) -> str | None:
        """
        Say what is wrong.
        """
        self._here()
        return "it lost what it knew" if self.emptied else self.waits or self.wrong

    def _here(self) -> None:
        if self.away:
            raise StoreUnavailable("it does not answer")


def standing(store: Moody) -> tuple[Standing, Lines]:
    """
    Return what asks this store, and its log.
    """
    log = Lines()
    return Standing(cast("Store", store), lambda: LATER, log), log


def fault(asked: Standing) -> str | None:
    """
    Return what is wrong now.
    """
    return asked.fault


async def test_begins_well() -> None:
    """A store that begins is relied on, and was told what the record says; nothing is worth a line."""
    store = Moody()
    asked, log = standing(store)
    assert fault(asked) == NOT_BEGUN
    await asked.begin(FIRST)
    await asked.look()
    assert fault(asked) is None
    assert store.begun == [list(FIRST)]
    assert log.lines == []


async def test_away_at_start() -> None:
    """A store that is away at the start is not relied on until it was there to be told what the record says by then."""
    store = Moody()
    store.away = True
    asked, log = standing(store)
    await asked.begin(FIRST)
    await asked.look()
    assert fault(asked) == "it does not answer"
    store.away = False
    await asked.look()
    assert fault(asked) is None
    assert store.begun == [list(LATER)]
    assert [line["fault"] for line in log.of("store")] == ["it does not answer", None]


async def test_away_later() -> None:
    """A store that goes away and comes back as it was is not told everything again."""
    store = Moody()
    asked, _ = standing(store)
    await asked.begin(FIRST)
    store.away = True
    await asked.look()
    assert fault(asked) == "it does not answer"
    store.away = False
    await asked.look()
    assert fault(asked) is None
    assert store.begun == [list(FIRST)]


async def test_emptied() -> None:
    """A store that lost what it knew is told the record as it is now, before it is relied on again."""
    store = Moody()
    asked, _ = standing(store)
    await asked.begin(FIRST)
    store.emptied = True
    await asked.look()
    assert fault(asked) is None
    assert store.begun == [list(FIRST), list(LATER)]


async def test_wrongly_set_up() -> None:
    """What is wrong with a store is said in its own words for as long as it is so, and it is not told anything."""
    store = Moody()
    store.wrong = "its maxmemory-policy evicts"
    asked, log = standing(store)
    await asked.begin(FIRST)
    await asked.look()
    assert fault(asked) == "its maxmemory-policy evicts"
    assert store.begun == [list(FIRST)]
    store.wrong = None
    await asked.look()
    assert fault(asked) is None
    assert [line["fault"] for line in log.of("store")] == ["its maxmemory-policy evicts", None]


async def test_read_when_heard() -> None:
    """The record is not read for a store that does not listen, and only once that has heard that it will be told."""
    store = Moody()
    store.away = True

    def events() -> Iterable[Event]:
        store.said.append("read")
        return LATER

    asked = Standing(cast("Store", store), events, Lines())
    await asked.begin(FIRST)
    await asked.look()
    assert store.said == []
    store.away = False
    await asked.look()
    assert store.said == ["begin", "read"]


async def test_waits_for_others() -> None:
    """A store that was told and waits for others says for whom, and is not told again."""
    store = Moody()
    store.waits = "waiting for replica two"
    asked, _ = standing(store)
    await asked.begin(FIRST)
    await asked.look()
    assert (fault(asked), len(store.begun)) == ("waiting for replica two", 1)
    store.waits = ""
    await asked.look()
    assert (fault(asked), len(store.begun)) == (None, 1)


async def test_put_off() -> None:
    """A store that is lost again and again while it is told is told ever more rarely."""
    store = Moody()
    store.failing = 5
    asked, _ = standing(store)
    await asked.begin(FIRST)
    told = []
    for _ in range(1 + 1 + 2 + 4 + 8):
        await asked.look()
        told.append(len(store.begun))
    assert told == [2, 2, 3, 3, 3, 3, 4, *7 * [4], 5, 5]
    assert fault(asked) == "it lost what it knew"
