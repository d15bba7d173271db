"""A road whose one agent has caps, and what its store says of them, held against the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtest.installation import agent, stripe_api
from tests.crash.record import read_log
from tests.crash.totals import Sums, spent_on_record
from tests.proxy.road import Road, soon
from tests.proxy.rows import CREATE
from tests.wire.client import Connection

ALLOW: Mapping[str, object] = {
    "stripe": {"charges.retrieve": {}, "customers.*": {}, "refunds.create": {"limit": {"amount": "0.50..500 USD"}}}
}
DAY = "clerk/2026-11-21"
TASK = f"task:{DAY}|life"
MONTH = "agent:clerk|2026-11"
EXHAUSTED = (403, "denied", "no", "spend:budget-exhausted")


def capped(url: str, *, prices: object = None, **card: object) -> dict[str, Any]:
    """
    Return a road's apis and its one agent, whose card has these caps.
    """
    api = stripe_api(url) | ({"prices": prices} if prices is not None else {})
    return {"apis": {"stripe": api}, "agents": {"clerk": agent(ALLOW, **card)}}


async def read_one(on: Road, **more: Any) -> Any:
    """
    Make a read, and return its answer.
    """
    return await on.ask("GET", "/v1/customers", agent="clerk", **more)


async def write_one(on: Road, name: str = "a", **more: Any) -> Any:
    """
    Make a write of this name, and return its answer.
    """
    return await on.ask("POST", "/v1/customers", agent="clerk", form={**CREATE, "name": name}, **more)


async def quiet(on: Road) -> None:
    """
    Wait until nothing is under way or waits to be told or to become durable.
    """
    rooms = on.rooms
    await soon(lambda: not (len(rooms.settling) or len(rooms.inflight) or len(rooms.pending) or rooms.ledger.pending))


async def sums(on: Road) -> Sums:
    """
    Return every total of the store, having held it against the record.
    """
    await quiet(on)
    totals = await on.rooms.store.totals()
    stood = {f"{one.node}|{one.period}|{one.measure}": (one.settled, one.held) for one in totals}
    stood = {name: sum_ for name, sum_ in stood.items() if sum_ != (0, 0)}
    assert stood == spent_on_record(read_log(on.state).entries), "the store and the record say two things"
    return stood


async def begin_read(on: Road) -> Connection:
    """
    Begin a read on a connection of its own.
    """
    connection = await on.connect()
    await connection.send(on.head("GET", "/v1/customers", [("Authorization", f"Bearer {on.keys['clerk']}")]))
    return connection
