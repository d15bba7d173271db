"""Operators and writes in doubt: the list, a look now, a person's word, with a process running and without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.wiretap import Seen
from proxy.cli import main
from tests.doubt.world import EVERY_TIME, GITHUB, World, github
from tests.proxy.road import marks

ISSUES = f"{GITHUB}/issues"
ISSUE: dict[str, object] = {"title": "Broken", "body": "It is."}
NOBODY = "01K9ZTQ6Q7T6GZ7E0M3V4R8XWB"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """
    Give the road to GitHub.
    """
    async with github(tmp_path) as one:
        yield one


async def typed(world: World, *words: str) -> int:
    """
    Run a command beside the process, and return its exit code.
    """
    config = str(world.on.state.parent / "breakwater.yaml")
    return await asyncio.to_thread(main, ["--config", config, *words])


async def test_list(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The list says of each doubt what it is, how old, what was tried and when it is looked for next."""
    intent = await world.lose("POST", ISSUES, ISSUE, applied=False)
    await world.looks(20)
    assert await typed(world, "doubt", "list", "--json") == 0
    (doubt,) = json.loads(capsys.readouterr().out)
    assert (doubt["intent"], doubt["state"], doubt["api"]) == (intent, "unknown", "github")
    assert (doubt["operation"], doubt["agent"]) == ("issues/create", "worker")
    assert [(one["way"], one["found"], one["n"]) for one in doubt["tried"]] == [("list", "none", 0)] * 3
    assert doubt["at"] < doubt["tried"][0]["at"] < doubt["next"]
    assert await typed(world, "doubt", "list") == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[:4] == [intent, "unknown", "github", "issues/create"]
    assert "3, list: none" in row


async def test_list_without_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With no process running the list is read from the record."""
    async with github(tmp_path) as world:
        intent = await world.lose("POST", ISSUES, ISSUE, applied=False)
        await world.looks(3)
        made = (await world.write("POST", f"{ISSUES}/1/comments", {"body": "a"})).status
        assert made == 404
    assert main(["--config", str(tmp_path / "breakwater.yaml"), "doubt", "list", "--json"]) == 0
    (doubt,) = json.loads(capsys.readouterr().out)
    said = {name: doubt[name] for name in ("intent", "state", "operation", "agent", "next")}
    assert said == {
        "intent": intent, "state": "unknown", "operation": "issues/create", "agent": "worker", "next": None,
    }  # fmt: skip
    assert [one["way"] for one in doubt["tried"]] == ["list"]


async def test_probe(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A look now says what it found, and what is found ends the doubt."""
    intent = await world.lose("POST", ISSUES, ISSUE)
    assert await typed(world, "doubt", "probe", intent) == 0
    assert capsys.readouterr().out == f"list: one (1)\n{intent} is completed, applied:found\n"
    assert world.state(intent) is None
    assert marks(await world.write("POST", ISSUES, ISSUE))[:2] == (201, "replayed")


