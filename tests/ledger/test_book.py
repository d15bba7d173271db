"""The road's verbs: what is durable when they return, and what they do when it cannot be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from breakers.call import Applied
from breakers.known import Earlier, State
from breakers.verdict import Reason
from proxy.errors import LedgerUnavailable
from proxy.ledger.book import READ_BYTES_KEPT, Capture, Delivered
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import Payloads, find_call, last_records
from proxy.ledger.tally import RECORDED_MAX
from proxy.ledger.verify import verify
from tests.canary.forms import secret
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.world import (
    ANY_ROOM,
    FOLDER,
    SETTINGS,
    START,
    Answered,
    World,
    calls_in,
    declined,
    delivered,
    kinds_in,
    one_write,
    outcome,
    read,
    wire,
    write,
)
from tests.ledger.world import call as a_call

LEDGER = FOLDER / "ledger"


def opened(disk: MemoryDisk, kind: str) -> dict[str, Any]:
    """The payloads of the newest record of a kind, as bytes."""
    (*_, record) = [record for record in last_records(disk, LEDGER, 999) if record.kind == kind]
    return {part: getattr(payload, "data", payload) for part, payload in Payloads(disk, FOLDER).open(record).items()}


async def test_write_is_durable() -> None:
    """An intent and an outcome survive the machine's death from the moment that their verbs return."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    assert a_call(1).id in calls_in(world.disk.after_power_loss())
    assert (intent.index, intent.opened.intent, intent.wire) == (2, a_call(1).id, wire())
    entry = await ledger.conclude(intent, outcome(), Answered())
    assert kinds_in(world.disk.after_power_loss())[-2:] == ["call.intent", "call.outcome"]
    assert (entry.call, entry.index) == (a_call(1).id, 3)
    await ledger.close("stopped")


