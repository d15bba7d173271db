"""Drift on the road: a past learned from the record, an alarm that parks writes until somebody has looked, restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main
from proxy.drifting import AT_ONCE_MAX, Drifting
from proxy.driftwatch import LEARNED_MAX, compare, learn, past_of
from proxy.ledger.disk import RealDisk
from proxy.ledger.drifted import Drifted
from proxy.ledger.index import index_in
from tests.ledger.world import START
from tests.proxy.pasts import AGENT, Past
from tests.proxy.road import SECRET, Road, marks, road, soon

DAYS, A_DAY = 6, 40

ALLOW: Mapping[str, object] = {"stripe": {"customers.*": {}, "refunds.create": {}}}


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as made:
        yield made


def begun(folder: Path, sandbox: StripeSandbox, act: str = "suggest", **more: Any) -> AbstractAsyncContextManager[Road]:
    """Give a road whose one agent has a past, if there is none yet, and is compared with it."""
    if not (folder / "state").exists():
        Past(folder / "state", seed=3, begins=START - timedelta(days=DAYS + 2)).write(DAYS, A_DAY)
    card = agent(ALLOW, loops=False, drift={"baseline": "4d", "once_in": "10d", "act": act})
    return road(folder, sandbox.url, agents={AGENT: card}, **more)


async def learned(on: Road) -> dict[str, Any]:
    """Return how the agent stands, once its past is learned."""
    await soon(lambda: all(one.learned for one in on.rooms.drifting._agents.values()) and on.rooms.drifting._agents)
    answer = await on.admin("GET", "/v1/drift")
    (one,) = answer.json
    return dict(one)


async def new_habit(on: Road, times: int = 12) -> list[tuple[int, str | None, str | None, str | None]]:
    """Do what the agent never did, and return how each was answered."""
    found = []
    for number in range(times):
        on.clock.move(70)
        answer = await on.ask("POST", "/v1/customers", agent=AGENT, form={"name": f"n{number}"})
        found.append(marks(answer))
        await compare(on.rooms)
    return found


async def test_alarm_and_reset(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What an agent never did is told within a few writes, and its writes are parked until somebody has looked."""
    async with begun(tmp_path, sandbox) as on:
        one = await learned(on)
        assert (one["agent"], one["state"], one["days"], one["of_days"]) == (AGENT, "watching", 4, 4)
        answers = await new_habit(on)
        assert answers[0][0] == 200
        assert answers[-1] == (403, "suggested", "no", "approval:suggest-only")
        one = await learned(on)
        assert one["state"] == "drifting"
        assert "stripe/customers.create" in one["why"]
        (told,) = on.log.of("drift")
        assert (told["agent"], told["id"], told["why"]) == (AGENT, one["alarm"], one["why"])
        metrics = (await on.admin("GET", "/metrics")).body.decode()
        assert f'breakwater_drifting{{agent="{AGENT}"}} 1.0' in metrics
        assert f'breakwater_drift_alarms_total{{agent="{AGENT}",what="' in metrics
        # Reads pass.
        assert (await on.ask("GET", "/v1/customers", agent=AGENT)).status == 200
        (record,) = [entry for entry in await on.newest(60) if entry.kind == "drift.alarmed"]
        assert record.entry["alarm"] == one["alarm"]
        nothing = await on.admin("POST", "/v1/drift/nobody/reset", {"reason": "x", "learn": False})
        assert nothing.status == 404
        reset = await on.admin("POST", f"/v1/drift/{AGENT}/reset", {"reason": "It was asked to.", "learn": False})
        assert reset.json == {"agent": AGENT, "alarm": one["alarm"], "learn": False}
        assert (await on.admin("POST", f"/v1/drift/{AGENT}/reset", {"reason": "x", "learn": False})).status == 409
        assert (await on.admin("POST", f"/v1/drift/{AGENT}/reset", {"learn": False})).status == 400
        (answer,) = await new_habit(on, 1)
        assert answer[0] == 200


