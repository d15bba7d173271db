"""Two programs with one Redis, asked as one: whichever is asked knows what both have on record, or who was mute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from breakers.baseline import Kind as Differs
from breakers.drift import Alarm
from breakers.suggestion import LIVE, Stage
from loadtest.upstreams.faults import Fault, HangUp
from proxy.cli import main
from proxy.control.merged import UNHEARD
from proxy.ledger.drifted import Drifted
from proxy.letters import Question
from proxy.sealer import Kind
from tests.fleet.world import Two, ident, two
from tests.proxy.road import Road, call_of, charged, soon
from tests.redis_server import RedisServer, redis_server
from tests.wire.client import Answer

__all__ = ["redis_server"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASK = "support/2026-11-21"

BRIEF_S = 0.05
"""For an answer that never comes."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    """
    Give two programs.
    """
    redis_server.flush()
    async with two(tmp_path_factory.mktemp("asking"), redis_server) as both:
        yield both


@pytest_asyncio.fixture(loop_scope="module")
async def both(opened: Two) -> AsyncIterator[Two]:
    """
    Give them, and leave nothing parked.
    """
    for on in opened.roads:
        # On a busy machine whoever lives may be slow.
        on.rooms.letters.looks_s = on.rooms.letters.reads_s = 10.0
    yield opened
    for on in opened.roads:
        for one in await on.rooms.store.suggestions():
            if one.stage in LIVE and one.id in on.rooms.suggesting.own:
                await on.rooms.suggesting.end(one, Stage.VOID, "test")


@contextmanager
def deaf(both: Two, *, answers_only: bool = False) -> Iterator[None]:
    """
    Have the other one live, and lose every question, or every answer of its.
    """
    letters = both.other.rooms.letters
    boxes, within_s = letters._boxes, 10.0 if answers_only else BRIEF_S
    both.one.rooms.letters.looks_s = both.one.rooms.letters.reads_s = within_s

    class Lost:
        async def post(self, to: str, letter: bytes) -> bool:
            found = both.one.rooms.letters._sealer.open(letter, to)
            assert getattr(found, "kind", None) is Kind.ANSWER
            asked = len(posted)
            posted.append(letter)
            # Whose it is may be asked for.
            return asked == 0 and await boxes.post(to, letter)  # type: ignore[union-attr]

        take = staticmethod(boxes.take)  # type: ignore[union-attr]

    posted: list[bytes] = []
    if answers_only:
        letters._boxes = Lost()
    else:
        letters.came = lambda data: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        letters._boxes = boxes
        vars(letters).pop("came", None)
        both.one.rooms.letters.looks_s = both.one.rooms.letters.reads_s = 10.0


async def parked(on: Road, charge: str, amount: int = 500) -> str:
    """
    Have a write of the careful agent parked, and return its id.
    """
    said = await on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": amount}, agent="careful")
    id_ = said.header("Breakwater-Suggestion")
    assert id_ is not None, said.raw
    return id_


async def looked_at(on: Road, path: str) -> Any:
    """
    Return what all say, where all were heard.
    """
    said = await on.admin("GET", path)
    assert (said.status, said.header(UNHEARD)) == (200, None), said.raw
    return said.json


async def test_timeline(both: Two) -> None:
    """What an agent did through two programs stands in one order, once, whichever of them is asked."""
    asked = [on.ask("POST", "/v1/customers", form={"name": f"c{number}"}) for number, on in enumerate(both.roads * 2)]
    made = [call_of(await one) for one in asked]
    await soon(lambda: all(len(on.rooms.pending) == 0 == on.rooms.ledger.pending for on in both.roads))
    told = [await looked_at(on, f"/v1/timeline?task={TASK}") for on in both.roads]
    assert told[0] == told[1]
    calls = [row for row in told[0]["told"] if row["call"] in made]
    assert sorted(row["call"] for row in calls) == sorted(made)
    assert [row["at"] for row in calls] == sorted(row["at"] for row in calls)
    assert {row["replica"] for row in calls} == {ident(on) for on in both.roads}
    assert all("customers.create" in row["lines"][0] for row in calls)
    (as_json,) = [
        row["said"] for row in (await looked_at(both.one, f"/v1/timeline?task={TASK}&as=json&full=1"))["told"]
        if row["call"] == made[1]
    ]  # fmt: skip
    assert {"call.intent", "call.outcome"} <= {record["entry"]["k"] for record in as_json["records"]}
    assert (await looked_at(both.one, "/v1/timeline?task=nobody/1"))["tasks"]


async def test_listed(both: Two) -> None:
    """A parked write is listed by both, with the process in whose record it is, and shown by both alike."""
    id_ = await parked(both.other, charged(both.sandbox))
    for on in both.roads:
        (row,) = [row for row in await looked_at(on, "/v1/suggestions") if row["suggestion"] == id_]
        assert row["replica"] == ident(both.other)
    cards = [(await on.admin("GET", f"/v1/suggestions/{id_}")).json for on in both.roads]
    assert cards[0] == cards[1]
    assert cards[0]["suggestion"] == id_


async def test_approved_afar(both: Two) -> None:
    """An approval goes to the process that has it, is on record there with who and by which way, and sends it once."""
    charge = charged(both.sandbox)
    id_, ana = await parked(both.other, charge), await both.token("ana")
    digest = (await both.one.admin("GET", f"/v1/suggestions/{id_}")).json["digest"]
    before = both.sandbox.account.effects["refund.created"]
    said = await both.one.admin("POST", f"/v1/suggestions/{id_}/approve", {"digest": digest}, token=ana)
    assert (said.status, said.json["by"]) == (200, "ana"), said.raw
    ended = await both.one.admin("GET", f"/v1/suggestions/{id_}?wait=8")
    assert ended.json["state"] == "executed", ended.raw
    assert both.sandbox.account.effects["refund.created"] == before + 1
    entries = [record.entry for record in await both.other.newest(40)]
    (way,) = [entry for entry in entries if entry["k"] == "operator.asked" and entry["about"] == id_]
    assert (way["by"], way["from"], way["route"]) == ("ana", ident(both.one), "POST /v1/suggestions/{id}/approve")
    (word,) = [entry for entry in entries if entry["k"] == "approval.decided" and entry["call"] == id_]
    assert word["by"] == "ana"
    # What is over is shown by whoever has it on record.
    assert (await both.one.admin("GET", f"/v1/suggestions/{id_}")).json == ended.json


@pytest.mark.parametrize("verb", ["edit", "reject"])
async def test_decided_afar(verb: str, both: Two) -> None:
    """An edit and a rejection go to the process that has it."""
    id_, ana = await parked(both.other, charged(both.sandbox)), await both.token("ana")
    body = {"set": ["body.amount=300"]} if verb == "edit" else {"reason": "not ours"}
    said = await both.one.admin("POST", f"/v1/suggestions/{id_}/{verb}", body, token=ana)
    assert said.status == 200, said.raw
    kinds = await both.other.kinds(id_)
    assert kinds.count("approval.decided") == 1
    assert "approval.decided" not in await both.one.kinds(id_)


WHO = {"eve": (409, "does not hold"), "HOUSE": (403, "own token")}


@pytest.mark.parametrize("who", WHO)
async def test_roles_afar(who: str, both: Two) -> None:
    """Who may not decide at one process may not by way of another."""
    id_ = await parked(both.other, charged(both.sandbox))
    digest = (await both.one.admin("GET", f"/v1/suggestions/{id_}")).json["digest"]
    token = None if who == "HOUSE" else await both.token(who)
    said = await both.one.admin("POST", f"/v1/suggestions/{id_}/approve", {"digest": digest}, token=token)
    status, words = WHO[who]
    assert said.status == status
    assert words in said.json["error"]


FORGED: dict[str, tuple[Question, int]] = {
    "a role that it does not have": (
        Question("POST", "/v1/doubt/{intent}/resolve", "eve", frozenset({"admin"}), True, {"intent": "x"}), 403,
    ),
    "nobody": (Question("POST", "/v1/doubt/{intent}/resolve", "zoe", frozenset({"admin"}), True, {"intent": "x"}), 403),
    "an agent": (Question("GET", "/v1/doubt", "support", frozenset({"admin"}), True), 403),
    "the folder's token approves": (
        Question("POST", "/v1/suggestions/{id}/approve", "admin", frozenset({"approver"}), False, {"id": "x"}), 403,
    ),
    "a role that the other did not give": (
        Question("POST", "/v1/doubt/{intent}/resolve", "rita", frozenset(), True, {"intent": "x"}), 403,
    ),
    "another route": (Question("POST", "/v1/keys", "rita", frozenset({"admin"}), True), 404),
    "a kind that is nobody's": (
        Question("GET", "/v1/whose/{kind}/{id}", "rita", frozenset(), True, {"kind": "key", "id": "x"}), 404,
    ),
    "somebody who may": (
        Question("POST", "/v1/doubt/{intent}/resolve", "rita", frozenset({"admin"}), True, {"intent": "x"}), 409,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
async def test_asked_roles(case: str, both: Two) -> None:
    """Whoever asks by letter has the roles that both processes give, on the routes that are answered by letter."""
    question, status = FORGED[case]
    heard = await both.one.rooms.letters.ask(question, [ident(both.other)], 10.0)
    assert heard.answers[ident(both.other)].status == status


async def test_agents_key(both: Two) -> None:
    """An agent's key opens nothing of this, and no door of an agent knows of it."""
    for path in ("/v1/whose/suggestion/x", f"/v1/timeline?task={TASK}"):
        assert (await both.one.admin("GET", path, token=both.one.keys["support"])).status == 401
    assert (await both.one.ask("GET", "/v1/whose/suggestion/x")).status in {403, 404}


