"""How often a call asks a Redis, and when: every kind of call in one table, each with its reason."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest_asyncio

from breakers.stops import Mode
from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.patience import Patience
from tests.contract.counting import counting
from tests.proxy.again import is_replay, key, posts, stripe
from tests.proxy.approving import ALLOW, OPERATORS
from tests.proxy.road import Road, charged, road, soon
from tests.proxy.tasked import open_task, under
from tests.redis_server import RedisServer
from tests.wire.client import Answer

CUSTOMERS, REFUNDS = "/v1/customers", "/v1/refunds"

CARDS: Mapping[str, Any] = {
    "plain": agent({"stripe": ALLOW}, loops=False),
    "capped": agent({"stripe": ALLOW}, loops=False, caps={"task": {"calls": 500, "paid": "900 USD"}}),
    "counted": agent({"stripe": ALLOW}, loops=False, caps={"task": {"calls": 3}}),
    "spent": agent({"stripe": ALLOW}, loops=False, caps={"task": {"calls": 1}}),
    "parked": agent({"stripe": ALLOW}, loops=False, tier="suggest"),
}


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream
        upstream.faults.clear()


@pytest_asyncio.fixture
async def on(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give a program on a Redis of its own.
    """
    async with road(tmp_path, sandbox.url, agents=CARDS, store=fresh_redis.url, operators=OPERATORS) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of call: what it waits for, and why so.
    """

    name: str
    ask: Callable[[Scene], Awaitable[Answer]]
    waited: str
    because: str
    status: int = 200


@dataclass
class Scene:
    """
    A road whose questions are counted, and what earlier calls on it have left.
    """

    on: Road
    sandbox: StripeSandbox
    token: str
    charge: str

    async def read(self, agent: str) -> Answer:
        """
        Read the customers.
        """
        return await self.on.ask("GET", CUSTOMERS, agent=agent)

    async def write(self, name: str, agent: str = "plain", **more: Any) -> Answer:
        """
        Make a customer of this name.
        """
        return await self.on.ask("POST", CUSTOMERS, agent=agent, form={"name": name}, **more)

    async def refund(self, agent: str, amount: int) -> Answer:
        """
        Give back some of the charge.
        """
        return await self.on.ask("POST", REFUNDS, agent=agent, form={"charge": self.charge, "amount": amount})

    async def elsewhere(self) -> Answer:
        """
        Repeat a write that this process has no answer of at hand.
        """
        self.on.rooms.answers._newest.clear()
        return await self.write("keyed", headers=key("k"))

    async def killed(self) -> Answer:
        """
        Write while writes are stopped, and let them go on.
        """
        await self.on.rooms.killswitch.order("agent:plain", Mode.STOP_WRITES, "ana")
        return await self.write("stopped")


BOTH = "reserve dispatch"
MEANT = (*key("new"), ("Breakwater-Duplicate", "allow"))

KINDS = (
    Kind("a read", lambda on: on.read("plain"), "", "what this process has seen of stops and breakers is enough"),
    Kind("a read under a cap", lambda on: on.read("counted"), "hold", "nothing is in hand, and a cap is exact"),
    Kind("a write", lambda on: on.write("a"), BOTH, "taken in one step, marked before its first byte"),
    Kind("under a key", lambda on: on.write("keyed", headers=key("k")), BOTH, "a name more is no question more"),
    Kind("an equal one", lambda on: on.write("keyed", headers=MEANT), BOTH, "what ended here is known here"),
    Kind("with a look", lambda on: on.refund("plain", 500), BOTH, "reads of ours are judged by what was seen"),
    Kind("under caps", lambda on: on.refund("capped", 600), BOTH, "taken in the step that takes the names"),
    Kind("of a task", lambda on: under(on.on, on.token, "POST", form={"name": "t"}), BOTH, "compared in that step"),
    Kind("a repeat", lambda on: on.write("keyed", headers=key("k")), "facts", "it is answered from what stands there"),
    Kind("elsewhere", lambda on: on.elsewhere(), "facts GET", "the answer is another process's, and is fetched"),
    Kind("off the card", lambda on: on.on.ask("POST", "/v1/products", agent="plain", form={"name": "p"}), "facts",
         "a repeat would be answered first", 403),
    Kind("over a cap", lambda on: on.write("over", "spent"), "reserve", "whether there is room is asked there", 403),
    Kind("parked", lambda on: on.write("p", "parked"), "facts suggest",
         "a repeat would be answered first; of two equal ones one stands", 403),
    Kind("parked again", lambda on: on.write("p", "parked"), "facts", "it joins the one that stands", 403),
    Kind("killed", lambda on: on.killed(), "facts", "a repeat would be answered first", 403),
)  # fmt: skip


async def test_each_kind(on: Road, sandbox: StripeSandbox) -> None:
    """Every kind of call waits for as few commands as its row says, and for none after its upstream's answer."""
    _, token = await open_task(on, "plain")
    await on.rooms.envelopes.hear()
    scene = Scene(on, sandbox, token, charged(sandbox))
    assert (await scene.read("spent")).status == 200
    await on.program.executing._due()
    link = await counting(on)
    told: dict[str, tuple[int, str]] = {}
    for kind in KINDS:
        status = (await kind.ask(scene)).status
        waited, _ = await link.counted()
        # To order a stop is no part of the call that it stops.
        told[kind.name] = (status, " ".join(verb for verb in waited if not verb.startswith("stop")))
    assert told == {kind.name: (kind.status, kind.waited) for kind in KINDS}
    assert max(len(verbs.split()) for _, verbs in told.values()) == 2


