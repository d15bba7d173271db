"""Writes with names, ends, and stores of each kind: so that a case of the contract is a few lines that read as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from breakers.call import Call
from breakers.known import Ended, Names, State
from breakers.spend import Charge
from breakers.store.events import Event, IntentOpened, opened_by
from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from breakers.store.protocol import LEASE_S, HeldRead, HeldWrite, Permit, Store
from breakers.verdict import Forward
from tests.breakers.world import AT, call
from tests.redis_cluster import RedisCluster
from tests.redis_server import RedisServer
from tests.sim.redis_link import ModelServer

KEPT = Retention(answers_s=7 * 86_400.0, outcomes_s=90 * 86_400.0)

# So short that a test can let one pass on a clock that only the server has.
BRIEF_S = 0.03


@dataclass(slots=True)
class Clock:
    """
    A clock that a test moves.
    """

    at: datetime = AT

    def now(self) -> datetime:
        """
        Return the time.
        """
        return self.at

    def pass_by(self, seconds: float) -> None:
        """
        Move on.
        """
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True, repr=False)
class World:
    """
    One kind of store: `server` is None for memory, and a model of one goes by the clock of the test.
    """

    def __repr__(self) -> str:
        return f"<World {self.server!r}>"

    server: RedisServer | RedisCluster | ModelServer | None = None
    clock: Clock = field(default_factory=Clock)
    made: list[Store] = field(default_factory=list)

    async def store(self, lease_s: float = LEASE_S, *, events: Iterable[Event] = (), of: str | None = None) -> Store:
        """
        Return a store in which nothing is but these events; `of` a deployment, what others of it have left as well.
        """
        now = self.clock.now
        store = MemoryStore(now, KEPT, lease_s) if self.server is None else self.server.store(of, now, KEPT, lease_s)
        self.made.append(store)
        await store.start(events)
        return store

    @property
    def has_own_clock(self) -> bool:
        """
        Tell whether leases are measured by a clock that no test can move.
        """
        return isinstance(self.server, RedisServer | RedisCluster)

    async def lapse(self) -> None:
        """
        Let a brief lease pass, on whichever clock measures it.
        """
        self.clock.pass_by(2 * BRIEF_S)
        if self.has_own_clock:
            await asyncio.sleep(1.5 * BRIEF_S)

    async def close(self) -> None:
        """
        Close every store that was made.
        """
        while self.made:
            await self.made.pop().close()


def write(intent: str = "01A", key: str | None = "k:1", fingerprint: str = "f1:1", effect: str | None = "e:1") -> Call:
    """
    Return a write with these names.
    """
    return replace(call("refunds.create", id=intent), names=Names((fingerprint,), key, effect))


def read(intent: str = "01R") -> Call:
    """
    Return a read.
    """
    return call("refunds.retrieve", id=intent)


def opened(intent: str = "01A", after_s: int = 0, **names: str | None) -> IntentOpened:
    """
    Return what the ledger says when such a write is durable.
    """
    event = opened_by(write(intent, **names), f"log/0#0/{intent}")  # type: ignore[arg-type]
    return replace(event, at=AT + timedelta(seconds=after_s))


def done(after_s: float = 0, *, status: int = 200, place: str = "log/0#0/1", delivered: bool = True) -> Ended:
    """
    Return the end of a write that took effect.
    """
    return Ended(State.COMPLETED, AT + timedelta(seconds=after_s), True, True, status, place, delivered)


def rejected(after_s: float = 0) -> Ended:
    """
    Return the end of a write that the upstream did not carry out, for good.
    """
    return Ended(State.COMPLETED, AT + timedelta(seconds=after_s), False, True, 422, "log/0#0/2")


def nothing_done(after_s: float = 0) -> Ended:
    """
    Return the end of a write that did nothing and may be made again.
    """
    return Ended(State.COMPLETED, AT + timedelta(seconds=after_s), False, False, 429, "log/0#0/3")


def unknown(after_s: float = 0) -> Ended:
    """
    Return that nobody knows how a write ended.
    """
    return Ended(State.UNKNOWN, AT + timedelta(seconds=after_s), place="log/0#0/4")


def parked(after_s: float = 0) -> Ended:
    """
    Return that a person has to say how a write ended.
    """
    return Ended(State.PARKED, AT + timedelta(seconds=after_s), place="log/0#0/5")


async def judged(store: Store, asked: Call, *charges: Charge) -> Forward:
    """
    Return a verdict that lets a call pass, on facts of this moment.
    """
    return Forward(asked, await store.facts(asked), "v1", (), charges=charges)


async def reserved(store: Store, asked: Call, *charges: Charge) -> HeldWrite:
    """
    Judge and reserve a write that nothing stands in the way of.
    """
    held = await store.reserve(await judged(store, asked, *charges))
    assert isinstance(held, HeldWrite), held
    return held


async def taken(store: Store, asked: Call, *charges: Charge) -> HeldRead:
    """
    Judge and reserve a read that nothing stands in the way of.
    """
    held = await store.reserve(await judged(store, asked, *charges))
    assert isinstance(held, HeldRead), held
    return held


async def dispatched(store: Store, asked: Call, *charges: Charge) -> HeldWrite:
    """
    Take a write as far as its first byte.
    """
    held = await reserved(store, asked, *charges)
    assert await store.dispatch(held, opened_by(asked, f"log/0#0/{asked.id}", charges)) is Permit.GRANTED
    return held


async def made(
    store: Store, asked: Call, end: Ended, answer: bytes | None = None, charges: tuple[Charge, ...] = ()
) -> None:
    """
    Make a write, to this end.
    """
    await store.settle(await dispatched(store, asked, *charges), end, answer)


async def standing(store: Store, name: str = "k:1") -> list[tuple[str, State]]:
    """
    Return what stands under a name of the first write, newest first.
    """
    which = {"k": "key", "f": "fingerprint", "e": "effect"}[name[0]]
    asked = write("01Z", **{which: name})
    known = (await store.facts(asked)).known
    return [(record.intent, record.state) for record in known.under.get(name, ())]


async def versions(store: Store, asked: Call | None = None) -> dict[str, int]:
    """
    Return the version of each name of a write.
    """
    return dict((await store.facts(asked or write("01Z"))).known.versions)


async def shown(store: Store) -> list[tuple[str, bool, bool]]:
    """
    Return the open intents, in their order: whether each is in doubt, and whether it is parked.
    """
    return [(one.opened.intent, one.suspended, one.parked) for one in await store.open_intents()]
