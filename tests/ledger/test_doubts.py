"""Writes in doubt on record: said once, looked into, resolved or left to a person, over restarts and new logs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from breakers.call import Applied
from breakers.known import Names, State
from breakers.store.events import IntentOpened
from proxy.errors import LedgerUnavailable
from proxy.ledger.book import Ledger
from proxy.ledger.changed import Changed
from proxy.ledger.doubts import EVIDENCE_BYTES_MAX, Probed, Resolved
from proxy.ledger.drafts import system
from proxy.ledger.read import Payloads, Record, last_records
from proxy.ledger.verify import verify
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_owed_changes import CHANGED, touching
from tests.ledger.test_recovery import damage_behind
from tests.ledger.world import FOLDER, Answered, World, commit_now, kinds_in, outcome, wire, write
from tests.ledger.world import call as a_call

NAMES = Names(("f1:aa",), "k:bb", "e:cc")
FOUND = Resolved(
    Applied.APPLIED, State.COMPLETED, "reconciler", "found", keeps=True, status=201, body=b'{"id": "re_1"}'
)
ABSENT = Resolved(Applied.NOT_APPLIED, State.COMPLETED, "reconciler", "absent")
PARKED = Resolved(Applied.UNKNOWN, State.PARKED, "reconciler", "ambiguous")
SAID = Resolved(Applied.NOT_APPLIED, State.COMPLETED, "operator", "said", reason="It is not in the dashboard.")


def newest(disk: MemoryDisk, kind: str) -> Record:
    """The newest record of a kind."""
    *_, found = (record for record in last_records(disk, FOLDER / "ledger", 99) if record.kind == kind)
    return found


def payloads(disk: MemoryDisk, kind: str) -> dict[str, Any]:
    """The payloads of the newest record of a kind, as bytes or as why they do not open."""
    opened = Payloads(disk, FOLDER).open(newest(disk, kind))
    return {part: getattr(payload, "data", payload) for part, payload in opened.items()}


async def in_doubt(ledger: Ledger, number: int = 1, **more: Any) -> IntentOpened:
    """Write, and never hear of it again."""
    held = touching(number) if more.pop("touches", False) else write(number, names=NAMES, **more)
    intent = await ledger.intend(held, wire())
    await ledger.conclude(intent, outcome(Applied.UNKNOWN), Answered(424, body=b"unknown"))
    return intent.opened


async def next_start(world: World, new_epoch: str | None = None) -> tuple[World, Ledger]:
    """The next process, after this one died, once it has said what it found."""
    world = World(disk=world.disk.after_power_loss())
    ledger = world.open(new_epoch=new_epoch)
    ledger.start(asyncio.get_running_loop())
    await ledger.recovery_opened()
    return world, ledger


async def test_live_doubts() -> None:
    """A doubt of the running process is on record once, however often it is said, at the next start too."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    await asyncio.gather(ledger.doubt_opened(opened), ledger.doubt_opened(opened))
    entry = newest(world.disk.after_power_loss(), "recovery.opened").entry
    assert (entry["call"], entry["intent"], entry["prov"], "of" in entry) == (opened.intent, 2, "stripe", False)
    await ledger.close("stopped")
    world, ledger = await next_start(world)
    await ledger.doubt_opened(opened)
    assert kinds_in(world.disk).count("recovery.opened") == 1
    await ledger.close("stopped")


async def test_unrecorded_doubt() -> None:
    """A doubt that could not be recorded is recorded the next time that it is said."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    with pytest.raises(LedgerUnavailable):
        await ledger.doubt_opened(replace(opened, task="x" * 1000))
    await ledger.doubt_opened(opened)
    assert kinds_in(world.disk.after_power_loss()).count("recovery.opened") == 1
    await ledger.close("stopped")


async def test_doubt_of_another_log() -> None:
    """A doubt that nobody told the start of is recorded under the log that its place names."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    await ledger.doubt_opened(replace(opened, intent="ANOTHER", place="log/7#0/2/3/4"))
    entry = newest(world.disk, "recovery.opened").entry
    assert (entry["of"], entry["intent"], entry["call"]) == ("log/7", 2, "ANOTHER")
    await ledger.close("stopped")


