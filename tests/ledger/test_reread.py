"""What is read again by its place: an answer as it was shown, an intent as it was judged and sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from breakers.call import Applied, Fault, Form, Json, Request, Sent
from breakers.facts import Image
from breakers.known import Names, State
from breakers.store.protocol import HeldWrite
from proxy.canonical.bodies import encode_body
from proxy.canonical.jsons import encode_json
from proxy.canonical.target import encode_target
from proxy.ledger.book import Ledger
from proxy.ledger.doubts import Resolved
from proxy.ledger.read import last_records
from proxy.ledger.reread import KeptAnswer
from proxy.wire import Wire
from tests.ledger.test_owed_changes import CHARGE, touching
from tests.ledger.world import (
    FOLDER,
    HELD,
    Answered,
    World,
    declined,
    delivered,
    outcome,
    read,
    small_segments,
    wire,
    write,
)

CONTENT = ("content-type", "application/json")
SHOWN = (CONTENT, ("date", "Sat, 21 Nov 2026 12:00:00 GMT"), ("request-id", "req_1"))
OURS = (("breakwater-call", "CALL1"), ("Breakwater-Intent", "CALL0"), ("idempotent-replayed", "true"))
NAMES = Names(("f1:aa",), "k:bb", "e:cc")


async def answered(ledger: Ledger, shown: Answered) -> str:
    """Write, and return the place of the answer."""
    intent = await ledger.intend(write(1), wire())
    return (await ledger.conclude(intent, outcome(), shown)).place


@pytest.mark.parametrize(
    ("more", "shown", "kept"),
    [
        ({}, Answered(201, SHOWN), KeptAnswer(201, SHOWN, b'{"id": "re_1"}')),
        ({}, Answered(200, (*SHOWN, *OURS)), KeptAnswer(200, SHOWN, b'{"id": "re_1"}')),
        ({"applied": Applied.UNKNOWN}, Answered(424, (CONTENT,), b"we"), KeptAnswer(424, (CONTENT,), b"we")),
        ({"body": b"", "headers": ()}, Answered(204, (), b""), KeptAnswer(204, (), b"")),
        ({"body": b"\xff\x00"}, Answered(200, (), b"\xff\x00"), KeptAnswer(200, (), b"\xff\x00")),
        ({"body": b"x" * 2000}, Answered(200, (), b"x" * 2000), KeptAnswer(200, (), None)),
        (
            {"body": b'{"cvc": "314"}', "never_store": ("cvc",)},
            Answered(200, (), b'{"cvc": "314"}'),
            KeptAnswer(200, (), None),
        ),
        ({"body": b"beginn", "body_bytes": 99}, Answered(200, (), b"beginn"), KeptAnswer(200, (), None)),
        (
            {"applied": Applied.NOT_APPLIED, "status": None, "sent": Sent.NO, "fault": Fault.CONNECT, "body": b""},
            Answered(503, (CONTENT,), b"no"),
            KeptAnswer(503, (CONTENT,), b"no", sent=False),
        ),
    ],
)
async def test_answers(more: dict[str, Any], shown: Answered, kept: KeptAnswer) -> None:
    """An answer is given again as it was shown, without what was said of that answer only, or not whole, not at all."""
    world = World(answer_bytes_max=1000)
    ledger = world.started()
    more = {"applied": Applied.APPLIED, **more}
    ended = replace(outcome(), **{"headers": (CONTENT,), **_fields(more)})
    held = write(1, never_store=more.get("never_store", ()))
    entry = await ledger.conclude(await ledger.intend(held, wire()), ended, shown)
    assert ledger.answer_at(entry.place) == kept
    await ledger.close("stopped")
    # And by the next process.
    again = World(disk=world.disk.after_power_loss()).open()
    assert again.answer_at(entry.place) == kept


def _fields(more: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in more.items() if name != "never_store"}
    if "body" in fields:
        fields.setdefault("body_bytes", len(fields["body"]))
    return fields


async def test_from_any_segment() -> None:
    """Answers are found in every segment and every epoch, from many threads at once."""
    world = World(settings=small_segments(3000))
    ledger = world.started()
    places = {}
    for number in range(12):
        body = b'{"id": "re_%d"}' % number
        intent = await ledger.intend(write(number), wire())
        entry = await ledger.conclude(intent, outcome(body=body), Answered(body=body))
        places[entry.place] = body
    await ledger.close("stopped")
    ledger = World(disk=world.disk).open(new_epoch="moved")
    found = await asyncio.gather(*(asyncio.to_thread(ledger.answer_at, place) for place in places))
    assert [answer.body for answer in found if answer is not None] == list(places.values())


async def test_old_answers() -> None:
    """An answer from before headers were kept still says its media type."""
    world = World()
    ledger = world.started()
    place = await answered(ledger, Answered())
    (record,) = last_records(world.disk, FOLDER / "ledger", 1)
    assert place.endswith(f"/{record.index}/{record.offset}/{len(record.body)}")
    blobs = [blob for blob in record.entry["blobs"] if blob["p"] != "head"]
    entry = {name: value for name, value in record.entry.items() if name not in {"head", "blobs"}}
    ledger._reread._record = lambda _: replace(record, entry={**entry, "blobs": blobs})  # type: ignore[method-assign, assignment]
    assert ledger.answer_at(place) == KeptAnswer(200, (CONTENT,), b'{"id": "re_1"}')
    await ledger.close("stopped")


async def test_erased() -> None:
    """Where the data key was destroyed, only the status is left of an answer, and of an intent its entry."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(write(1, names=NAMES), wire())
    entry = await ledger.conclude(intent, outcome(), Answered())
    ledger._state.keys._database.execute("DELETE FROM data_key")
    assert ledger.answer_at(entry.place) == KeptAnswer(200, (CONTENT,), None)
    stored = ledger.intent_at(intent.place)
    assert (stored.request, stored.before, stored.sent_headers, stored.opened.names) == (None, None, (), NAMES)
    assert not stored.left_as(wire())
    await ledger.close("stopped")