async def test_unheard(both: Two) -> None:
    """Where one lives and does not answer, that is said with every look, and nothing of it is taken for empty."""
    id_, theirs, ana = await parked(both.other, charged(both.sandbox)), ident(both.other), await both.token("ana")
    with deaf(both):
        looks = ("/v1/suggestions", "/v1/doubt", "/v1/reviews", "/v1/drift", "/v1/status")
        for path in (f"/v1/timeline?task={TASK}", *looks):
            said = await both.one.admin("GET", path)
            assert (said.status, said.header(UNHEARD)) == (200, f"{theirs};unanswered"), path
        (row,) = [row for row in (await both.one.admin("GET", "/v1/suggestions")).json if row["suggestion"] == id_]
        assert row["replica"] is None
        rows = {row["replica"]: row for row in (await both.one.admin("GET", "/v1/status")).json["replicas"]}
        assert (rows[theirs]["state"], rows[theirs]["unheard"]) == ("live", "unanswered")
        for said in (
            await both.one.admin("GET", f"/v1/suggestions/{id_}"),
            await both.one.admin("POST", f"/v1/suggestions/{id_}/reject", {"reason": "x"}, token=ana),
        ):
            assert (said.status, theirs in said.json["error"]) == (409, True)
            assert said.json["hint"]
        assert not (await both.one.admin("GET", "/v1/kill?scope=all")).json["confirmed"]
    # Whoever is asked for what it knows alone asks nobody.
    assert (await both.one.admin("GET", "/v1/suggestions?here=1")).header(UNHEARD) is None


