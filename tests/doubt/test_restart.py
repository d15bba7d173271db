"""Doubts across a stop: whatever an earlier process left is looked for by the next one, through the same code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from breakers.store.protocol import LEASE_S
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import OutcomeUnrecorded
from proxy.ledger.book import Ledger
from proxy.settling import Settling
from tests.doubt.world import GITHUB, Wall, World, world
from tests.proxy.road import SECRET, call_of, marks, soon

ISSUES = f"{GITHUB}/issues"
ISSUE: dict[str, object] = {"title": "Broken", "body": "It is."}
CUSTOMERS = "/v1/customers"
CUSTOMER: dict[str, object] = {"name": "Ada"}
REPLAYED = (201, "replayed", "yes", "repeats:replayed")


@asynccontextmanager
async def hub() -> AsyncIterator[tuple[GithubSandbox, Wall]]:
    """
    Give a sandbox that outlives the roads to it.
    """
    wall = Wall()
    async with GithubSandbox(secret=SECRET, clock=wall) as sandbox:
        yield sandbox, wall


async def unrecorded(*_: object) -> NoReturn:
    """Fail to put an outcome on record, as a process does that dies before."""
    raise OutcomeUnrecorded("the process is gone")


async def forgotten(*_: object) -> None:
    """Tell the store nothing, as a process does that dies before."""


async def replayed(one: World, intent: str) -> None:
    """
    Fail unless a repeat is given the answer of this intent, made once.
    """
    again = await one.write("POST", ISSUES, ISSUE)
    assert marks(again) == REPLAYED
    assert (again.header("Breakwater-Intent"), again.json["title"]) == (intent, "Broken")
    assert one.sandbox.effects["issue.created"] == 1


@pytest.mark.parametrize("recorded", [True, False], ids=["in doubt", "without an outcome"])
async def test_open_at_start(recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that an earlier process left open is looked for, found, and given to whoever repeats it."""
    async with hub() as (sandbox, wall):
        async with world(tmp_path, "github", sandbox, wall) as one:
            one.on.foreseen = recorded
            with monkeypatch.context() as patched:
                if not recorded:
                    patched.setattr(Ledger, "conclude", unrecorded)
                intent = await one.lose("POST", ISSUES, ISSUE)
        async with world(tmp_path, "github", sandbox, wall) as one:
            one.on.clock.move(900)
            assert one.state(intent) == "unknown"
            await one.meanwhile("POST", ISSUES, ISSUE, intent)
            await one.looks(2)
            await replayed(one, intent)
            kinds = await one.on.kinds(intent)
            assert kinds.count("recovery.opened") == kinds.count("recovery.resolved") == 1
            assert "change.recorded" in kinds