@pytest.mark.parametrize(
    ("evidence", "kept"), [(b'{"id": 1, "cvc": 314}', b'{"id":1}'), (b"", None), (b'[{"id": 1}]', b'[{"id": 1}]')]
)
async def test_probed(evidence: bytes, kept: bytes | None) -> None:
    """What an attempt to find out has shown is durable, without what is never stored."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    await ledger.doubt_probed(opened, Probed("list", "many", 2, evidence), "cvc")
    disk = world.disk.after_power_loss()
    entry = newest(disk, "recovery.probed").entry
    assert [entry[name] for name in ("call", "intent", "way", "found", "n")] == [opened.intent, 2, "list", "many", 2]
    assert payloads(disk, "recovery.probed").get("evidence") == kept
    await ledger.close("stopped")


async def test_large_evidence() -> None:
    """More than a page of evidence is on record by its digest."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    await ledger.doubt_probed(opened, Probed("list", "none", 0, b"x" * (EVIDENCE_BYTES_MAX + 1)))
    said = newest(world.disk, "recovery.probed").entry["evidence"]
    assert (said["digest"], said["n"]) == (True, EVIDENCE_BYTES_MAX + 1)
    await ledger.close("stopped")


async def test_resolved() -> None:
    """How a doubt ended is durable: by whom, why, what must not have happened, and the words of a person."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    entry = await ledger.doubt_resolved(opened, replace(FOUND, incident="duplicate", body=b'{"cvc": 1}'), "cvc")
    said = newest(world.disk.after_power_loss(), "recovery.resolved").entry
    names = ("eff", "state", "by", "why", "keeps", "st", "incident", "intent")
    assert [said[name] for name in names] == [
        "applied", "completed", "reconciler", "found", True, 201, "duplicate", 2,
    ]  # fmt: skip
    assert (entry.call, entry.index) == (opened.intent, said["i"])
    assert payloads(world.disk, "recovery.resolved") == {"head": b"[]", "seen": b"{}"}
    await ledger.doubt_resolved(opened, SAID)
    assert payloads(world.disk, "recovery.resolved") == {"reason": b"It is not in the dashboard."}
    assert b"dashboard" not in b"".join(world.disk.tree().values())
    await ledger.close("stopped")


@pytest.mark.parametrize("words", [{"by": "a person"}, {"why": ""}, {"why": "É"}, {"incident": "x" * 65}])
async def test_only_words(words: dict[str, Any]) -> None:
    """Free text is refused where an entry takes a word."""
    ledger = World().started()
    opened = await in_doubt(ledger)
    with pytest.raises(ValueError, match="no word"):
        await ledger.doubt_resolved(opened, replace(FOUND, **words))
    with pytest.raises(ValueError, match="no word"):
        await ledger.doubt_probed(opened, Probed("by list", "none"))
    await ledger.close("stopped")


@pytest.mark.parametrize(
    ("resolved", "open_then", "parked"),
    [
        ((FOUND,), False, False),
        ((ABSENT,), False, False),
        ((PARKED,), True, True),
        ((PARKED, SAID), False, False),
        ((PARKED, PARKED), True, True),
        ((), True, False),
    ],
)
@pytest.mark.parametrize("new_epoch", [None, "moved"])
async def test_open_until_resolved(
    resolved: tuple[Resolved, ...], open_then: bool, parked: bool, new_epoch: str | None
) -> None:
    """A doubt is open until it is resolved; what is parked stays so, and all of it holds over starts and new logs."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    for one in resolved:
        await ledger.doubt_resolved(opened, one)
    for _ in range(2):
        world, ledger = await next_start(world, new_epoch)
        assert ledger.recovered.open_intents == ((opened,) if open_then else ())
        assert ledger.recovered.parked == (frozenset({opened.intent}) if parked else frozenset())
        assert verify(world.disk, FOLDER).ok