async def test_alarm_only(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Where the card says so somebody is told, once, and everything passes."""
    async with begun(tmp_path, sandbox, act="alarm") as on:
        await learned(on)
        assert {answer[0] for answer in await new_habit(on, 20)} == {200}
        assert len(on.log.of("drift")) == 1


async def test_restart(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """An alarm that stood at a stop parks the first write of the next process, and is reset only by a person."""
    async with begun(tmp_path, sandbox) as on:
        await learned(on)
        await new_habit(on)
        alarm = (await learned(on))["alarm"]
    async with begun(tmp_path, sandbox) as on:
        on.clock.move(3600)
        (answer,) = await new_habit(on, 1)
        assert answer == (403, "suggested", "no", "approval:suggest-only")
        assert (await learned(on))["alarm"] == alarm
        word = {"reason": "It is to do that.", "learn": True}
        assert (await on.admin("POST", f"/v1/drift/{AGENT}/reset", word)).status == 200
        assert (await learned(on))["days"] == 0
    async with begun(tmp_path, sandbox) as on:
        on.clock.move(7200)
        one = await learned(on)
        assert (one["state"], one["alarm"], one["days"]) == ("learning", None, 0)


async def test_in_the_terminal(tmp_path: Path, sandbox: StripeSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what differs and says that it was looked at."""
    asked = ["--config", str(tmp_path / "breakwater.yaml"), "drift"]
    async with begun(tmp_path, sandbox) as on:
        await learned(on)
        await new_habit(on)
        assert await asyncio.to_thread(main, [*asked, "list"]) == 0
        header, row = capsys.readouterr().out.splitlines()
        assert header.split() == ["AGENT", "STATE", "DAYS", "ACT", "SINCE", "WHY"]
        assert row.startswith(f"{AGENT}  drifting  4 of 4  suggest  2026-11-21T12:")
        assert await asyncio.to_thread(main, [*asked, "reset", AGENT, "--reason", "OPS-7"]) == 0
        assert capsys.readouterr().out == f"{AGENT}: no alarm stands\n"
        assert await asyncio.to_thread(main, [*asked, "reset", AGENT, "--reason", "OPS-7"]) == 1
        assert "no alarm over this agent's calls stands" in capsys.readouterr().err
        assert await asyncio.to_thread(main, [*asked, "list", "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)
        assert (one["state"], one["why"]) == ("watching", None)
    assert await asyncio.to_thread(main, [*asked, "list"]) == 1


async def test_cards_change(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A card that says something else of this has its agent learned anew, and one that says nothing leaves it."""
    async with begun(tmp_path, sandbox) as on:
        assert (await learned(on))["days"] == 4
        for drift, expected in (({"baseline": "2d"}, [(2, 2)]), (False, []), ({"baseline": "5d"}, [(5, 5)])):
            written = json.loads((tmp_path / "breakwater.yaml").read_text())
            written["agents"][AGENT]["drift"] = drift
            (tmp_path / "breakwater.yaml").write_text(json.dumps(written))
            assert (await on.admin("POST", "/v1/reload")).status == 200
            await learn(on.rooms)
            found = (await on.admin("GET", "/v1/drift")).json
            assert [(one["days"], one["of_days"]) for one in found] == expected


def test_past(tmp_path: Path) -> None:
    """The record tells each call once: a suggestion when it was parked, and not when it was sent."""
    past = Past(tmp_path, seed=5)
    past.write(3, 60)
    index = index_in(RealDisk(), tmp_path)
    steps = list(past_of(index, AGENT, START, START + timedelta(days=9)))
    index.close()
    assert steps == sorted(steps, key=lambda step: step.at)  # type: ignore[union-attr] # calls only
    entries = [record for record in _entries(tmp_path) if record.get("act", {}).get("agent") == AGENT]
    reads = [one for one in entries if one["k"] == "call.outcome" and one["intent"] is None]
    sent = [one for one in entries if one["k"] == "call.intent" and "sug" not in one]
    parked = {one["call"] for one in entries if one["k"] == "approval.requested"}
    assert len(steps) == len(reads) + len(sent) + len(parked)
    assert len(steps) < LEARNED_MAX


def _entries(state: Path) -> list[dict[str, Any]]:
    from tests.crash.record import read_log

    return read_log(state).entries


def test_nothing_known() -> None:
    """Whose card is not there is not compared, and to learn or reset it does nothing."""
    drifting = Drifting()
    drifting.learn("nobody", ())
    drifting.reset("nobody", learn=True)
    assert (drifting.said(), drifting.compare(), drifting.waits) == ([], [], False)
    assert AT_ONCE_MAX > 0
    assert repr(Drifting({"a": Drifted("a", "1", datetime(2026, 11, 21, tzinfo=UTC), None)})).endswith("1 alarms)")  # type: ignore[arg-type] # nobody looks at it
