"""Suggestions on record: told again after a start as they stood, and void where a part of the record is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.facts import Facts
from breakers.known import Names
from breakers.store.events import IntentOpened, SuggestionNoted
from breakers.suggestion import Cause, Grant, Park, Stage, Suggested
from breakers.verdict import Suggest
from proxy.ledger.approvallines import approval_result
from proxy.ledger.approvals import Edit
from proxy.ledger.blobs import Kept
from proxy.ledger.book import Ledger
from proxy.ledger.parked import KINDS, Parked
from proxy.ledger.read import last_records
from tests.ledger.world import FOLDER, START, Answered, World, call, outcome, wire, write

ID = "CALL0000000000000000000001"
PARK = Park(Cause.APPROVAL, "refunds.create", "Over 20 USD.", "finance", 900.0, waits=True)
SHOWN = b'{"what":"is shown"}'
NEW = Suggested(
    ID, "support_refund_agent", "support_refund_agent/2026-11-21", "stripe", "refunds.create", "f1:x", START,
    START + timedelta(hours=1), "d" * 64, (PARK.id,), "k:y", ("finance",), changed_at=START, waits=True,
)  # fmt: skip


def parked() -> Suggest:
    asked = replace(call(1), id=ID, names=Names(("f1:x",), "k:y", "e:z"))
    return Suggest(asked, Facts(START, 1), "policy-1", (PARK,), ("refunds.create",), 12_000_000, "USD")


async def told(world: World) -> list[Suggested]:
    """What the next start tells a store of suggestions."""
    ledger = world.open()
    try:
        return [event.suggested for event in ledger.recovered.events if isinstance(event, SuggestionNoted)]
    finally:
        await ledger.close("test")


async def requested(ledger: Ledger) -> Suggested:
    return await ledger.approvals.requested(NEW, parked(), SHOWN, "stripe@1")


async def test_told_again() -> None:
    """A start tells a suggestion as it was parked, with its place, from which what it shows is read again."""
    world = World()
    ledger = world.started()
    one = await requested(ledger)
    assert ledger.approvals.at(one.place).shown == SHOWN
    await ledger.close("test")
    (again,) = await told(world)
    assert replace(again, changed_at=one.changed_at) == one
    ledger = world.open()
    showing = ledger.approvals.at(again.place)
    assert (showing.shown, showing.entry["cred"], showing.entry["pol"]["ver"]) == (SHOWN, "stripe@1", "policy-1")
    with pytest.raises(LookupError):
        ledger.approvals.at(again.place.replace("#", "#9"))
    await ledger.close("test")


# What is said of it after it was parked, and how it stands after a start.
WORDS = {
    "approved": (Stage.APPROVED, "ana"),
    "rejected": (Stage.REJECTED, "ana"),
    "expired": (Stage.EXPIRED, ""),
    "void": (Stage.VOID, ""),
}


@pytest.mark.parametrize("word", WORDS)
async def test_decided(word: str) -> None:
    """An approver's word, and an end without one, are known after a start."""
    world, (stage, by) = World(), WORDS[word]
    ledger = world.started()
    one = await requested(ledger)
    after = replace(one, stage=stage, by=by, why="" if by else "time", version=1)
    if by:
        await ledger.approvals.decided(after, word, by, "because")
    else:
        await ledger.approvals.ended(after)
    await ledger.close("test")
    (again,) = await told(world)
    assert (again.stage, again.by, again.why, again.version) == (stage, by, after.why, 1)
    # A day later, and once that has been said by a record.
    world.clock.move(86_401)
    await told(world)
    assert bool(await told(world)) == (stage is Stage.APPROVED)


async def test_edited() -> None:
    """After an edit what is told is the edited one, with its own digest and place."""
    world = World()
    ledger = world.started()
    one = await requested(ledger)
    edit = Edit("ana", "half of it", 1, 4, -6_000_000)
    after = replace(one, digest="e" * 64, version=1, roles=("approver", "finance"))
    after = await ledger.approvals.edited(after, parked(), b"other", "stripe@1", edit)
    assert ledger.approvals.at(after.place).shown == b"other"
    await ledger.close("test")
    (again,) = await told(world)
    assert (again.digest, again.roles, again.version, again.place) == (after.digest, after.roles, 1, after.place)
    (entry,) = [found.entry for found in last_records(world.disk, FOLDER / "ledger", 9) if found.entry.get("dist")]
    assert entry["dist"] == {"changed": 1, "of": 4, "micros": "-6000000"}


async def test_carried_out() -> None:
    """Once an intent of it is on record it is never approved again, and its intent names it."""
    world = World()
    ledger = world.started()
    one = await requested(ledger)
    await ledger.approvals.decided(replace(one, stage=Stage.APPROVED, version=1), "approved", "ana")
    grant = Grant(ID, one.digest, frozenset(one.answers), "ana")
    held = write(2, grant=grant, names=Names(("f1:x",), "k:y"))
    intent = await ledger.intend(held, wire())
    assert intent.opened.suggestion == ID
    await ledger.close("test")
    (again,) = await told(world)
    assert (again.stage, again.intent) == (Stage.EXECUTING, held.go.call.id)
    ledger = world.started()
    opened = [event for event in ledger.recovered.events if isinstance(event, IntentOpened)]
    assert [event.suggestion for event in opened] == [ID]
    await ledger.conclude(intent, outcome(), Answered())
    await ledger.approvals.ended(replace(again, stage=Stage.EXECUTED, why="applied", version=3))
    await ledger.close("test")
    (ended,) = await told(world)
    assert (ended.stage, ended.intent, ended.why) == (Stage.EXECUTED, held.go.call.id, "applied")


async def test_over_stays_over() -> None:
    """Whatever stands behind an end, it is not opened, approved or carried out again."""
    world = World()
    ledger = world.started()
    one = await requested(ledger)
    await ledger.approvals.ended(replace(one, stage=Stage.VOID, why="policy", version=1))
    await ledger.approvals.decided(replace(one, stage=Stage.APPROVED, version=2), "approved", "ana")
    await requested(ledger)
    await ledger.close("test")
    (again,) = await told(world)
    assert (again.stage, again.why) == (Stage.VOID, "policy")


def test_lost() -> None:
    """Where records are lost, whatever is live is void: the lost ones may have said that it was carried out."""
    folded = Parked({ID: replace(NEW, stage=Stage.APPROVED)})
    folded.lost(START)
    assert [(one.stage, one.why) for one in folded.known.values()] == [(Stage.VOID, "lost")]


async def test_words_sealed() -> None:
    """What people write and what is shown stands in sealed payloads, and not in an entry; what it comes to is said."""
    world = World()
    ledger = world.started()
    one = await requested(ledger)
    await ledger.approvals.decided(replace(one, stage=Stage.REJECTED, version=1), "rejected", "ana", "the words of ana")
    await ledger.close("test")
    found = [record for record in last_records(world.disk, FOLDER / "ledger", 9) if record.kind in KINDS]
    assert all(b"words of ana" not in record.body and b"is shown" not in record.body for record in found)
    assert [approval_result(record.entry) for record in found] == [
        "parked as a suggestion (approval:refunds.create), needs finance, until 2026-11-21T13:00:00.000000Z",
        "rejected by ana",
    ]
    ledger = world.open()
    _, opened = ledger._reread.opened(one.place, KINDS)
    assert opened["shown"] == Kept(SHOWN)
    await ledger.close("test")
