"""What the records say of repeats and doubts: fields, and nothing of what an agent or an upstream worded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
import rfc8785

from breakers.call import Applied
from breakers.known import Earlier, Names, State
from breakers.store.events import opened_by
from breakers.verdict import Reason, Refuse
from config.catalog import Effect
from proxy.ledger import records, repeats
from proxy.ledger.book import Ledger
from proxy.ledger.doubts import opened_draft
from proxy.ledger.drafts import Draft, checked, read_stamp, stamp, system
from proxy.ledger.fold import fold
from proxy.ledger.read import last_records
from proxy.ledger.views import OpenWrite
from tests.ledger.forge import EPOCH
from tests.ledger.memory_disk import Stopped
from tests.ledger.test_owed_changes import touching
from tests.ledger.world import (
    FOLDER,
    START,
    Answered,
    World,
    commit_now,
    declined,
    kinds_in,
    outcome,
    wire,
    write,
)
from tests.ledger.world import call as a_call

NAMES = Names(("f1:aa", "f0:old"), "k:bb", "e:cc")
EARLIER = Earlier("FIRST", State.COMPLETED, START, "stripe", "refunds.create", "a", "t", "f1:aa")


def entry_of(make: Callable[[Ledger], Draft]) -> dict[str, Any]:
    """The entry of one record, once it is on record; its spelling is that of RFC 8785."""
    world = World()
    ledger = world.open()
    commit_now(ledger, checked(make(ledger)))
    (record,) = last_records(world.disk, FOLDER / "ledger", 1)
    assert rfc8785.dumps(dict(record.entry)) == record.body
    return dict(record.entry)


@pytest.mark.parametrize(
    ("names", "sent", "window_s", "idem"),
    [
        (None, {}, 0, None),
        (Names(("f1:aa",)), {}, 0, {"f": "f1:aa"}),
        (NAMES, {"keyed": True}, 86_400, {"f": "f1:aa", "k": "k:bb", "e": "e:cc", "w": 86_400, "up": True}),
        (Names(("f1:aa",), effect="e:cc"), {"marked": True}, 0, {"f": "f1:aa", "e": "e:cc", "marked": True}),
    ],
)
def test_names(names: Names | None, sent: dict[str, Any], window_s: int, idem: dict[str, Any] | None) -> None:
    """An intent says under which names it can be found again, and what its bytes bear."""
    held = write(1, names=names, idempotency_key="agents-own")
    call = held.go.call
    spec = replace(call.operation.spec, effect_window_s=window_s)
    held = replace(held, go=replace(held.go, call=replace(call, operation=replace(call.operation, spec=spec))))
    said = entry_of(lambda ledger: records.intent(held, replace(wire(), **sent), ledger.ring, b"r" * 32))
    assert said.get("idem") == idem
    assert b"agents-own" not in orjson.dumps(said)


@pytest.mark.parametrize("flags", [(), ("repeated", "duplicate-allowed")])
def test_flags(flags: tuple[str, ...]) -> None:
    """What the judgement noted although it let the call pass stands with who judged it."""
    held = write(1)
    held = replace(held, go=replace(held.go, flags=flags))
    said = entry_of(lambda ledger: records.intent(held, wire(), ledger.ring, b"r" * 32))
    assert said["pol"].get("flags") == (list(flags) or None)


def test_repeated() -> None:
    """A repeat names what it repeats and how it was answered; nothing of it is kept."""
    call = a_call(2, pairs=(("note", "words-of-an-agent"),))
    said = entry_of(lambda ledger: repeats.repeated(call, EARLIER, "replay", 200, ledger.ring))
    assert (said["k"], said["call"], said["par"], said["how"], said["st"]) == (
        "call.decision", call.id, "FIRST", "replay", 200,
    )  # fmt: skip
    assert (said["pol"], said["op"], said["rw"], "blobs" in said) == (
        {"verdict": "repeat"},
        "refunds.create",
        "w",
        False,
    )


@pytest.mark.parametrize("hours", [0, 2, -11.5])
@pytest.mark.parametrize(
    ("micros", "said"), [(0, "000000"), (1, "000001"), (10, "000010"), (500_000, "500000"), (999_999, "999999")]
)
def test_stamps(micros: int, said: str, hours: float) -> None:
    """A time is spelled in UTC with all six digits of its microseconds, wherever it was told."""
    at = datetime(2026, 3, 4, 5, 6, 7, micros, tzinfo=UTC)
    spelled = stamp(at.astimezone(timezone(timedelta(hours=hours))))
    assert spelled == stamp(at) == f"2026-03-04T05:06:07.{said}Z"
    assert read_stamp(spelled) == at


@pytest.mark.parametrize("par", [None, "FIRST"])
def test_refused_for(par: str | None) -> None:
    """A refusal for the sake of an earlier intent names it."""
    refuse = Refuse(Reason.DUPLICATE_SUSPECTED, "duplicates", "It was done.")
    said = entry_of(lambda ledger: records.refusal(replace(declined(1), refuse=refuse, par=par), ledger.ring))
    assert said.get("par") == par


@pytest.mark.parametrize(("effect", "rw"), [(Effect.READ, "r"), (Effect.WRITE, "w")])
def test_deliveries(effect: Effect, rw: str) -> None:
    """A delivery says whether it is a write's, and whose answer it was that arrived at last."""
    call = a_call(1, effect=effect)
    cut = entry_of(lambda _: repeats.delivery_aborted(call, 3))
    early = entry_of(lambda _: repeats.answered_early(call, Answered(409)))
    late = entry_of(lambda _: repeats.delivered(call, "FIRST"))
    assert [said["rw"] for said in (cut, early, late)] == [rw] * 3
    assert [(said["complete"], said.get("early"), said.get("par")) for said in (cut, early, late)] == [
        (False, None, None),
        (False, True, None),
        (True, None, "FIRST"),
    ]