async def test_probe_finds_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A look that finds nothing leaves the doubt, and one that is parked stays with its person."""
    intent = await world.lose("POST", ISSUES, ISSUE, applied=False)
    assert await typed(world, "doubt", "probe", intent, "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "unknown"
    world.sandbox.faults.add(Fault(HangUp(), method="GET", times=EVERY_TIME))
    assert await typed(world, "doubt", "probe", intent) == 0
    assert capsys.readouterr().out.startswith("list: nothing learned (")


async def test_probe_of_a_parked_one(world: World) -> None:
    """What waits for a person is not looked for by itself, and is settled where a person's look finds it."""
    issue = (await world.write("POST", ISSUES, ISSUE)).json["number"]
    comment = (await world.write("POST", f"{ISSUES}/{issue}/comments", {"body": "Seen."})).json["id"]
    world.on.clock.move(600)
    intent = await world.lose("DELETE", f"{ISSUES}/comments/{comment}", applied=False)
    await world.looks(300)
    assert (await world.doubts.probe(intent))["state"] == "parked"
    world.sandbox.work(Seen("DELETE", f"{ISSUES}/comments/{comment}", (), b""))
    assert await world.looks(3600) == 0
    probed = await world.doubts.probe(intent)
    assert (probed["state"], probed["how"]) == ("completed", "applied:found")


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
async def test_resolve(applied: bool, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A person's word is on record with its reason, and is what a repeat is answered by."""
    intent = await world.lose("POST", ISSUES, ISSUE, applied=applied)
    sent = world.asked("POST")
    word = "--applied" if applied else "--not-applied"
    assert await typed(world, "doubt", "resolve", intent, word, "--reason", "see OPS-7") == 0
    assert capsys.readouterr().out == f"{intent} is on record as {'applied' if applied else 'not applied'}\n"
    resolved = await world.entry(intent, "recovery.resolved")
    said = {name: resolved["entry"].get(name) for name in ("eff", "state", "by", "why", "keeps")}
    assert said == {
        "eff": "applied" if applied else "not_applied", "state": "completed", "by": "operator", "why": "operator",
        "keeps": applied,
    }  # fmt: skip
    assert resolved["payloads"]["reason"]["text"] == "see OPS-7"
    again = await world.write("POST", ISSUES, ISSUE)
    if applied:
        assert marks(again) == (424, "executed", "yes", "repeats:answer-not-kept")
        assert again.header("Breakwater-Intent") == intent
    else:
        assert marks(again) == (201, "executed", "yes", "forward:allowed")
    assert world.asked("POST") == sent + (not applied)


async def test_resolve_twice(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What has ended takes no second word, whoever said the first."""
    intent = await world.lose("POST", ISSUES, ISSUE)
    await world.looks(2)
    assert await typed(world, "doubt", "resolve", intent, "--not-applied", "--reason", "no") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: the write {intent} is not in doubt: it has ended",
        f"hint: `breakwater ledger show {intent}` prints how it ended",
    ]


async def test_resolve_in_flight(world: World) -> None:
    """A write that is under way takes no word: its own end may still come."""
    world.sandbox.faults.add(Fault(held=True, method="POST"))
    body = json.dumps(ISSUE).encode()
    asking = asyncio.create_task(
        world.on.ask(
            "POST", ISSUES, agent="worker", door="github", headers=(("User-Agent", "a"),), body=body,
            media="application/json",
        )
    )  # fmt: skip
    await asyncio.to_thread(world.sandbox.faults.holding.wait)
    (opened,) = await world.on.rooms.store.open_intents()
    answer = await said(world, opened.opened.intent, {"applied": True, "reason": "x"})
    assert (answer.status, answer.json["error"]) == (
        409, f"the write {opened.opened.intent} is still under way",
    )  # fmt: skip
    world.sandbox.faults.release()
    assert (await asking).status == 201


async def test_resolve_malformed(world: World) -> None:
    """A word that is not one is refused with what to send, and nothing is on record."""
    intent = await world.lose("POST", ISSUES, ISSUE)
    bodies: tuple[object, ...] = (
        None,
        [],
        {"applied": 1, "reason": "x"},
        {"applied": True},
        {"applied": True, "reason": 1},
        {"applied": True, "reason": " "},
        {"applied": True, "reason": "x" * 2001},
        {"applied": True, "reason": "x", "more": 1},
    )
    for body in bodies:
        answer = await said(world, intent, body)
        assert (answer.status, bool(answer.json["hint"])) == (409, True), body
    assert world.state(intent) == "unknown"


async def test_admin_door(world: World) -> None:
    """The door of operators asks for its token, and knows no doubt that is none."""
    assert (await world.on.admin("GET", "/v1/doubt", token="")).status == 401
    assert (await world.on.admin("POST", f"/v1/doubt/{NOBODY}/probe")).status == 409
    assert (await world.on.admin("GET", "/v1/doubt")).json == []


async def said(world: World, intent: str, body: object) -> Any:
    """
    Say a word at the admin door.
    """
    return await world.on.admin("POST", f"/v1/doubt/{intent}/resolve", body)
