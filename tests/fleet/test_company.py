"""Keys, tokens and commands of two programs with one Redis: what one makes or takes back, both know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from breakers.store.events import IntentOpened
from breakers.store.protocol import StoreUnavailable
from loadtest.upstreams.faults import Fault
from proxy.cli import main as breakwater
from proxy.control.merged import UNHEARD
from tests.fleet.world import Two, ident, looked, two
from tests.proxy.road import Road, call_of, charged, soon
from tests.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ = "/v1/customers/cus_none"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    """
    Give two programs, in whose stores on a busy machine whoever lives may be slow.
    """
    redis_server.flush()
    async with two(tmp_path_factory.mktemp("company"), redis_server) as both:
        for on in both.roads:
            on.rooms.letters.looks_s = on.rooms.letters.reads_s = 10.0
        yield both


async def told(on: Road, key: str) -> int:
    """
    Return the status of a read under a key.
    """
    return (await on.ask("GET", READ, key=key, headers=[("Authorization", f"Bearer {key}")])).status


async def once_told(on: Road, key: str, status: int) -> None:
    """
    Wait until a read under a key is answered so; by itself that takes half a second and a look.
    """
    async with asyncio.timeout(10.0):
        while await told(on, key) != status:  # noqa: ASYNC110 nobody sets an event for it
            await asyncio.sleep(0.02)


async def test_key(both: Two) -> None:
    """A key that is minted at one opens the other's doors by itself, and none of them once it is revoked there."""
    made = (await both.one.admin("POST", "/v1/keys", {"agent": "support"})).json
    await once_told(both.other, made["key"], 404)
    # Whoever revokes it need not be who made it.
    assert (await both.other.admin("DELETE", f"/v1/keys/{made['kid']}")).status == 200
    assert await told(both.other, made["key"]) == 401
    await once_told(both.one, made["key"], 401)
    entries = [record.entry for record in await both.one.newest(1_000) if record.entry.get("kid") == made["kid"]]
    assert [(entry["k"], entry.get("by"), entry.get("from")) for entry in entries] == [
        ("key.minted", "admin", None),
        ("key.revoked", None, ident(both.other)),
    ]


async def test_operator(both: Two) -> None:
    """An operator's token works at both, is told of once, and is worth nothing at either once it is revoked."""
    made = (await both.one.admin("POST", "/v1/operators", {"operator": "ana"})).json
    await looked(both.other)
    assert (await both.other.admin("GET", "/v1/status?here=1", token=made["token"])).status == 200
    assert (await both.one.admin("DELETE", f"/v1/operators/{made['id']}")).status == 200
    await looked(both.other)
    assert (await both.other.admin("GET", "/v1/status?here=1", token=made["token"])).status == 401
    kinds = [record for record in await both.other.newest(1_000) if record.entry.get("kid") == made["id"]]
    assert [(record.kind, "notice" in record.entry) for record in kinds] == [
        ("operator.minted", False),
        ("operator.revoked", False),
    ]


async def test_unheard_for_long(both: Two) -> None:
    """Who hears nothing for too long lets no key read any more, and personal tokens look and stop; then all is well."""
    on, rita = both.other, await both.token("rita")
    board, look = on.rooms.board, on.rooms.board.look

    async def away() -> None:
        raise StoreUnavailable("it is away")

    board.look = away  # type: ignore[method-assign]
    try:
        assert await told(on, on.keys["support"]) == 404
        board._heard -= board.away_s + 0.001
        refused = await on.ask("GET", READ)
        assert (refused.status, refused.header("Breakwater-Decision")) == (503, "store:store-unavailable")
        said = [
            (await on.admin("GET", "/v1/status?here=1", token=rita)).status,
            (await on.admin("POST", "/v1/kill", {"mode": "suggest", "scope": "agent:careful"}, token=rita)).status,
            (await on.admin("POST", "/v1/keys", {"agent": "support"}, token=rita)).status,
            (await on.admin("POST", "/v1/keys", {"agent": "support"})).status,
        ]
        assert said == [200, 200, 503, 201]
    finally:
        board.look = look  # type: ignore[method-assign]
    await looked(on)
    assert await told(on, on.keys["support"]) == 404
    ordered = (await on.admin("GET", "/v1/kill?scope=agent:careful&here=1")).json["record"]
    lift = {"scope": "agent:careful", "epoch": ordered["epoch"], "reason": "over", "full": True}
    lifted = await on.admin("POST", "/v1/resume", lift)
    assert lifted.status == 200, lifted.raw
    await both.one.rooms.killswitch.poll()


async def test_starts_caught_up(both: Two) -> None:
    """A program that begins has looked at the board before anyone is let in."""
    assert both.other.rooms.keys.find(both.one.keys["support"]) is not None


async def commanded(on: Road, *words: str, token: str | None = None) -> int:
    """
    Run a command against a program, and return its exit code.
    """
    with pytest.MonkeyPatch.context() as patch:
        if token is not None:
            patch.setenv("BREAKWATER_OPERATOR_TOKEN", token)
        return await asyncio.to_thread(breakwater, ["--config", str(on.state.parent / "breakwater.yaml"), *words])