async def test_answer_lost(both: Two) -> None:
    """Of a word whose answer is lost nobody knows whether it was taken: that is said, and again it does nothing."""
    id_, ana = await parked(both.other, charged(both.sandbox)), await both.token("ana")
    body = {"reason": "not ours"}
    with deaf(both, answers_only=True), pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.control.asking.ACTS_WITHIN_S", 0.3)
        said = await both.one.admin("POST", f"/v1/suggestions/{id_}/reject", body, token=ana)
    assert (said.status, "not known" in said.json["error"]) == (504, True), said.raw
    await soon(lambda: both.other.rooms.letters._answered.__len__() == 0)
    again = await both.one.admin("POST", f"/v1/suggestions/{id_}/reject", body, token=ana)
    assert (again.status, "rejected" in again.json["error"]) == (409, True)
    assert (await both.other.kinds(id_)).count("approval.decided") == 1


async def doubted(both: Two) -> str:
    """
    Have the other one make a write whose end nobody knows, and return its intent.
    """
    both.sandbox.faults.add(Fault(HangUp(), applied=True, method="POST", times=None))
    try:
        return call_of(await both.other.ask("POST", "/v1/customers", form={"name": "lost"}))
    finally:
        both.sandbox.faults.clear()


async def test_doubt(both: Two) -> None:
    """A write in doubt is listed by both with whose it is, and a person's word at one process ends it at the other."""
    intent, rita = await doubted(both), await both.token("rita")
    for on in both.roads:
        (row,) = [row for row in await looked_at(on, "/v1/doubt") if row["intent"] == intent]
        assert row["replica"] == ident(both.other)
    with deaf(both):
        (row,) = [row for row in (await both.one.admin("GET", "/v1/doubt")).json if row["intent"] == intent]
        assert (row["replica"], row["state"]) == (ident(both.other), "unknown")
    word = {"applied": True, "reason": "OPS-7"}
    said = await both.one.admin("POST", f"/v1/doubt/{intent}/resolve", word, token=rita)
    assert said.status == 200, said.raw
    assert "recovery.resolved" in await both.other.kinds(intent)
    for on in both.roads:
        assert not [row for row in await looked_at(on, "/v1/doubt") if row["intent"] == intent]
    again = await both.one.admin("POST", f"/v1/doubt/{intent}/resolve", word, token=rita)
    assert again.status == 409


