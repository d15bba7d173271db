"""Answers of Stripe that were lost: found under the key, by reading once that cannot tell, never sent too late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault, HangUp, Status
from tests.breakers.stopping import halted
from tests.doubt.world import EVERY_TIME, IN_DOUBT, World, stripe
from tests.proxy.road import call_of, charged, marks

REFUNDS, CUSTOMERS = "/v1/refunds", "/v1/customers"
REPLAYED = ("replayed", "yes", "repeats:replayed")
HOURS = 3600


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """
    Give the road to Stripe.
    """
    async with stripe(tmp_path) as one:
        yield one


def refund(world: World, amount: int = 1200) -> dict[str, object]:
    """
    Return the form of a refund of a new charge.
    """
    return {"charge": charged(world.sandbox), "amount": amount}


async def test_found_under_its_key(world: World) -> None:
    """A refund whose every answer was lost is found under its key, made once, and given to whoever repeats it."""
    form = refund(world)
    intent = await world.lose("POST", REFUNDS, form, named="k")
    assert (world.state(intent), world.sandbox.effects["refund.created"]) == ("unknown", 1)
    await world.meanwhile("POST", REFUNDS, form, intent)
    assert await world.looks(2) == 1
    assert world.state(intent) is None
    again = await world.write("POST", REFUNDS, form, named="k")
    assert marks(again) == (200, *REPLAYED)
    assert (again.json["object"], again.header("Breakwater-Intent")) == ("refund", intent)
    assert world.sandbox.effects["refund.created"] == 1


async def test_on_record(world: World) -> None:
    """All of it is on record: that nobody knew, how it was found out, the answer, and what the refund has changed."""
    intent = await world.lose("POST", REFUNDS, refund(world), named="k")
    await world.looks(2)
    kinds = await world.on.kinds(intent)
    assert [kind for kind in kinds if kind != "call.look"] == [
        "call.intent", "call.outcome", "recovery.opened", "recovery.probed", "recovery.resolved", "change.recorded",
    ]  # fmt: skip
    probed = (await world.entry(intent, "recovery.probed"))["entry"]
    assert (probed["way"], probed["found"], probed["n"]) == ("resend", "one", 1)
    resolved = await world.entry(intent, "recovery.resolved")
    said = {name: resolved["entry"][name] for name in ("eff", "state", "by", "why", "keeps", "st")}
    assert said == {
        "eff": "applied", "state": "completed", "by": "reconciler", "why": "resent", "keeps": True, "st": 200,
    }  # fmt: skip
    changed = (await world.entry(intent, "change.recorded"))["entry"]
    assert changed["resolved"]
    assert sorted(changed["acts"]) == ["create", "update"]
    counted = world.on.rooms.metrics.registry.get_sample_value
    assert counted("breakwater_doubts_resolved_total", {"api": "stripe", "how": "applied:resent"}) == 1
    assert [line["how"] for line in world.on.log.of("doubt-resolved")] == ["applied:resent"]


async def test_never_executed(world: World) -> None:
    """A refund that never arrived is made by the re-send under its key, once."""
    intent = await world.lose("POST", REFUNDS, refund(world), named="k", applied=False)
    assert world.sandbox.effects["refund.created"] == 0
    await world.looks(2)
    assert world.state(intent) is None
    assert world.sandbox.effects["refund.created"] == 1


async def test_refused_under_its_key(world: World) -> None:
    """A definite no to the re-send is the end of it, and is what a repeat is told."""
    form = {**refund(world), "reason": "because"}
    intent = await world.lose("POST", REFUNDS, form, named="k", applied=False)
    await world.looks(2)
    assert world.state(intent) is None
    again = await world.write("POST", REFUNDS, form, named="k")
    assert marks(again) == (400, *REPLAYED)
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["eff"] == "not_applied"


async def test_failure_that_stays(world: World) -> None:
    """Where Stripe gives a 500 again, the refund is found by reading, and the agent sees that instead."""
    form = refund(world)
    world.sandbox.faults.add(Fault(Status(500, stored=True), applied=True, method="POST", path=REFUNDS))
    told = await world.write("POST", REFUNDS, form, named="k")
    intent = call_of(told)
    assert marks(told)[:3] == IN_DOUBT
    await world.looks(2)
    assert world.state(intent) is None
    again = await world.write("POST", REFUNDS, form, named="k")
    assert marks(again) == (201, *REPLAYED)
    assert (again.json["object"], again.json["amount"]) == ("refund", 1200)
    assert world.sandbox.effects["refund.created"] == 1
    ways = [one.entry["way"] for one in await world.on.on_record(intent) if one.kind == "recovery.probed"]
    assert ways[:2] == ["resend", "list"]


async def test_failure_without_effect(world: World) -> None:
    """Where such a 500 left nothing behind, a refund is not called undone by a machine: a person decides."""
    form = refund(world)
    world.sandbox.faults.add(Fault(Status(500, stored=True), method="POST", path=REFUNDS))
    intent = call_of(await world.write("POST", REFUNDS, form, named="k"))
    await world.looks(300)
    assert world.state(intent) == "parked"
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["why"] == "absent"
    await world.meanwhile("POST", REFUNDS, form, intent)
    assert world.sandbox.effects["refund.created"] == 0


async def test_key_is_forgotten(world: World) -> None:
    """From an hour before Stripe forgets the key nothing is sent under it, and reading goes on."""
    form = refund(world)
    world.sandbox.faults.add(Fault(HangUp(), applied=True, method="POST", times=EVERY_TIME))
    intent = call_of(await world.write("POST", REFUNDS, form, named="k"))
    world.sandbox.faults.add(Fault(Status(503), times=EVERY_TIME))
    await world.looks(2)
    world.on.clock.move(23 * HOURS - 100)
    sent = world.asked("POST")
    await world.looks(10)
    assert world.asked("POST") > sent
    world.on.clock.move(100)
    sent = world.asked("POST")
    await world.looks(1800)
    world.sandbox.faults.clear()
    await world.looks(HOURS)
    assert world.asked("POST") == sent
    assert world.state(intent) is None
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["why"] == "found"


async def test_writes_stopped(world: World) -> None:
    """While writes are stopped nothing is sent again, and reading goes on."""
    form = refund(world)
    intent = await world.lose("POST", REFUNDS, form, named="k")
    await world.on.rooms.store.apply(halted(9))
    sent = world.asked("POST")
    await world.looks(2)
    assert world.asked("POST") == sent
    assert world.state(intent) is None
    assert (await world.entry(intent, "recovery.resolved"))["entry"]["why"] == "found"


@pytest.mark.parametrize("applied", [True, False], ids=["deleted", "not deleted"])
async def test_deleted(applied: bool, world: World) -> None:
    """A deletion, which no key covers, is found by the object: shown as deleted, or there after everything is quiet."""
    made = (await world.write("POST", CUSTOMERS, {"name": "a"})).json["id"]
    world.on.clock.move(120)
    intent = await world.lose("DELETE", f"{CUSTOMERS}/{made}", applied=applied)
    await world.looks(2)
    assert world.state(intent) == (None if applied else "unknown")
    await world.looks(300)
    assert world.state(intent) == (None if applied else "parked")
    assert world.asked("DELETE") == 1
    again = await world.write("DELETE", f"{CUSTOMERS}/{made}")
    if applied:
        assert marks(again) == (200, *REPLAYED)
        assert again.json == {"deleted": True}


async def test_updated(world: World) -> None:
    """An update is found under its key, like everything that Stripe is asked for by POST."""
    made = (await world.write("POST", CUSTOMERS, {"name": "a"})).json["id"]
    intent = await world.lose("POST", f"{CUSTOMERS}/{made}", {"name": "b"})
    await world.looks(2)
    again: Any = await world.write("POST", f"{CUSTOMERS}/{made}", {"name": "b"})
    assert (again.header("Breakwater-Intent"), again.json["name"]) == (intent, "b")
    assert marks(again) == (200, *REPLAYED)