async def test_timeline_command(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """`task timeline` prints what both did under a task in one order, as lines and as data."""
    for number, on in enumerate(both.roads):
        assert (await on.ask("POST", "/v1/customers", form={"name": f"told {number}"})).status == 200
    await soon(lambda: all(len(on.rooms.pending) == 0 == on.rooms.ledger.pending for on in both.roads))
    assert await commanded(both.one, "task", "timeline", "support/2026-11-21") == 0
    text = capsys.readouterr()
    assert text.err == ""
    assert text.out.startswith("task support/2026-11-21: ")
    assert text.out.count("stripe customers.create\n") == 2
    assert await commanded(both.other, "--json", "task", "timeline", "support/2026-11-21") == 0
    assert f"{len(json.loads(capsys.readouterr().out))} calls" in text.out
    assert await commanded(both.one, "task", "timeline", "support/2026-11-22") == 1
    assert "hint: did you mean `support/2026-11-21`?" in capsys.readouterr().err


async def test_suggestion_commands(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """What one parked is listed, shown and approved by commands that ask the other."""
    form = {"charge": charged(both.sandbox), "amount": 500}
    said = await both.other.ask("POST", "/v1/refunds", form=form, agent="careful")
    id_, ana = said.header("Breakwater-Suggestion") or "", await both.token("ana")
    assert await commanded(both.one, "suggestions", "list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].endswith("PROCESS")
    assert next(line for line in listed if line.startswith(id_)).endswith(ident(both.other))
    assert await commanded(both.one, "--json", "suggestions", "show", id_) == 0
    digest = json.loads(capsys.readouterr().out)["digest"]
    assert await commanded(both.one, "suggestions", "approve", id_, "--digest", digest, token=ana) == 0
    assert f"{id_} is approved by ana, and executed" in capsys.readouterr().out


async def test_reviews_command(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits to be reviewed is listed with the process in whose record it is, whichever is asked."""
    made = []
    for number, on in enumerate(both.roads):
        call = call_of(await on.ask("POST", "/v1/customers", form={"name": f"reviewed {number}"}))
        at = on.rooms.clock.now()
        opened = IntentOpened(call, "stripe", "customers.create", "support", "support/2026-11-21", at)
        on.rooms.reviewing.records.asked(opened, 1)
        made.append((call, ident(on)))
    await soon(lambda: all(on.rooms.ledger.pending == 0 for on in both.roads))
    assert await commanded(both.one, "reviews", "list", "--agent", "support") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sorted((words[0], words[-1]) for words in lines) == [*sorted(made), ("CALL", "PROCESS")]
    assert await commanded(both.other, "--json", "reviews", "list") == 0
    assert sorted((one["call"], one["replica"]) for one in json.loads(capsys.readouterr().out)) == sorted(made)
    assert await commanded(both.one, "reviews", "list", "--agent", "careful") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


async def test_unheard_commands(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """A command names on standard error who was not heard, prints what it has, and exits as before."""
    letters, asking = both.other.rooms.letters, both.one.rooms.letters
    asking.looks_s = asking.reads_s = 0.05
    letters.came = lambda data: None  # type: ignore[method-assign]
    warned = f"warning: the process {ident(both.other)} was not heard (unanswered)\nhint: "
    try:
        for words in (
            ("doubt", "list"),
            ("suggestions", "list"),
            ("status",),
            ("task", "timeline", "support/2026-11-21"),
            ("reviews", "list", "--all"),
        ):
            assert await commanded(both.one, *words) == 0
            said = capsys.readouterr()
            assert said.err.startswith(warned), words
            assert said.out
        assert f"{ident(both.other)}  live, unanswered" in (await _status(both, capsys))
    finally:
        del letters.came
        asking.looks_s = asking.reads_s = 10.0
    assert (await both.one.admin("GET", "/v1/status")).header(UNHEARD) is None


async def _status(both: Two, capsys: pytest.CaptureFixture[str]) -> str:
    assert await commanded(both.one, "status") == 0
    return capsys.readouterr().out


async def test_kill_command(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """`kill --wait` waits for a write of the other one, prints a row of each, and says that nothing is under way."""
    both.sandbox.faults.add(Fault(held=True))
    asking = asyncio.create_task(both.other.ask("POST", "/v1/customers", form={"name": "held"}))
    await soon(both.sandbox.faults.holding.is_set)
    killing = asyncio.create_task(commanded(both.one, "kill", "--reason", "OPS-7", "--wait"))
    # It is known there, by itself, before the write may end.
    await soon(lambda: both.other.rooms.killswitch.here.epoch > 1)
    both.sandbox.faults.release()
    await asking
    assert await killing == 0
    out = capsys.readouterr().out.splitlines()
    assert " ".join(out[1].split()) == "PROCESS STATE EPOCH APPLIED AT IN FLIGHT LAST WRITE LEFT"
    assert {line.split()[0] for line in out[2:4]} == {ident(on) for on in both.roads}
    assert out[-1] == "confirmed: nothing of it is under way"


async def test_flushed(both: Two, redis_server: RedisServer) -> None:
    """A Redis that lost everything is told again who may call, and that a key was revoked."""
    made = [(await both.one.admin("POST", "/v1/keys", {"agent": "support"})).json for _ in range(2)]
    await both.one.admin("DELETE", f"/v1/keys/{made[0]['kid']}")
    redis_server.flush()
    await looked(both.other, both.one, both.other)
    assert [await told(both.other, one["key"]) for one in made] == [401, 404]
