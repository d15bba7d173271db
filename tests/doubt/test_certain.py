"""What may be taken for certain of a lost write: clocks, credentials, equal ones before it; and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from breakers.store.events import IntentOpened
from config.catalog import Place
from loadtest.upstreams.faults import Fault, HangUp
from proxy.doubt.case import Case
from proxy.doubt.doubts import Doubts
from proxy.doubt.ways import RESEND, _answer_from, ways_of
from proxy.secret import Secret
from tests.canary.forms import secret
from tests.config.test_overlays import WRITES
from tests.doubt.test_recorded import known
from tests.doubt.world import EVERY_TIME, GITHUB, World, github, stripe
from tests.proxy.road import call_of, charged, soon

ISSUES = f"{GITHUB}/issues"
ISSUE: dict[str, object] = {"title": "Broken", "body": "It is."}
GONE_S = 92 + 15 + 10


async def meant(world: World) -> str:
    """
    Lose a repeat that is meant, which never arrived, just after the first; return its intent.
    """
    assert (await world.write("POST", ISSUES, ISSUE)).status == 201
    world.on.clock.move(3)
    world.sandbox.faults.add(Fault(HangUp(), method="POST", times=EVERY_TIME))
    told = await world.on.ask(
        "POST", ISSUES, agent="worker", door="github", body=json.dumps(ISSUE).encode(), media="application/json",
        headers=(("User-Agent", "worker"), ("Breakwater-Duplicate", "allow")),
    )  # fmt: skip
    world.sandbox.faults.clear()
    assert told.status == 424
    return call_of(told)


@pytest.mark.parametrize("marker", [False, True], ids=["unmarked", "marked"])
async def test_meant_twice(marker: bool, tmp_path: Path) -> None:
    """What an equal write made seconds before is not taken for what was lost, and a mark tells them apart."""
    async with github(tmp_path, marker=marker) as world:
        intent = await meant(world)
        await world.looks(GONE_S)
        assert world.state(intent) == (None if marker else "parked")
        resolved = (await world.entry(intent, "recovery.resolved"))["entry"]
        assert (resolved["eff"], resolved["why"]) == (("not_applied", "absent") if marker else ("unknown", "ambiguous"))


@pytest.mark.parametrize("apart_s", [-600, 600], ids=["behind", "ahead"])
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
async def test_clocks_apart(apart_s: float, applied: bool, tmp_path: Path) -> None:
    """Where the API's clock and ours are minutes apart no list proves anything, and once they agree it does."""
    async with github(tmp_path) as world:
        agreeing = world.sandbox.clock
        world.sandbox.clock = lambda: agreeing() + apart_s
        intent = await world.lose("POST", ISSUES, ISSUE, applied=applied)
        await world.looks(600)
        assert world.state(intent) == "unknown"
        assert "600 s apart" in str(world.doubts.said()[0]["tried"])
        assert (await world.write("POST", ISSUES, ISSUE)).status == 424


async def test_another_credential(tmp_path: Path) -> None:
    """Under another credential, maybe another account's, nothing is sent again, and nothing shown is no proof."""
    async with stripe(tmp_path) as world:
        form: dict[str, object] = {"charge": charged(world.sandbox), "amount": 500}
        intent = await world.lose("POST", "/v1/refunds", form, named="k", applied=False)
        assert RESEND in ways_of(await known(world, intent))
        world.sandbox.secret = secret("another")
        world.on.rooms.accounts["stripe"].credential.turn([("other#1", Secret(world.sandbox.secret))])
        sent = world.asked("POST")
        await world.looks(300)
        assert (world.asked("POST"), world.state(intent)) == (sent, "unknown")
        assert "credential was changed" in str(world.doubts.said()[0]["tried"])


async def test_word_before_a_look(tmp_path: Path) -> None:
    """What a person says was done before anyone looked has its change on record like all else."""
    async with github(tmp_path) as world:
        intent = await world.lose("POST", ISSUES, ISSUE)
        await world.doubts.resolve(intent, applied=True, reason="it is there")
        await soon(lambda: len(world.on.rooms.pending) == 0)
        assert "change.recorded" in await world.on.kinds(intent)


async def test_no_account_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account whose looks take long keeps no other from being looked at, and has one look at a time."""
    async with github(tmp_path) as world:
        looked: list[str] = []

        async def look(case: Case) -> None:
            looked.append(case.opened.intent)
            if case.opened.api == "slow":
                await asyncio.Event().wait()
            world.doubts._cases.pop(case.opened.intent)

        monkeypatch.setattr(world.doubts, "_look", look)
        for intent, api in {"S1": "slow", "S2": "slow", "Q1": "quick", "Q2": "quick"}.items():
            at = world.on.clock.now()
            world.on.rooms.doubts.opened(IntentOpened(intent, api, "make", "worker", "-", at))
        assert len(world.doubts.said()) == 4
        world.on.clock.move(2)
        watching = asyncio.create_task(Doubts.watch(world.doubts))
        world.on.rooms.doubts.bell.set()
        await soon(lambda: "Q2" in looked)
        assert looked == ["S1", "Q1", "Q2"]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_answer_is_what_was_made() -> None:
    """Where a write makes something beside the object that it is about, the answer is what it made."""
    spec = WRITES["github"]["reactions/create-for-issue"]
    assert spec.find is not None
    reader: Any = SimpleNamespace(
        doubt=SimpleNamespace(spec=spec), account=SimpleNamespace(dialect=SimpleNamespace(deletion={}))
    )
    answer = await _answer_from({"id": 1, "content": "+1"}, spec.find, reader)
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (201, {"id": 1, "content": "+1"})


async def test_never_stored(tmp_path: Path) -> None:
    """What is never stored of an object is not on record where it was found to be there, whatever wrote it."""
    async with github(tmp_path) as world:
        catalog = world.on.rooms.accounts["github"].catalog
        (read, *_) = catalog.named("issues/get")
        before = read.never_store
        object.__setattr__(read, "never_store", (*before, "body"))
        try:
            intent = await world.lose("POST", ISSUES, ISSUE)
            await world.looks(2)
        finally:
            # Catalogues are shared.
            object.__setattr__(read, "never_store", before)
        resolved = await world.entry(intent, "recovery.resolved")
        assert resolved["entry"]["eff"] == "applied"
        assert "It is." not in str(resolved["payloads"])


# One row: an operation whose effect differs in one argument, and where an item shows that.
DIFFERS = (
    ("pulls/create", "head", "/head"),
    ("pulls/create-reply-for-review-comment", "comment_id", "/in_reply_to_id"),
)


@pytest.mark.parametrize(("name", "argument", "shown"), DIFFERS)
def test_recipes_tell_apart(name: str, argument: str, shown: str) -> None:
    """A recipe compares what alone tells two writes of one kind apart."""
    spec = WRITES["github"][name]
    assert spec.find is not None
    assert dict(spec.find.claims)[argument] == shown
    assert any((place, argument) in spec.arguments for place in Place)
