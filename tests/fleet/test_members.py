"""Who belongs to a fleet: how a replica joins, who has to know of it, and how one is forgotten that comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from breakers.known import State
from breakers.store.belonging import Belonging
from breakers.store.link import Shared
from breakers.store.members import Presence
from breakers.store.protocol import Permit, StoreUnavailable
from proxy.ledger.fleet import Stands
from tests.fleet.replicas import DEPLOYMENT, Fleet, Paper, Replica, fleet_at, numbered
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

NEW = "this replica is new here: waiting for replica {} to have it on record"
LOST = "the shared state was lost: waiting for replica {} to tell what it knows"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have stores wait for a server on a busy machine.
    """
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)


class Dying(Paper):
    """A record whose process ends where it would say that it belongs to the fleet."""

    async def joined(self) -> None:
        """
        Come to no end.
        """
        raise StoreUnavailable("the process is gone")


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have every replica count as silent, however lately it was heard of.
    """
    monkeypatch.setattr("breakers.store.belonging.SILENT_S", -1.0)


@pytest_asyncio.fixture
async def fleet(fresh_redis: RedisServer) -> AsyncIterator[Fleet]:
    """
    Give a fleet on an empty Redis.
    """
    async with fleet_at(fresh_redis) as made:
        yield made


def states(replica: Replica) -> dict[str, str]:
    """
    Return how a replica heard of everyone last.
    """
    return {member.name: member.state for member in replica.store.members()}


async def forgotten(by: Replica, name: str) -> None:
    """
    Have a replica forget another, as an order does: on record first.
    """
    assert await by.store.forget(name, asks=True) is None
    by.paper.fleet.update({name: by.paper.fleet[name].ORDERED})
    await by.store.forget(name, asks=False)


async def test_first_one(fleet: Fleet) -> None:
    """The first replica of an empty deployment holds writes at once."""
    one = fleet.new("one")
    await one.start()
    assert one.fault() is None
    await one.made(numbered(1))
    assert one.paper.known.names == {"one"}


async def test_joins_once_known(fleet: Fleet) -> None:
    """A new replica holds no write before everyone who belongs to the fleet has it on record, and it them."""
    one, two = await fleet.start("one", "two")
    three = fleet.new("three")
    await three.start()
    assert three.fault() == "this replica is new here: waiting for replicas one, two to have it on record"
    with pytest.raises(StoreUnavailable, match="new here"):
        await three.held(numbered(1))
    # They have it on record, and it knows of one only by then.
    await fleet.round("one", "three")
    assert three.fault() == NEW.format("two")
    assert states(one) == {"one": "here", "two": "here", "three": "joining"}
    await fleet.round("two", "three")
    assert three.fault() is None
    assert [each.paper.known.names for each in (one, two, three)] == [{"one", "two", "three"}] * 3


async def test_joins_while_one_is_down(fleet: Fleet, silence: None) -> None:
    """While one of the fleet is down nobody joins, until it is back or was forgotten."""
    one, two = await fleet.start("one", "two")
    await two.store.beat(Presence(), stops=True)
    await two.store.close()
    await fleet.new("three").start()
    for _ in range(3):
        await fleet.round("one", "three")
    three = fleet.replicas["three"]
    assert (three.fault(), states(one)["two"]) == (NEW.format("two"), "stopped")
    await two.start()
    await fleet.settle("one", "two", "three")
    await two.store.close()
    await fleet.new("four").start()
    await forgotten(one, "two")
    await fleet.settle("one", "three", "four")


async def test_dead_new_one_stops_nobody(fleet: Fleet) -> None:
    """A new replica that dies before it belongs to the fleet keeps nobody who does from starting again."""
    one, _ = await fleet.start("one", "two")
    three = fleet.new("three")
    await three.start()
    await three.store.close()
    await one.start()
    assert one.fault() is None


async def test_unrecorded(fleet: Fleet) -> None:
    """Whoever cannot put a new replica on record does not say that it knows it; and one that cannot record it waits."""
    (one,) = await fleet.start("one")
    two = fleet.new("two")
    await two.start()
    one.paper.full = True
    for _ in range(2):
        await fleet.round("one", "two")
    assert two.fault() == NEW.format("one")
    one.paper.full, two.paper.full = False, True
    await fleet.round("one", "two")
    assert two.fault() is not None
    two.paper.full = False
    await fleet.settle("one", "two")


async def test_died_as_it_joined(fleet: Fleet) -> None:
    """A replica that dies when the others take it for one of them, and its record does not, asks again and joins."""
    (one,) = await fleet.start("one")
    two = fleet.new("two")
    two.paper = Dying("two")
    await two.start()
    await one.beat()
    await two.beat()
    await two.look()
    await one.beat()
    assert (two.paper.known.joined, states(one)) == (False, {"one": "here", "two": "here"})
    two.paper = Paper("two", two.paper.fleet)
    await two.start()
    assert two.fault() is None
    assert two.paper.known.joined


async def test_live_one_stays(fleet: Fleet) -> None:
    """Who was heard of lately, or may not have heard of a new epoch yet, is not silent enough to be forgotten."""
    one, two = await fleet.start("one", "two")
    silent_s = await one.store.forget("two", asks=True)
    assert silent_s is not None
    assert 0 <= silent_s < 60
    fleet.server.flush()
    await one.look()
    assert one.fault() == LOST.format("two")
    assert await one.store.forget("two", asks=True) is not None
    await two.store.beat(Presence(), stops=True)
    assert await one.store.forget("nobody", asks=True) is not None


async def test_stopped_one_goes_at_once(fleet: Fleet) -> None:
    """Who stopped in good order may be forgotten at once."""
    one, two = await fleet.start("one", "two")
    await two.store.beat(Presence(), stops=True)
    assert await one.store.forget("two", asks=True) is None


async def test_forgotten_thaws(fleet: Fleet, silence: None) -> None:
    """Nobody waits any more for whoever was forgotten; what only its record had is not known."""
    one, two = await fleet.start("one", "two")
    await two.made(numbered(2))
    await two.store.close()
    fleet.server.flush()
    await one.look()
    assert one.fault() == LOST.format("two")
    await forgotten(one, "two")
    await one.look()
    assert one.fault() is None
    assert await one.knows("02A") is None


async def test_forgotten_writes_nothing(fleet: Fleet, silence: None) -> None:
    """A forgotten replica that goes on neither holds nor sends; the others go on without telling anything again."""
    one, two, three = await fleet.start("one", "two", "three")
    held = await two.held(numbered(2))
    kept = await three.held(numbered(3))
    await forgotten(one, "two")
    for step in (two.sent(held), two.held(numbered(4))):
        with pytest.raises(StoreUnavailable):
            await step
    told = len(three.every)
    await fleet.round("one", "three")
    assert (one.fault(), three.fault(), len(three.every), three.store.lost) == (None, None, told, "")
    assert await three.sent(kept) is Permit.GRANTED


async def test_ordered_before_a_crash(fleet: Fleet, silence: None) -> None:
    """Whose being forgotten is on record, and was told nobody before a crash, sends nothing after the next start."""
    one, two = await fleet.start("one", "two")
    held = await two.held(numbered(2))
    one.paper.fleet["two"] = Stands.ORDERED
    await one.start()
    with pytest.raises(StoreUnavailable):
        await two.sent(held)
    await one.store.forget("two", asks=False)
    await fleet.settle("one")


async def test_forgotten_comes_back(fleet: Fleet, silence: None) -> None:
    """Who comes back after it was forgotten joins like a new one, under another name, and tells what only it knew."""
    one, two = await fleet.start("one", "two")
    await two.made(numbered(2))
    await forgotten(one, "two")
    fleet.server.flush()
    await one.look()
    assert await one.knows("02A") is None
    await two.look()
    assert two.fault() is not None
    assert two.paper.known.name == "two.1"
    assert "one" in two.paper.known.names
    await fleet.settle("one", "two")
    assert await one.knows("02A") is State.COMPLETED
    assert one.paper.known.names == {"one", "two.1"}
    assert one.paper.known.forgotten == {"two"}
    fleet.server.flush()
    await one.look()
    assert one.fault() == LOST.format("two")
    await fleet.settle("two", "one")


async def test_told_by_records(fleet: Fleet, silence: None) -> None:
    """That somebody was forgotten survives a flush in the record of whoever ordered it, for those who were down."""
    one, _, three = await fleet.start("one", "two", "three")
    await three.store.close()
    await forgotten(one, "two")
    fleet.server.flush()
    await three.start()
    assert three.fault() == "the shared state was lost: waiting for replicas one, two to tell what they know"
    await one.look()
    await fleet.settle("one", "three")
    assert three.paper.known.forgotten == {"two"}


async def test_heard_of(fleet: Fleet) -> None:
    """Everyone hears what each says of itself, when it was heard of last, and what its id is."""
    one, two = await fleet.start("one", "two")
    await two.store.beat(Presence("there", 7, "1.0", "v1", 4, None, 2, None))
    await one.beat()
    mine, theirs = one.store.members()
    assert (mine.id, theirs.id, theirs.state, theirs.live) == ("one", "two", "here", True)
    assert theirs.presence == Presence("there", 7, "1.0", "v1", 4, None, 2, None)
    assert theirs.since <= theirs.heard_at


async def test_of_another_version(fleet: Fleet) -> None:
    """A replica of another version that says less, or more, is heard all the same, as one that has applied no stop."""
    (one,) = await fleet.start("one")
    operator = fleet.server.operator()
    operator.hset(f"bw:{{{DEPLOYMENT}}}:members", "two", 'two 0 1 1 1\n{"host": "there", "colour": "blue"}')
    operator.close()
    await one.store.beat(Presence())
    (theirs,) = [member for member in one.store.members() if member.id == "two"]
    assert theirs.presence == Presence("there")


@pytest.mark.parametrize("row", ["junk", "two 0 1 1 1\nnull", "two 0 1 1\n{}"])
async def test_junk_among_them(fleet: Fleet, row: str) -> None:
    """A row that nobody of this version wrote is said to be that, and ends nothing."""
    (one,) = await fleet.start("one")
    operator = fleet.server.operator()
    operator.hset(f"bw:{{{DEPLOYMENT}}}:members", "two", row)
    operator.close()
    with pytest.raises(StoreUnavailable, match="not written by this version"):
        await one.store.beat(Presence())


def test_repr() -> None:
    """What stands for it in a message tells how it stands, and holds no address."""
    assert repr(Belonging(Shared(None, "shop"))) == "<Belonging 0 heard of, told='' lost=''>"  # type: ignore[arg-type]