async def test_elsewhere() -> None:
    """At a place of another record, of another log, or of none, there is neither an answer nor an intent."""
    world = World()
    ledger = world.started()
    ledger.look_done(write(2).go.call, "charges.retrieve", outcome(), b"{}")
    await ledger.read_done(read(3), outcome(), delivered())
    refused = await ledger.decline(declined(4))
    intent = await ledger.intend(write(1), wire())
    entry = await ledger.conclude(intent, outcome(), Answered())
    assert refused is not None
    origin, _, numbers = entry.place.partition("#")
    segment, index, offset, length = (int(number) for number in numbers.split("/"))
    wrong = [
        "",
        refused.place,
        f"{origin[:-1]}2#{numbers}",
        f"another/1#{numbers}",
        f"no epoch#{numbers}",
        f"{origin}#9/{index}/{offset}/{length}",
        f"{origin}#{segment}/{index - 1}/{offset}/{length}",
        f"{origin}#{segment}/{index}/{offset + 1}/{length}",
        f"{origin}#{segment}/{index}/{offset}/{length - 1}",
        f"{origin}#{segment}/{index}/{offset}/{length + 1}",
        f"{origin}#{segment}/{index}/{offset}/{10**18}",
        f"{origin}#{segment}/{index}/{10**18}/{length}",
    ]
    assert [ledger.answer_at(place) for place in [*wrong, intent.place]] == [None] * (len(wrong) + 1)
    for place in (*wrong, entry.place):
        with pytest.raises(LookupError):
            ledger.intent_at(place)
    await ledger.close("stopped")