async def test_kill_waits(both: Two) -> None:
    """A stop is confirmed once the other one has applied it and has nothing on its way; each has its row."""
    both.sandbox.faults.add(Fault(held=True))
    asking: asyncio.Task[Answer] = asyncio.create_task(both.other.ask("POST", "/v1/customers", form={"name": "held"}))
    await soon(both.sandbox.faults.holding.is_set)
    ordered = (await both.one.admin("POST", "/v1/kill", {"reason": "OPS-7"})).json
    assert not ordered["confirmed"]
    proof = await looked_at(both.one, "/v1/kill")
    rows = {row["replica"]: row for row in proof["replicas"]}
    assert [len(rows[ident(on)]["in_flight"]) for on in both.roads] == [0, 1]
    assert not proof["confirmed"]
    assert not (await looked_at(both.one, "/v1/status"))["kill"]["confirmed"]
    both.sandbox.faults.release()
    await asking

    async with asyncio.timeout(10.0):
        while not (await looked_at(both.one, "/v1/kill"))["confirmed"]:  # noqa: ASYNC110 nobody sets an event for it
            await asyncio.sleep(0.01)
    rows = {row["replica"]: row for row in (await looked_at(both.other, "/v1/kill"))["replicas"]}
    assert {row["epoch"] for row in rows.values()} == {ordered["epoch"]}
    lifted = {"epoch": ordered["epoch"], "reason": "over", "full": True}
    assert (await both.one.admin("POST", "/v1/resume", lifted)).status == 200
    await both.other.rooms.killswitch.poll()


async def test_spend(both: Two) -> None:
    """What was taken of a cap is what the store says, whichever is asked."""
    assert await looked_at(both.one, "/v1/spend") == await looked_at(both.other, "/v1/spend")


async def test_drift(both: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm is listed by both with whose it is, and one word ends it wherever it stands, or says who is mute."""
    alarm, word = Alarm(Differs.WRITES, "stripe/refunds.create", "", 1, 2, 3), {"reason": "OPS-7", "learn": False}
    path, theirs = "/v1/drift/careful/reset", both.other.rooms.drifting.standing
    for said_by, its in ((both.one, both.other), (both.other, both.one)):
        its.rooms.drifting.standing["careful"] = Drifted("careful", "a1", datetime(2026, 11, 21, tzinfo=UTC), alarm)
        for on in both.roads:
            found = {
                row["replica"]: row["state"] for row in await looked_at(on, "/v1/drift") if row["agent"] == "careful"
            }
            assert [found.pop(ident(its)), "drifting" in found.values(), len(found)] == ["drifting", False, 1]
        said = await said_by.admin("POST", path, word)
        assert (said.status, said.json["alarm"], said.json["replicas"]) == (200, "a1", [ident(its)]), said.raw
        assert "careful" not in its.rooms.drifting.standing
    again = await both.one.admin("POST", path, word)
    assert (again.status, "no alarm" in again.json["error"]) == (409, True)
    theirs["careful"] = Drifted("careful", "a1", datetime(2026, 11, 21, tzinfo=UTC), alarm)
    asked = ["--config", str(both.one.state.parent / "breakwater.yaml"), "drift"]
    assert await asyncio.to_thread(main, [*asked, "list"]) == 0
    assert "PROCESS" in capsys.readouterr().out
    with deaf(both):
        assert await asyncio.to_thread(main, [*asked, "reset", "careful", "--reason", "OPS-7"]) == 1
    assert f"the process {ident(both.other)} was not heard (unanswered)" in capsys.readouterr().err
    assert theirs.pop("careful").id == "a1"


async def test_whose(both: Two) -> None:
    """Each process says of a thing whether it is its own."""
    id_ = await parked(both.other, charged(both.sandbox))
    said = [(await on.admin("GET", f"/v1/whose/suggestion/{id_}")).json for on in both.roads]
    assert said == [{"mine": False}, {"mine": True}]
    # The place says nothing of that: both logs have one name.
    one = await both.one.rooms.store.suggestion(id_)
    assert one is not None
    records = both.other.rooms.suggesting.records
    assert records.of(id_, one.place).entry["call"] == id_
    with pytest.raises(LookupError):
        records.of("another", one.place)
