"""Breakers at the admin door and on the command line: how they stand, and what an operator may say of one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from breakers.breaker import State
from tests.proxy.ailing import BLOCKED, PARKED, PASSED, READS, WRITES, Ailing, ailing, outcome
from tests.proxy.road import marks, soon
from tests.wire.client import Answer

OPERATORS = {"ada": {"roles": ["resume", "break-glass"]}, "eve": {"roles": ["approver"]}}

# The same wall for every key that is none.
NONE = ("api:stripe", "api:nobody/write", "api:stripe/all", "agent:nobody/stripe/read", "kill:all", "task:", "stripe")


async def force(one: Ailing, key: str, token: str | None = None, **order: object) -> Answer:
    """
    Force a breaker.
    """
    body = {"reason": "a test", **order}
    return await one.on.admin("POST", f"/v1/breakers/{quote(key, safe='')}/force", body, token=token)


async def release(one: Ailing, key: str, **order: object) -> Answer:
    """
    Release one.
    """
    return await one.on.admin("POST", f"/v1/breakers/{quote(key, safe='')}/release", {"reason": "a test", **order})


async def mint(one: Ailing, name: str) -> str:
    """
    Make a token for an operator.
    """
    made = await one.on.admin("POST", "/v1/operators", {"operator": name})
    return str(made.json["token"])


async def test_forced(tmp_path: Path) -> None:
    """A breaker that is forced keeps writes back for its time, on record with who said so, and then goes on."""
    async with ailing(tmp_path) as one:
        forced = await force(one, WRITES, to="suggest-only", ttl="2h")
        assert (forced.status, forced.json["state"], forced.json["by"]) == (200, "forced_suggest_only", "admin")
        assert outcome(await one.write()) == PARKED
        assert outcome(await one.read()) == PASSED
        record = next(record for record in await one.on.newest() if record.kind == "breaker.changed")
        assert (record.entry["by"], record.entry["state"]) == ("admin", "forced_suggest_only")
        assert "a test" not in str(record.entry)
        await one.look(7199.0)
        assert outcome(await one.write()) == PARKED
        await one.look(2.0)
        assert outcome(await one.write()) == PASSED


async def test_forced_blocked(tmp_path: Path) -> None:
    """A breaker that is forced to block refuses reads, too, until it is released."""
    async with ailing(tmp_path) as one:
        assert (await force(one, READS, to="blocked")).status == 200
        assert marks(await one.read())[1] == BLOCKED
        assert (await release(one, READS)).json["state"] == "passing"
        assert outcome(await one.read()) == PASSED


async def test_forced_passing(tmp_path: Path) -> None:
    """Letting all pass is for whoever may break the glass, for an hour at most; then it is what it was before."""
    async with ailing(tmp_path, operators=OPERATORS) as one:
        await one.tripped()
        house = await force(one, WRITES, to="passing", ttl="15m")
        assert (house.status, "break-glass" in house.json["error"]) == (403, True)
        ada, eve = await mint(one, "ada"), await mint(one, "eve")
        assert (await force(one, WRITES, eve, to="suggest-only")).status == 403
        long = await force(one, WRITES, ada, to="passing", ttl="2h")
        assert (long.status, long.json["error"]) == (400, "`passing` holds for 60m at most")
        assert (await force(one, WRITES, ada, to="passing")).json["by"] == "ada"
        assert outcome(await one.write()) == PASSED
        await one.look(3601.0)
        assert one.state(WRITES) is State.SUGGEST_ONLY
        assert outcome(await one.write()) == PARKED


async def test_released(tmp_path: Path) -> None:
    """A breaker that has tripped is released into the ramp; one that passes cannot be."""
    async with ailing(tmp_path) as one:
        passing = await release(one, WRITES)
        assert (passing.status, passing.json["error"]) == (409, "it passes: there is nothing to release")
        await one.tripped()
        assert (await release(one, WRITES)).json["state"] == "ramping"
        assert outcome(await one.write()) == PASSED
        assert outcome(await one.write()) == PARKED


async def test_shown(tmp_path: Path) -> None:
    """The door shows breakers that ever moved, one that did not as passing, and in the status what does not pass."""
    async with ailing(tmp_path) as one:
        assert (await one.on.admin("GET", "/v1/breakers")).json == []
        never = (await one.on.admin("GET", f"/v1/breakers/{quote(WRITES, safe='')}")).json
        assert (never["state"], never["generation"]) == ("passing", 0)
        await one.tripped()
        shown = (await one.on.admin("GET", f"/v1/breakers/{WRITES}")).json
        assert (shown["state"], shown["trips"], shown["why"][:3]) == ("suggest_only", 1, "T1:")
        assert shown in (await one.on.admin("GET", "/v1/breakers")).json
        status = (await one.on.admin("GET", "/v1/status")).json
        assert [breaker["breaker"] for breaker in status["breakers"]] == [WRITES]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"to": "open", "reason": "x"}', b'{"to": "blocked", "reason": ""}'])
async def test_no_order(body: bytes, tmp_path: Path) -> None:
    """An order that says no state or no reason is refused, and so is the key of nothing."""
    async with ailing(tmp_path) as one:
        assert (await one.on.admin("POST", f"/v1/breakers/{WRITES}/force", body)).status == 400
        for key in NONE:
            no = await force(one, key, to="blocked")
            assert (no.status, bool(no.json["hint"])) == (400, True), key
        await soon(lambda: one.on.rooms.ledger.pending == 0)
        assert not [record for record in await one.on.newest() if record.kind == "breaker.changed"]