async def test_intents() -> None:
    """An intent is read again with who, what, under which names, with what left and what was there before."""
    world = World()
    ledger = world.started()
    held = write(1, names=NAMES, idempotency_key="agents-key", door="stripe", way="port")
    call = held.go.call
    spec = replace(call.operation.spec, touches=(CHARGE,), effect_window_s=60)
    call = replace(call, operation=replace(call.operation, spec=spec))
    facts = replace(held.go.facts, images={CHARGE: Image(b'{"id":"ch_1"}', call.at)})
    sent = replace(wire(), keyed=True, marked=True)
    intent = await ledger.intend(HeldWrite(replace(held.go, call=call, facts=facts, flags=("repeated",))), sent)
    stored = ledger.intent_at(intent.place)
    assert (stored.opened, stored.index, stored.caller) == (intent.opened, intent.index, call.caller)
    assert (stored.opened.names, stored.opened.window_s) == (NAMES, 60)
    assert (stored.request, stored.sent_headers, stored.key) == (call.request, sent.headers, "agents-key")
    assert (stored.door, stored.way, stored.left_out) == ("stripe", "port", False)
    assert (stored.keyed, stored.marked, stored.before) == (True, True, b'{"charge":{"id":"ch_1"}}')
    assert stored.entry["pol"]["flags"] == ["repeated"]
    assert stored.left_as(sent)
    assert stored.left_as(wire())
    assert not stored.left_as(wire(b"charge=ch_1&amount=2"))
    assert not stored.left_as(replace(sent, headers=sent.headers[1:]))
    await ledger.close("stopped")


async def test_same_bytes() -> None:
    """What left with a JSON body can be made again from the record, to the last byte, whatever its members' order."""
    world = World()
    ledger = world.started()
    body = {"title": "x", "body": {"z": 1, "a": [1.5, None]}}
    held = write(1)
    request = Request("api", "POST", ("repos", "a/b"), media_type="application/json", body=Json(body))
    held = replace(held, go=replace(held.go, call=replace(held.go.call, request=request)))
    sent = replace(wire(), target=encode_target(request.segments), body=encode_json(body))
    stored = ledger.intent_at((await ledger.intend(held, sent)).place)
    assert stored.request is not None
    data, _ = encode_body(stored.request.body, stored.request.media_type, "")
    again = Wire(stored.request.method, encode_target(stored.request.segments), stored.sent_headers, data, HELD)
    assert stored.left_as(again)
    await ledger.close("stopped")


async def test_cut_intents() -> None:
    """Of an intent that was cut, it is said that something is missing, and nobody can tell what left."""
    world = World()
    ledger = world.started()
    held = write(1, pairs=(("card[cvc]", "314"), ("amount", "1")), never_store=("card.cvc",))
    intent = await ledger.intend(held, wire(b"card[cvc]=314&amount=1"))
    stored = ledger.intent_at(intent.place)
    assert stored.request is not None
    assert (stored.request.body, stored.left_out) == (Form((("amount", "1"),)), True)
    assert not stored.left_as(wire(b"card[cvc]=314&amount=1"))
    assert (stored.keyed, stored.marked, stored.opened.names) == (False, False, None)
    await ledger.close("stopped")


async def test_resolved_answers() -> None:
    """An answer that was put together for a write in doubt is given from where that is on record."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(touching(1), wire())
    found = Resolved(
        Applied.APPLIED,
        State.COMPLETED,
        "reconciler",
        "found",
        keeps=True,
        status=201,
        headers=(CONTENT, *OURS),
        body=b"{}",
    )
    entry = await ledger.doubt_resolved(intent.opened, found)
    assert ledger.answer_at(entry.place) == KeptAnswer(201, (CONTENT,), b"{}")
    said = Resolved(Applied.APPLIED, State.COMPLETED, "operator", "said", keeps=True, reason="seen in the dashboard")
    assert ledger.answer_at((await ledger.doubt_resolved(intent.opened, said)).place) is None
    await ledger.close("stopped")


async def test_beside_the_writer() -> None:
    """An answer is read while the log is written, each as soon as its record is durable."""
    world = World(settings=small_segments(5000))
    ledger = world.started()

    async def writer(number: int) -> None:
        body = b'{"id": "re_%d"}' % number
        intent = await ledger.intend(write(number), wire())
        entry = await ledger.conclude(intent, outcome(body=body), Answered(body=body))
        answer = ledger.answer_at(entry.place)
        assert answer is not None
        assert answer.body == body

    await asyncio.gather(*(writer(number) for number in range(20)))
    await ledger.close("stopped")