async def test_resolved_elsewhere() -> None:
    """A doubt of a former log is looked into and resolved in the newest, and is open nowhere after that."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger)
    former = ledger.origin
    for again in ("moved", "and moved"):
        world, ledger = await next_start(world, again)
    (there,) = ledger.recovered.open_intents
    assert there == opened
    assert ledger.intent_at(there.place).opened == opened
    await ledger.doubt_probed(there, Probed("list", "none"))
    await ledger.doubt_resolved(there, PARKED)
    await ledger.doubt_resolved(there, ABSENT)
    for kind in ("recovery.opened", "recovery.probed", "recovery.resolved"):
        entry = newest(world.disk, kind).entry
        assert (entry["of"], entry["intent"]) == (former, 2), kind
    assert kinds_in(world.disk).count("recovery.opened") == 1
    for new_epoch in (None, "once more"):
        world, ledger = await next_start(world, new_epoch)
        assert ledger.recovered.open_intents == ()


@pytest.mark.parametrize("resolved", [None, FOUND, ABSENT, PARKED])
async def test_behind_damage(resolved: Resolved | None) -> None:
    """Behind damage a doubt is believed as far as it was resolved there."""
    world = World()
    ledger = world.started()
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    opened = await in_doubt(ledger)
    if resolved is not None:
        await ledger.doubt_resolved(opened, resolved)
    await ledger.close("stopped")
    recovered = World(disk=damage_behind(world, size)).open(new_epoch="the disk was replaced").recovered
    is_open = resolved is None or resolved is PARKED
    assert recovered.open_intents == ((opened,) if is_open else ())
    assert recovered.parked == (frozenset({opened.intent}) if resolved is PARKED else frozenset())


# ------------------------------------------------------------------------------------------------- what it changed


async def changes(world: World, new_epoch: str | None = None) -> list[dict[str, Any]]:
    """The records of changes of the newest log, after a start that says which are owed."""
    world, _ = await next_start(world, new_epoch)
    found = [r.entry for r in last_records(world.disk, FOLDER / "ledger", 99) if r.kind == "change.recorded"]
    return [{name: one.get(name) for name in ("call", "note", "of", "intent", "outcome", "resolved")} for one in found]


@pytest.mark.parametrize("resolved", [FOUND, ABSENT, PARKED])
@pytest.mark.parametrize("new_epoch", [None, "moved"])
async def test_change_is_owed(resolved: Resolved, new_epoch: str | None) -> None:
    """A change is owed for what turned out to have taken effect, and named where the process stopped before it."""
    world = World()
    ledger = world.started()
    entry = await ledger.doubt_resolved(await in_doubt(ledger, touches=True), resolved)
    said = {
        "call": a_call(1).id, "note": "interrupted", "of": ledger.origin if new_epoch else None, "intent": 2,
        "outcome": None, "resolved": entry.place,
    }  # fmt: skip
    assert await changes(world, new_epoch) == ([said] if resolved is FOUND else [])


async def test_change_of_a_former_log() -> None:
    """A change is owed as well where the write stands in a former log, and is not once it is on record."""
    world = World()
    ledger = world.started()
    await in_doubt(ledger, touches=True)
    former = ledger.origin
    world, ledger = await next_start(world, "moved")
    (there,) = ledger.recovered.open_intents
    entry = await ledger.doubt_resolved(there, FOUND)
    (owed,) = await changes(world)
    assert (owed["of"], owed["intent"], owed["resolved"], owed["note"]) == (former, 2, entry.place, "interrupted")
    ledger.late_change_recorded(touching(1).go.call, there, entry, replace(CHANGED, note="before-missing"))
    await ledger.close("stopped")
    (told,) = await changes(world)
    assert told == {**owed, "note": "before-missing"}
    assert await changes(world, "once more") == []


async def test_change_on_record() -> None:
    """Once its late change is on record, nothing is owed."""
    world = World()
    ledger = world.started()
    opened = await in_doubt(ledger, touches=True)
    entry = await ledger.doubt_resolved(opened, FOUND)
    ledger.late_change_recorded(touching(1).go.call, opened, entry, Changed((("charge", "ch_1", "update"),)))
    await ledger.close("stopped")
    (told,) = await changes(world)
    assert (told["resolved"], told["note"], told["of"]) == (entry.place, None, None)
