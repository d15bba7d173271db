"""A decision that cannot be recorded is a refusal; an outcome that cannot be recorded is not told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakers.store.protocol import Stale
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import OutcomeUnrecorded
from proxy.ledger.disk import RealDisk, Room
from tests.breakers.stopping import halted
from tests.proxy.again import key
from tests.proxy.road import LEDGER, SECRET, call_of, closed_port, first_sentence, marks, road, soon
from tests.proxy.rows import CREATE, DOUBT, NOTHING


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream that must not hear of what cannot be recorded.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


class Full(RealDisk):
    """A disk that can be full or failing."""

    full = False
    failing = False

    def room(self, path: Any) -> Room:
        room = super().room(path)
        return replace(room, free=0) if self.full else room

    def sync(self, handle: Any) -> None:
        if self.failing:
            raise OSError(5, "input/output error")
        super().sync(handle)


TIGHT = {**LEDGER, "disk": {"min_free_bytes": 1, "min_free_pct": 0, "reserve_bytes": 0}}


async def test_full_disk(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """While nothing can be recorded, every call is 503 with a time to try again, and nothing is sent."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk, ledger=TIGHT) as on:
        disk.full = True
        on.clock.move(2)
        on.rooms.ledger._writer.look_at_space()
        for method, target in (("GET", "/v1/customers"), ("POST", "/v1/customers"), ("POST", "/v1/payouts")):
            answer = await on.ask(method, target)
            assert (answer.status, answer.reason) == (503, "ledger-unavailable")
            assert first_sentence(answer.json["error"]["message"]) == NOTHING
            assert answer.header("Retry-After") in {"1", "2", "3", "4", "5"}
        assert sandbox.wiretap.requests == []
        disk.full = False


