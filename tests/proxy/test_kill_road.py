"""The stop on the road: what agents are told, what reaches the upstream, and what becomes of what was under way."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from breakers.stops import ALL, Mode
from breakers.store.protocol import Permit
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.writer import State
from tests.doubt.world import stripe as doubting
from tests.proxy.again import is_replay, key
from tests.proxy.road import SECRET, Road, call_of, charged, marks, road, soon
from tests.proxy.rows import CREATE
from tests.wire.client import Answer

CUSTOMERS = "/v1/customers"
KILLED = (403, "denied", "no", "kill:killed")


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture
async def on(sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give the road.
    """
    async with road(tmp_path, sandbox.url) as running:
        yield running


async def kill(on: Road, **order: object) -> dict[str, Any]:
    """
    Stop something, as an operator does.
    """
    answer = await on.admin("POST", "/v1/kill", order)
    assert answer.status == 200, answer.body
    said: dict[str, Any] = answer.json
    return said


async def resume(on: Road, scope: str = ALL, **order: object) -> Answer:
    """
    Lift what is stopped, all at once.
    """
    shown = (await on.admin("GET", f"/v1/kill?scope={scope}")).json
    wanted = {"scope": scope, "epoch": shown["record"]["epoch"], "reason": "OPS-7", "full": True, **order}
    return await on.admin("POST", "/v1/resume", wanted)


async def create(on: Road, agent: str = "support", named: str | None = None, **more: Any) -> Answer:
    """
    Ask for a customer.
    """
    headers = () if named is None else key(named)
    return await on.ask("POST", CUSTOMERS, form={**CREATE, **more}, agent=agent, headers=headers)


async def test_modes(on: Road, sandbox: StripeSandbox) -> None:
    """Each mode stops what it should, what was answered is answered again but under `stop-all`, and all comes back."""
    first = await create(on, named="k")
    read = f"/v1/charges/{charged(sandbox)}"
    for mode in ("stop-writes", "stop-all"):
        await kill(on, mode=mode, reason="OPS-7")
        no = await create(on, email="a@example.com")
        assert marks(no) == KILLED
        said = no.json["error"]["breakwater"]
        assert (said["scope"], said["mode"], said["because"]) == ("all", mode, "OPS-7")
        assert int(said["epoch"]) == on.rooms.killswitch.here.epoch
        again = await create(on, named="k")
        if mode == "stop-all":
            assert marks(again) == marks(await on.ask("GET", read)) == KILLED
        else:
            is_replay(again, first)
            assert (await on.ask("GET", read)).status == 200
    assert sandbox.account.effects["customer.created"] == 1
    assert (await resume(on)).status == 200
    assert (await create(on, email="a@example.com")).status == 200
    assert (await on.ask("GET", read)).status == 200