@pytest.mark.parametrize("named", ["k", None], ids=["a key", "no key"])
async def test_overtaken(named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose claim was taken over before it left is not sent by the next start beside the one that took it."""
    durable, woken = asyncio.Event(), asyncio.Event()
    intend = Ledger.intend

    async def stalled(*given: Any) -> Any:
        made = await intend(*given)
        if not durable.is_set():
            durable.set()
            await woken.wait()
        return made

    wall = Wall()
    async with StripeSandbox(secret=SECRET, clock=wall) as sandbox:
        async with world(tmp_path, "stripe", sandbox, wall) as one:
            with monkeypatch.context() as patched:
                patched.setattr(Ledger, "intend", stalled)
                late = asyncio.ensure_future(one.write("POST", CUSTOMERS, CUSTOMER, named=named))
                await durable.wait()
                one.on.clock.move(LEASE_S + 1)
                assert marks(await one.write("POST", CUSTOMERS, CUSTOMER, named=named))[:2] == (200, "executed")
                patched.setattr(Ledger, "conclude", unrecorded)
                woken.set()
                overtaken = call_of(await late)
        async with world(tmp_path, "stripe", sandbox, wall) as one:
            one.on.clock.move(900)
            assert one.state(overtaken) == "unknown"
            await one.looks(600)
            assert one.state(overtaken) == "parked"
            assert one.asked("POST") == 1
        assert sandbox.account.effects == {"customer.created": 1}


async def test_stop_before_the_store_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was resolved on record, and nowhere else, is resolved after the next start."""
    async with hub() as (sandbox, wall):
        async with world(tmp_path, "github", sandbox, wall) as one:
            intent = await one.lose("POST", ISSUES, ISSUE)
            with monkeypatch.context() as patched:
                patched.setattr(Settling, "resolve", forgotten)
                await one.looks(2)
        async with world(tmp_path, "github", sandbox, wall) as one:
            one.on.clock.move(900)
            assert one.doubts.said() == []
            await replayed(one, intent)
            assert (await one.on.kinds(intent)).count("recovery.resolved") == 1


async def test_stop_before_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a write that was found, and whose change nobody looked at any more, the next start says that."""
    async with hub() as (sandbox, wall):
        async with world(tmp_path, "github", sandbox, wall) as one:
            with monkeypatch.context() as patched:
                patched.setattr("proxy.doubt.settle.follow_late", lambda *_: None)
                intent = await one.lose("POST", ISSUES, ISSUE)
                await one.looks(2)
        async with world(tmp_path, "github", sandbox, wall) as one:
            changed = (await one.entry(intent, "change.recorded"))["entry"]
            assert changed["note"] == "interrupted"


async def test_parked_stays_parked(tmp_path: Path) -> None:
    """What waits for a person waits for one after a start as well, is not looked for by itself, and takes a word."""
    async with hub() as (sandbox, wall):
        async with world(tmp_path, "github", sandbox, wall) as one:
            made = await one.write("POST", ISSUES, ISSUE)
            comment = f"{ISSUES}/{made.json['number']}/comments"
            told = await one.write("POST", comment, {"body": "Seen."})
            one.on.clock.move(600)
            intent = await one.lose("DELETE", f"{ISSUES}/comments/{told.json['id']}", applied=False)
            await one.looks(300)
            assert one.state(intent) == "parked"
        async with world(tmp_path, "github", sandbox, wall) as one:
            one.on.clock.move(900)
            assert one.state(intent) == "parked"
            assert await one.looks(3600) == 0
            await one.doubts.resolve(intent, applied=False, reason="it is there")
            assert one.doubts.said() == []
            again = await one.write("DELETE", f"{ISSUES}/comments/{told.json['id']}")
            assert marks(again) == (204, "executed", "yes", "forward:allowed")


async def test_looks_by_itself(tmp_path: Path) -> None:
    """The process looks by itself, at the start and woken by a write that ends in doubt, and ends with it."""
    async with hub() as (sandbox, wall):
        async with world(tmp_path, "github", sandbox, wall) as one:
            intent = await one.lose("POST", ISSUES, ISSUE)
        async with world(tmp_path, "github", sandbox, wall, doubts=True) as one:
            one.on.clock.move(900)
            # Nobody waits for a clock that stands still.
            one.on.rooms.doubts.bell.set()
            await soon(lambda: one.state(intent) is None)
            later = await one.lose("POST", ISSUES, {"title": "Another"})
            assert one.state(later) == "unknown"
            one.on.clock.move(2)
            one.on.rooms.doubts.bell.set()
            await soon(lambda: one.state(later) is None)
            assert call_of(await one.write("POST", ISSUES, {"title": "Another"})) != later


async def test_record_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be read at the moment is no reason to give a doubt up: it is looked for later."""
    async with hub() as (sandbox, wall), world(tmp_path, "github", sandbox, wall) as one:
        one.on.foreseen = False
        intent = await one.lose("POST", ISSUES, ISSUE)
        with monkeypatch.context() as patch:
            patch.setattr("proxy.ledger.reread.record_at", out_of_files)
            await one.looks(2)
            assert one.state(intent) == "unknown"
        await one.looks(30)
        assert one.state(intent) is None
        await replayed(one, intent)


def out_of_files(*_: object) -> NoReturn:
    """Fail to open a file, as a process does that has too many."""
    raise OSError(24, "Too many open files")