async def test_payloads_open() -> None:
    """The request, the upstream's answer and what the agent was shown open from the blobs."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1, idempotency_key="agents-key"), wire())
    await ledger.conclude(intent, outcome(Applied.UNKNOWN), Answered(424, body=b"we do not know"))
    request = opened(world.disk, "call.intent")["req"]
    assert b'"body":{"form":[["charge","ch_1"],["amount","1"]]}' in request
    assert b'"key":"agents-key"' in request
    head = b'[["content-type","application/json"]]'
    answered = {"head": head, "resp": b'{"id": "re_1"}'}
    assert opened(world.disk, "call.outcome") == {**answered, "seen": b"we do not know"}
    await one_write(ledger, 2)
    assert opened(world.disk, "call.outcome") == answered
    assert last_records(world.disk, LEDGER, 1)[0].entry["seen"] == {"same": True, "st": 200}
    await ledger.close("stopped")


async def test_never_stored() -> None:
    """A field that must not be stored is nowhere on disk, nor is what could confirm a guess of it."""
    world = World()
    ledger = world.started()
    pairs = (("source[number]", "4242424242424242"), ("source[cvc]", "314"), ("amount", "5"))
    held = write(1, pairs=pairs, never_store=("source.number", "source.cvc"))
    intent = await ledger.intend(held, wire(b"source[cvc]=314"))
    await ledger.conclude(intent, outcome(body=b'{"source": {"cvc": "314"}, "id": "x"}'), Answered(body=b"ok"))
    request = opened(world.disk, "call.intent")["req"]
    assert b"4242" not in request
    assert b"314" not in request
    assert b'"left_out":["source.cvc","source.number"]' in request
    assert b"wire_opener" not in request
    assert opened(world.disk, "call.outcome")["resp"] == b'{"source":{},"id":"x"}'
    await ledger.close("stopped")
    plain = b"".join(world.disk.tree().values())
    assert b"4242424242424242" not in plain


async def test_no_text_in_entries() -> None:
    """Nothing that an agent or an upstream worded stands in an entry."""
    world = World()
    ledger = world.started()
    canary = secret("agent")
    held = write(1, pairs=((canary, canary),), idempotency_key=canary)
    intent = await ledger.intend(held, wire(canary.encode()))
    answer = Answered(body=canary.encode(), headers=(("content-type", f"text/{canary} {canary}"),))
    ended = outcome(body=canary.encode(), headers=answer.headers, request_id=f"{canary} {canary}")
    await ledger.conclude(intent, ended, answer)
    await ledger.close("stopped")
    assert canary.encode() not in b"".join(world.disk.tree().values())


@pytest.mark.parametrize("size", [0, 1, READ_BYTES_KEPT, READ_BYTES_KEPT + 1])
async def test_reads_are_appended(size: int) -> None:
    """A read is on record with its decision; what was kept of its body opens, and how much came is said."""
    world = World()
    ledger = world.started()
    body = b"x" * size
    seen = Delivered(200, body[:READ_BYTES_KEPT], size, complete=True)
    await ledger.read_done(read(1), outcome(body=b"", body_bytes=size), seen)
    await ledger.close("stopped")
    record = last_records(world.disk, LEDGER, 2)[0]
    assert (record.kind, record.entry["intent"], record.entry["rw"]) == ("call.outcome", None, "r")
    assert record.entry["pol"]["verdict"] == "forward"
    assert record.entry["seen"].get("came") == (size if size > READ_BYTES_KEPT else None)
    assert opened(world.disk, "call.outcome")["seen"] == body[:READ_BYTES_KEPT]


async def test_captured_read() -> None:
    """A read that was captured beyond the bound is on record by its length and digest."""
    world = World()
    ledger = world.started()
    capture = Capture(READ_BYTES_KEPT)
    for _ in range(READ_BYTES_KEPT // 1000 + 1):
        capture.feed(b"x" * 1000)
    await ledger.read_done(
        read(1), outcome(body=b""), Delivered(200, capture.payload(), capture.length, complete=False)
    )
    await ledger.close("stopped")
    record = last_records(world.disk, LEDGER, 2)[0]
    assert (record.entry["seen"]["n"], record.entry["seen"]["digest"]) == (capture.length, True)
    assert record.entry["dlv"] == {"bytes": capture.length, "complete": False}
    assert opened(world.disk, "call.outcome")["seen"] == sha256(b"x" * capture.length).digest()


async def test_durable_reads_wait() -> None:
    """Where reads are durable, a read's record survives the machine's death once it was waited for."""
    world = World(settings=SETTINGS.model_copy(update={"reads": "durable"}))
    ledger = world.started()
    await ledger.read_done(read(1), outcome(), delivered())
    assert a_call(1).id in calls_in(world.disk.after_power_loss())
    await ledger.close("stopped")


async def test_look_precedes_intent() -> None:
    """A read that a judgement asked for is durable once the intent that follows from it is."""
    world = World()
    ledger = world.started()
    ledger.look_done(a_call(1), "charges.retrieve", outcome(), b'{"currency": "usd"}')
    await ledger.intend(write(1), wire())
    survivor = world.disk.after_power_loss()
    assert kinds_in(survivor)[-2:] == ["call.look", "call.intent"]
    assert [record.index for record in find_call(survivor, LEDGER, a_call(1).id)] == [2, 3]
    assert opened(world.disk, "call.look") == {"resp": b'{"currency": "usd"}'}
    await ledger.close("stopped")


async def test_refusals() -> None:
    """A refusal of a known agent is durable before it is said; past sixty a minute it is counted."""
    world = World()
    ledger = world.started()
    for number in range(RECORDED_MAX):
        entry = await ledger.decline(declined(number))
        assert entry is not None
    assert kinds_in(world.disk.after_power_loss()).count("call.decision") == RECORDED_MAX
    assert [await ledger.decline(declined(number)) for number in range(3)] == [None] * 3
    assert await ledger.decline(declined(7, agent="another")) is not None
    world.clock.move(60)
    assert await ledger.decline(declined(8)) is not None
    await ledger.close("stopped")
    (counted,) = [r.entry for r in last_records(world.disk, LEDGER, 999) if r.kind == "agent.refused"]
    assert (counted["act"], counted["counts"]) == ({"agent": "support_refund_agent"}, {"limit-exceeded": 3})
    assert opened(world.disk, "call.decision")["req"].count(b"It is over the limit.") == 1


async def test_many_repeats() -> None:
    """A repeat has its record, up to sixty of one agent in a minute; then a summary says how many were answered how."""
    world = World()
    ledger = world.started()
    first = Earlier("01A", State.COMPLETED, START, "stripe", "refunds.create", "a", "a/1", "f1:x")
    for number in range(RECORDED_MAX + 3):
        ledger.repeated(a_call(number), first, "replay", 200)
    await ledger.close("stopped")
    records = last_records(world.disk, LEDGER, 999)
    assert sum(r.kind == "call.decision" for r in records) == RECORDED_MAX
    (counted,) = [r.entry for r in records if r.kind == "agent.repeated"]
    assert (counted["act"], counted["counts"]) == ({"agent": "support_refund_agent"}, {"replay": 3})


async def test_early_refusal() -> None:
    """A refusal that came before an operation was recognised keeps nothing of the request."""
    world = World()
    ledger = world.started()
    early = replace(declined(1), operation=None, request=None, method="BREW\x1b[31m")
    await ledger.decline(early)
    (record,) = last_records(world.disk, LEDGER, 1)
    assert (record.entry["m"], "op" in record.entry, "blobs" in record.entry) == ("other", False, False)
    await ledger.close("stopped")


async def test_edge_is_counted() -> None:
    """Requests without an agent make one record a minute, and what is counted at the end is recorded at the end."""
    world = World()
    ledger = world.started()
    for reason in (Reason.KEY_MISSING, Reason.KEY_MISSING, Reason.HEAD_MALFORMED):
        ledger.edge_refused(reason)
    world.clock.move(61)
    ledger.edge_refused(Reason.KEY_UNKNOWN)
    await ledger.close("stopped")
    counted = [r.entry for r in last_records(world.disk, LEDGER, 999) if r.kind == "edge.refused"]
    assert [entry["counts"] for entry in counted] == [{"key-missing": 2, "head-malformed": 1}, {"key-unknown": 1}]
    assert counted[0]["task"] == "edge/2026-11-21"


async def test_keys_are_a_view() -> None:
    """Minted and revoked keys are durable, and a start finds them."""
    world = World()
    ledger = world.started()
    await ledger.access.key_minted("a", "k1", "d1")
    await ledger.access.key_minted("a", "k2", "d2")
    await ledger.access.key_revoked("k1")
    recovered = World(disk=world.disk.after_power_loss()).open().recovered
    assert [(key.kid, key.digest, key.revoked) for key in recovered.keys] == [("k1", "d1", True), ("k2", "d2", False)]
    await ledger.close("stopped")


async def test_delivery() -> None:
    """An answer that did not arrive whole is on record."""
    world = World()
    ledger = world.started()
    ledger.delivery_aborted(a_call(1), 17)
    await ledger.close("stopped")
    record = last_records(world.disk, LEDGER, 2)[0]
    assert (record.kind, record.entry["bytes"], record.entry["complete"]) == ("call.delivery", 17, False)


async def test_close_is_clean() -> None:
    """A clean stop says so, gives the folder back, and the next start recovers nothing."""
    world = World()
    ledger = world.started()
    await one_write(ledger)
    await ledger.close("stopped")
    assert last_records(world.disk, LEDGER, 1)[0].entry["reason"] == "stopped"
    with pytest.raises(LedgerUnavailable):
        await ledger.intend(write(2), wire())
    again = world.started()
    await again.close("stopped")
    assert "log.recovered" not in kinds_in(world.disk)
    assert verify(world.disk, FOLDER).ok


async def test_many_at_once(tmp_path: Path) -> None:
    """Many writers at once on a real disk: each has its record, and batches are shared."""
    disk = RealDisk()
    world = World(disk=disk, folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.started()
    batches: list[int] = []
    ledger.stats.on_batch = lambda entries, seconds: batches.append(entries)

    async def writer(name: int) -> None:
        for number in range(6):
            await one_write(ledger, name * 100 + number)

    await asyncio.gather(*(writer(name) for name in range(1, 65)))
    await ledger.close("stopped")
    report = verify(disk, world.folder)
    assert report.ok
    assert report.epochs[0].size == 2 + 64 * 6 * 2 + 1
    assert sum(batches) == 64 * 6 * 2 + 1
    assert max(batches) > 8
    calls = calls_in(disk, world.folder)
    assert all(calls.count(a_call(name * 100).id) == 2 for name in range(1, 65))