async def test_suggest(on: Road, sandbox: StripeSandbox) -> None:
    """Under `suggest` a write is parked and a read passes."""
    await kill(on, mode="suggest")
    parked = await create(on)
    assert marks(parked)[:3] == (403, "suggested", "no")
    assert parked.reason == "suggest-only"
    assert (await on.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
    assert sandbox.account.effects["customer.created"] == 0


async def test_one_agent(on: Road, sandbox: StripeSandbox) -> None:
    """One agent that is stopped leaves the other alone, and letting everything run does not lift it."""
    await kill(on, scope="agent:support")
    assert marks(await create(on)) == KILLED
    assert (await create(on, agent="platform", email="b@example.com")).status == 200
    await kill(on)
    assert (await resume(on)).status == 200
    assert marks(await create(on)) == KILLED
    assert (await resume(on, "agent:support")).status == 200
    assert (await create(on)).status == 200


@pytest.mark.parametrize("moment", ["after the permit", "after the mark", "before the mark"])
async def test_last_moment(moment: str, on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that comes between the intent and the first byte holds the write back, and its record says so."""
    switch, dispatch, intend = on.rooms.killswitch, on.rooms.store.dispatch, on.rooms.ledger.intend

    async def meanwhile(*arguments: Any) -> Permit:
        said = await dispatch(*arguments)
        await switch.order(ALL, Mode.STOP_WRITES, "ana")
        return said

    async def before(*arguments: Any) -> Any:
        made = await intend(*arguments)
        await switch.order(ALL, Mode.STOP_WRITES, "ana")
        return made

    with monkeypatch.context() as patch:
        if moment == "before the mark":
            patch.setattr(on.rooms.ledger, "intend", before)
        elif moment == "after the mark":
            patch.setattr(on.rooms.store, "dispatch", meanwhile)
        else:
            # The permit has been given, and the body waits for its turn in a task of its own.
            patch.setattr(switch.flights, "dispatched", lambda _: switch.signalled())
        no = await create(on)
    assert marks(no) == KILLED
    records = [record.entry for record in await on.on_record(call_of(no))]
    assert [entry["k"] for entry in records] == ["call.intent", "call.outcome"]
    assert (records[-1]["eff"], records[-1]["sent"]) == ("not_applied", "no")
    assert sandbox.wiretap.requests == []
    assert (await kill(on))["confirmed"]


async def test_retry_wakes(on: Road, sandbox: StripeSandbox) -> None:
    """A write that waits to be sent again is not sent again once it is stopped, and nobody knows how it ended."""

    async def stopped_meanwhile(_: float) -> None:
        said = await kill(on)
        # Between two attempts nothing of it is under way.
        assert (said["confirmed"], said["process"]["in_flight"]) == (True, [])

    on.rooms.forward._retries.sleep = stopped_meanwhile
    sandbox.faults.add(Fault(HangUp(), method="POST", times=None))
    lost = await create(on, named="k")
    assert marks(lost)[:3] == (424, "unknown", "unknown")
    assert sandbox.wiretap.count("POST", CUSTOMERS) == 1


async def test_proof(on: Road, sandbox: StripeSandbox) -> None:
    """Nobody is told that it stopped while a write is under way; which one, and since when, is said until it ends."""
    sandbox.faults.add(Fault(held=True))
    asking = asyncio.create_task(create(on))
    await soon(sandbox.faults.holding.is_set)
    said = await kill(on, reason="OPS-7")
    (flying,) = said["process"]["in_flight"]
    assert (said["recorded"], said["confirmed"]) == (True, False)
    assert (flying["api"], flying["operation"], flying["agent"]) == ("stripe", "customers.create", "support")
    assert said["process"]["last_dispatch"] is not None
    for scope, confirmed in (("agent:platform", True), ("agent:support", False), ("op:customers.create", False)):
        assert (await on.admin("GET", f"/v1/kill?scope={scope}")).json["confirmed"] is confirmed
    sandbox.faults.release()
    answer = await asking
    assert answer.status == 200
    assert flying["intent"] == call_of(answer)
    assert (await on.admin("GET", "/v1/kill")).json["confirmed"]
    status = (await on.admin("GET", "/v1/status")).json["kill"]
    assert (status["mode"], status["confirmed"], status["process"]["epoch"]) == ("stop-writes", True, said["epoch"])
    (scope,) = status["scopes"]
    assert (scope["scope"], scope["by"], scope["reason"]) == ("all", "admin", "OPS-7")


@pytest.mark.parametrize("named", ["k", None])
async def test_abort(named: str | None, on: Road, sandbox: StripeSandbox) -> None:
    """What is aborted is cut at once: nobody knows how it ended, nothing of it is sent again, and it is looked for."""
    sandbox.faults.add(Fault(held=True))
    asking = asyncio.create_task(create(on, named=named))
    await soon(sandbox.faults.holding.is_set)
    await kill(on, abort=True)
    lost = await asking
    assert marks(lost)[:3] == (424, "unknown", "unknown")
    assert (await on.admin("GET", "/v1/kill")).json["confirmed"]
    entry = (await on.on_record(call_of(lost)))[-1].entry
    assert (entry["k"], entry["eff"], entry["sent"], entry["err"]) == (
        *("call.outcome", "unknown", "yes"),
        {"class": "stopped"},
    )
    sandbox.faults.release()
    assert sandbox.wiretap.count("POST", CUSTOMERS) == 1
    doubted = (await on.admin("GET", "/v1/doubt")).json
    assert [doubt["intent"] for doubt in doubted] == [call_of(lost)]


async def test_abort_spares_others(on: Road, sandbox: StripeSandbox) -> None:
    """What is not in the scope is not cut."""
    sandbox.faults.add(Fault(held=True))
    asking = asyncio.create_task(create(on, agent="platform"))
    await soon(sandbox.faults.holding.is_set)
    await kill(on, scope="agent:support", abort=True)
    sandbox.faults.release()
    assert (await asking).status == 200


async def test_full_disk(on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full disk the next write is refused for that and not parked, and a stop works and is on record."""
    writer = on.rooms.ledger._writer
    # The writer's own thread would find room enough and say so.
    monkeypatch.setattr(writer, "look_at_space", lambda: None)
    writer.state = State.READONLY
    no = await create(on)
    assert (no.status, no.reason) == (503, "ledger-unavailable")
    said = await kill(on)
    assert (said["recorded"], said["confirmed"], said["why"]) == (True, True, None)
    assert (await create(on)).status == 503
    writer.state = State.READY
    assert marks(await create(on)) == KILLED
    assert await on.rooms.store.suggestions() == ()
    assert sandbox.wiretap.requests == []


async def test_no_ledger_at_all(on: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ledger that takes nothing a stop is in force, says that it is on no record, and nothing lifts it."""
    writer = on.rooms.ledger._writer
    monkeypatch.setattr(writer, "look_at_space", lambda: None)
    writer.state = State.POISONED
    said = await kill(on)
    assert (said["recorded"], said["shared"]) == (False, True)
    assert "not on record" in said["why"]
    assert (await resume(on)).status == 503
    assert on.rooms.killswitch.here.mode(ALL) is Mode.STOP_WRITES
    writer.state = State.READY


async def test_after_a_restart(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """The next process is as stopped as the one before it, and knows by whom and why; what was resumed runs."""
    async with road(tmp_path, sandbox.url) as on:
        await kill(on, scope="agent:support", mode="stop-all", reason="it ran wild, OPS-7")
        await kill(on, scope="agent:platform")
        assert (await resume(on, "agent:platform")).status == 200
    async with road(tmp_path, sandbox.url) as on:
        assert marks(await create(on)) == KILLED
        assert (await create(on, agent="platform")).status == 200
        (scope,) = (await on.admin("GET", "/v1/status")).json["kill"]["scopes"]
        assert (scope["scope"], scope["mode"], scope["by"]) == ("agent:support", "stop-all", "admin")
        assert scope["reason"] == "it ran wild, OPS-7"
        assert (await resume(on, "agent:support")).status == 200
        assert (await create(on, email="c@example.com")).status == 200


async def test_file_and_signal(on: Road, sandbox: StripeSandbox) -> None:
    """The file and the signal stop writes without anyone at the door, and are on record under their names."""
    (on.state / "KILL").write_text("suggest\n")
    on.clock.move(0.02)
    assert (await create(on)).reason == "suggest-only"
    assert (await resume(on)).status == 409
    (on.state / "KILL").unlink()
    assert (await resume(on)).status == 409
    on.clock.move(0.02)
    assert (await resume(on)).status == 200
    os.kill(os.getpid(), signal.SIGUSR1)
    await soon(lambda: on.rooms.killswitch.here.mode(ALL) is Mode.STOP_WRITES)
    assert marks(await create(on, email="d@example.com")) == KILLED
    stops = [record.entry for record in await on.newest(60) if record.kind == "kill.changed"]
    assert [(stop["mode"], stop.get("by")) for stop in stops[1:]] == [
        ("suggest", "file:KILL"),
        ("run", "admin"),
        ("stop-writes", "signal"),
    ]
    assert sandbox.account.effects["customer.created"] == 0


async def test_through_the_ramp(on: Road, sandbox: StripeSandbox) -> None:
    """What is resumed comes back slowly: one write, and the next one after ten seconds."""
    await kill(on)
    assert (await resume(on, full=False)).status == 200
    assert (await create(on, email="1@example.com")).status == 200
    assert marks(await create(on, email="2@example.com"))[:2] == (403, "suggested")
    on.clock.move(10.1)
    assert (await create(on, email="3@example.com")).status == 200
    assert (await on.ask("GET", f"/v1/charges/{charged(sandbox)}")).status == 200
    # Whoever resumes it wide open does not wait for the ramp.
    await kill(on)
    assert (await resume(on)).status == 200
    assert (await create(on, email="4@example.com")).status == 200
    assert (await create(on, email="5@example.com")).status == 200


@pytest.mark.parametrize("reconciles", [False, True])
async def test_doubts_under_stop_all(reconciles: bool, tmp_path: Path) -> None:
    """Under `stop-all` what is in doubt is not asked about, unless the stop says so, and never sent again."""
    async with doubting(tmp_path) as world:
        form = {"charge": charged(world.sandbox), "amount": 1200}
        intent = await world.lose("POST", "/v1/refunds", form, named="k")
        await kill(world.on, mode="stop-all", allow_reconcile=reconciles)
        asked, sent = world.asked("GET"), world.asked("POST")
        await world.looks(30)
        assert (world.asked("GET") > asked) is reconciles
        assert world.asked("POST") == sent
        assert world.state(intent) == (None if reconciles else "unknown")
        assert (await resume(world.on)).status == 200
        await world.looks(3600)
        assert world.state(intent) is None


async def test_agents_key_lifts_nothing(on: Road) -> None:
    """No key of an agent opens what lifts a stop, at the admin door or at its own."""
    await kill(on)
    for path in ("/v1/resume", "/v1/break-glass", "/v1/kill", "/v1/kill/drill"):
        assert (await on.admin("POST", path, {"scope": "all"}, token=on.keys["support"])).status == 401
        assert (await on.ask("POST", path, form={"scope": "all"})).reason in {"operation-unknown", "killed"}
    assert on.rooms.killswitch.here.mode(ALL) is Mode.STOP_WRITES


async def test_told_to_people(on: Road) -> None:
    """A stop and its end are announced under their ids, and measured."""
    await kill(on, reason="OPS-7")
    assert (await resume(on)).status == 200
    told = [(line["id"], line["mode"], line["by"]) for line in on.log.of("stop")]
    assert told == [("stop:all:2", "stop-writes", "admin"), ("stop:all:3", "run", "admin")]
    metrics = (await on.admin("GET", "/metrics", token="")).body.decode()
    assert "breakwater_kill_epoch 3.0" in metrics
    assert "breakwater_kill_propagation_seconds_count 2.0" in metrics
    assert 'breakwater_kill_scopes{mode="stop-writes"} 0.0' in metrics