@pytest.mark.parametrize(
    ("name", "kept"), [("date", True), ("request-id", True), ("breakwater-call", False), ("Breakwater-Intent", False),
                       ("idempotent-replayed", False), ("breakwaters", True)],
)  # fmt: skip
def test_headers(name: str, kept: bool) -> None:
    """Of the headers that were shown those are kept that may be shown again, sealed."""
    world = World()
    ledger = world.open()
    draft = records.write_outcome(a_call(1), 2, outcome(), Answered(200, ((name, "a-value"),)), 99)
    (head,) = (part for part in draft.parts if part.name == "head")
    assert getattr(head.payload, "data", b"") == (orjson.dumps([[name, "a-value"]]) if kept else b"[]")
    commit_now(ledger, draft)
    assert b"a-value" not in b"".join(world.disk.tree().values())


def test_over() -> None:
    """An intent that is too large for an entry can still be found again, and so can the record of a doubt."""
    held = write(1, names=NAMES)

    def large(ledger: Ledger) -> Draft:
        draft = records.intent(held, wire(), ledger.ring, b"r" * 32)
        draft.fields["pol"]["rules"].extend(["x" * 100] * 200)  # type: ignore[index]
        return draft

    said = entry_of(large)
    assert (said["over"], said["idem"]) == (True, {"f": "f1:aa", "k": "k:bb", "e": "e:cc"})
    res = [{"type": "refund", "id_h": f"h1:{n:026d}"} for n in range(400)]
    doubt = OpenWrite(opened_by(held.go.call, "log/1#0/2/3/4"), 2, "log/1", touching={"touches": 1, "res": res})
    said = entry_of(lambda _: opened_draft(doubt, carried=True))
    assert [said[name] for name in ("over", "intent", "of", "place", "touches")] == [
        True,
        2,
        "log/1",
        "log/1#0/2/3/4",
        1,
    ]
    assert (said["idem"]["k"], said["prov"], said["op"]) == ("k:bb", "stripe", "refunds.create")


# ------------------------------------------------------------------------------------------------ a stop at any step

# What is known of a write that touches something, by how many of its records are durable.
KNOWN = (
    (False, False, False, False),
    (True, False, False, False),
    (True, False, False, False),
    (True, True, False, False),
    (True, True, True, False),
    (False, False, False, True),
)


def in_doubt(world: World, told: list[str]) -> None:
    """One write that is lost, doubted, left to a person, and found."""
    ledger = world.open()
    held = touching(1)
    (at,) = commit_now(ledger, records.intent(held, wire(), ledger.ring, b"r" * 32))
    told.append("call.intent")
    opened = opened_by(held.go.call, at.place)
    fields = {"intent": at.index, "by": "operator", "why": "said", "keeps": True}
    parked = system("recovery.resolved", **fields, eff=str(Applied.UNKNOWN), state=str(State.PARKED))
    found = system("recovery.resolved", **fields, eff=str(Applied.APPLIED), state=str(State.COMPLETED))
    for draft in (
        records.write_outcome(held.go.call, at.index, outcome(Applied.UNKNOWN), Answered(424), 99),
        opened_draft(OpenWrite(opened, at.index)),
        replace(parked, call=opened.intent),
        replace(found, call=opened.intent),
    ):
        commit_now(ledger, draft)
        told.append(draft.kind)


@pytest.mark.parametrize("died", ["process", "machine"])
def test_stop_anywhere(died: str) -> None:
    """After a stop at any step a start knows of the write exactly what is durable of it, and no less than was told."""
    seen = set()
    for step in range(200):
        world, told = World(), list[str]()
        world.disk.stop_at = step
        ended = True
        try:
            in_doubt(world, told)
        except Stopped:
            ended = False
        disk = world.disk.after_kill() if died == "process" else world.disk.after_power_loss()
        World(disk=disk).open()
        views = fold(disk, EPOCH).views
        durable = [kind for kind in kinds_in(disk) if kind.startswith(("call.", "recovery."))]
        assert durable[: len(told)] == told
        writes = tuple(views.open.values())
        known = (bool(writes), *((writes[0].named, writes[0].parked) if writes else (False, False)), bool(views.owed))
        assert known == KNOWN[len(durable)], (step, durable)
        seen.add(len(durable))
        if ended:
            break
    assert seen == set(range(len(KNOWN)))