async def test_no_intent(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A write whose intent cannot be made durable is never sent."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk) as on:
        disk.failing = True
        answer = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(answer) == (503, "denied", "no", "ledger:ledger-unavailable")
        assert sandbox.wiretap.requests == []
        assert on.rooms.ledger.state == "poisoned"


async def test_no_outcome(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A write whose outcome cannot be made durable is unknown to its caller, whatever the upstream said."""
    disk = Full()
    async with road(tmp_path, sandbox.url, disk=disk) as on:
        sandbox.faults.add(Fault(held=True))
        task = asyncio.ensure_future(on.ask("POST", "/v1/customers", form=CREATE))
        await soon(sandbox.faults.holding.is_set)
        disk.failing = True
        sandbox.faults.release()
        answer = await task
        assert marks(answer) == (424, "unknown", "unknown", "ledger:outcome-unknown")
        assert answer.header("Breakwater-Intent") == answer.header("Breakwater-Call")
        assert first_sentence(answer.json["error"]["message"]) == DOUBT
        assert sandbox.account.effects == {"customer.created": 1}
        assert [intent.suspended for intent in await on.rooms.store.open_intents()] == [True]


async def test_no_outcome_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent whose end is not on record keeps its key even where nothing was sent: the next start would send it."""

    async def unrecorded(*_: object) -> None:
        raise OutcomeUnrecorded("the disk is full")

    async with road(tmp_path, f"http://127.0.0.1:{closed_port()}") as on:
        with monkeypatch.context() as patch:
            patch.setattr(on.rooms.ledger, "conclude", unrecorded)
            answer = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert marks(answer) == (424, "unknown", "unknown", "ledger:outcome-unknown")
        again = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert marks(again) == (424, "unknown", "unknown", "repeats:outcome-unknown")
        assert [one["intent"] for one in on.program.doubts.said()] == [call_of(answer)]


async def test_unforeseen_once_it_ended(
    tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks once a write is settled leaves it as it ended: nobody looks for it, and its repeat has its answer."""
    async with road(tmp_path, sandbox.url) as on:
        on.foreseen = False
        with monkeypatch.context() as patch:
            patch.setattr("proxy.pipeline.follow", None)
            answer = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert marks(answer) == (424, "unknown", "unknown", "forward:outcome-unknown")
        assert on.program.doubts.said() == []
        again = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert (again.status, again.header("Breakwater-Intent")) == (200, call_of(answer))
    assert sandbox.account.effects == {"customer.created": 1}


async def test_unforeseen(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is 500 outside and a class and a place in the log, and what is not known is not claimed."""
    async with road(tmp_path, sandbox.url) as on:
        on.foreseen = False
        for room, verb, dispatched in (("store", "facts", "no"), ("forward", "read", "unknown")):
            with monkeypatch.context() as patch:
                patch.setattr(getattr(on.rooms, room), verb, None)
                answer = await on.ask("GET", "/v1/customers")
            assert (answer.status, answer.reason) == (500, "internal")
            assert answer.header("Breakwater-Dispatched") == dispatched
            assert on.log.of("failure")[-1]["call"] == answer.header("Breakwater-Call")
            assert "NoneType" not in answer.body.decode()


async def test_unforeseen_write(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that meets something unforeseen once it may have left is unknown, logged once, and kept in doubt."""
    async with road(tmp_path, sandbox.url) as on:
        on.foreseen = False
        with monkeypatch.context() as patch:
            patch.setattr(on.rooms.forward, "_conclude", None)
            answer = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(answer) == (424, "unknown", "unknown", "forward:outcome-unknown")
        assert await on.kinds(answer.header("Breakwater-Call") or "") == ["call.intent"]
        assert [intent.suspended for intent in await on.rooms.store.open_intents()] == [True]
        assert [line["call"] for line in on.log.of("failure")] == [answer.header("Breakwater-Call")]


async def test_unforeseen_before_its_intent(
    tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks before a write is on record is said to have sent nothing, and its key is free at once."""
    async with road(tmp_path, sandbox.url) as on:
        on.foreseen = False
        with monkeypatch.context() as patch:
            patch.setattr(on.rooms, "wires", None)
            answer = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert (answer.status, answer.reason, answer.header("Breakwater-Dispatched")) == (500, "internal", "no")
        assert on.program.doubts.said() == []
        again = await on.ask("POST", "/v1/customers", form=CREATE, headers=key("k"))
        assert marks(again) == (200, "executed", "yes", "forward:allowed")
    assert sandbox.account.effects == {"customer.created": 1}


async def test_unsettled(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that keeps moving while a call is judged is 503 after four tries, recorded, with nothing sent."""
    tries = 0

    async def stale(_: object) -> Stale:
        nonlocal tries
        tries += 1
        return Stale()

    async with road(tmp_path, sandbox.url) as on:
        monkeypatch.setattr(on.rooms.store, "reserve", stale)
        answer = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(answer) == (503, "denied", "no", "reserve:unsettled-state")
        assert answer.header("Retry-After") == "1"
        assert tries == 4
        assert await on.kinds(answer.header("Breakwater-Call") or "") == ["call.decision"]
    assert sandbox.wiretap.requests == []


async def test_stopped_at_the_gate(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that are stopped after the intent and before the first byte are never sent, and their record says so."""
    async with road(tmp_path, sandbox.url) as on:
        intend = on.rooms.ledger.intend

        async def stopped_meanwhile(*arguments: Any) -> Any:
            made = await intend(*arguments)
            await on.rooms.store.apply(halted(2))
            return made

        monkeypatch.setattr(on.rooms.ledger, "intend", stopped_meanwhile)
        answer = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(answer) == (403, "denied", "no", "kill:killed")
        records = await on.on_record(answer.header("Breakwater-Call") or "")
        assert [record.kind for record in records] == ["call.intent", "call.outcome"]
        assert (records[-1].entry["eff"], records[-1].entry["sent"]) == ("not_applied", "no")
        assert await on.rooms.store.open_intents() == ()
    assert sandbox.wiretap.requests == []