async def test_first_of_a_task(on: Road) -> None:
    """A task that was opened elsewhere is asked about once, unless it was heard of behind the road."""
    link = await counting(on)
    for heard, expected in ((False, ["MGET", "reserve", "dispatch"]), (True, ["reserve", "dispatch"])):
        _, token = await open_task(on, "plain")
        if heard:
            await on.rooms.envelopes.hear()
        await link.counted()
        assert (await under(on, token, "POST", form={"name": f"t{heard}"})).status == 200
        assert (await link.counted())[0] == expected


async def test_hangs_after_the_answer(on: Road, sandbox: StripeSandbox) -> None:
    """A Redis that hangs from the moment of the upstream's answer keeps nobody waiting, and is told what it missed."""
    link = await counting(on)
    sandbox.faults.add(Fault(held=True, method="POST"))
    asking = asyncio.create_task(on.ask("POST", CUSTOMERS, agent="capped", form={"name": "a"}, headers=key("k")))
    await soon(sandbox.faults.holding.is_set)
    link.answers.clear()
    sandbox.faults.release()
    first = await asking
    assert (first.status, link.waited, link.behind) == (200, ["reserve", "dispatch"], ["move"])
    again = asyncio.create_task(on.ask("POST", CUSTOMERS, agent="capped", form={"name": "a"}, headers=key("k")))
    await soon(lambda: len(on.rooms.store._ending) == 1 and not again.done())  # type: ignore[attr-defined] # a fleet's
    link.answers.set()
    is_replay(await again, first)
    assert await link.counted() == (["reserve", "dispatch", "facts"], ["move"])
    assert posts(sandbox) == 1


async def test_read_hangs_after_the_answer(on: Road) -> None:
    """What a read took of a cap is told behind its answer."""
    link = await counting(on)
    tell = link.run

    async def hanging(verb: str, *told: Any, **more: Any) -> Any:
        if verb == "bill":
            link.answers.clear()
        return await tell(verb, *told, **more)

    link.run = hanging  # type: ignore[method-assign] # from the end of the read on
    assert (await on.ask("GET", CUSTOMERS, agent="counted")).status == 200
    await soon(lambda: "bill" in link.behind)
    assert link.waited == ["hold"]
    link.answers.set()
    assert (await link.counted())[0] == ["hold"]
    (total,) = [one for one in await on.rooms.store.totals() if one.measure == "calls"]
    assert (total.settled, total.held) == (1, 0)


async def test_deadline(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A decision waits for all that it asks a quarter of a second in all; then nothing was sent, and it says so."""
    settings: dict[str, Any] = {"agents": CARDS, "store": fresh_redis.url, "decision_s": 0.05}
    async with road(tmp_path, sandbox.url, **settings) as on:
        link = await counting(on)
        for verb in ("reserve", "dispatch"):
            run = link.run

            async def hanging(asked: str, *told: Any, **more: Any) -> Any:
                if asked == verb:  # noqa: B023 it is over before the next one
                    link.answers.clear()
                return await run(asked, *told, **more)  # noqa: B023 as above

            link.run = hanging  # type: ignore[method-assign,assignment] # from there on
            no = await on.ask("POST", CUSTOMERS, agent="plain", form={"name": verb})
            link.run = run  # type: ignore[method-assign] # as it was
            link.answers.set()
            assert (no.status, no.header("Breakwater-Dispatched")) == (503, "no"), verb
            await link.counted()
        assert posts(sandbox) == 0


async def test_granted_in_time(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """The time of a decision is over once its mark was granted: what is asked before a re-send has time of its own."""
    settings: dict[str, Any] = {"agents": CARDS, "store": fresh_redis.url}
    async with road(tmp_path, sandbox.url, **settings) as on:
        link = await counting(on)
        sandbox.faults.add(Fault(HangUp(), times=1))
        run, marks = link.run, 0

        async def marking(verb: str, *told: Any, **more: Any) -> Any:
            nonlocal marks
            marks += verb == "dispatch"
            if verb == "dispatch" and marks == 2:
                # Nobody asks it any more.
                asking.enter_context(mock.patch.object(Patience, "ask", None))
            return await run(verb, *told, **more)

        with contextlib.ExitStack() as asking:
            link.run = marking  # type: ignore[method-assign] # until it was answered
            done = await on.ask("POST", CUSTOMERS, agent="plain", form={"name": "a"}, headers=key("k"))
        assert done.status == 200
        assert (await link.counted())[0] == ["reserve", "dispatch", "dispatch"]


async def test_stops_before_the_flush(fresh_redis: RedisServer, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """What a process could not tell before it was gone, the next one tells from the record: nothing is made twice."""
    settings: dict[str, Any] = {"agents": CARDS, "store": fresh_redis.url}
    async with road(tmp_path, sandbox.url, **settings) as on:

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        with mock.patch.object(on.rooms.store, "settle", never):
            first = await on.ask("POST", CUSTOMERS, agent="capped", form={"name": "a"}, headers=key("k"))
            assert (first.status, len(on.rooms.settling)) == (200, 1)
            with mock.patch("proxy.server.GRACE_S", 0.0):
                await on.program.shutdown()
    async with road(tmp_path, sandbox.url, **settings) as on:
        is_replay(await on.ask("POST", CUSTOMERS, agent="capped", form={"name": "a"}, headers=key("k")), first)
        taken = {(one.measure, one.settled, one.held) for one in await on.rooms.store.totals()}
        assert ("calls", 1, 0) in taken
    assert posts(sandbox) == 1
