"""Looks at what a write touches: one write at a time, within their time and their bounds, and nothing kept too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio

from proxy import look
from proxy.sight import SIGHT_BYTES_MAX, see
from tests.proxy.road import call_of, marks, soon
from tests.proxy.scripted import answer
from tests.proxy.test_changes import PASSED, World, leads_there, things

pytestmark = pytest.mark.asyncio(loop_scope="module")


def operation(name: str, route: str, **places: dict[str, str]) -> dict[str, Any]:
    """
    Return an operation of the table.
    """
    method, path = route.split()
    content = {"content": {"application/json": "json"}} if method in {"POST", "PATCH"} else {}
    effect = "read" if method == "GET" else "write"
    row = {"name": name, "method": method, "path": path, "base": "api", "effect": effect, "arguments": places}
    return row | content


THING, PART, NAME = {"thing": "string"}, {"part": "string"}, {"name": "string"}
TABLE = {
    "name": "things",
    "operations": [
        operation("things.get", "GET /v1/things/{thing}", path=THING, query={"ref": "string"}),
        operation("things.update", "PATCH /v1/things/{thing}", path=THING, body={**NAME, "ref": "any"}),
        operation("things.set", "POST /v1/things/{thing}", path=THING, body=NAME),
        operation("things.split", "POST /v1/things/{thing}/split", path=THING, body=NAME),
        operation("things.grow", "POST /v1/things/{thing}/grow", path=THING, body=NAME),
        operation("parts.get", "GET /v1/parts/{part}", path=PART),
    ],
}
MADE = {"with": {"part": "answer/part"}}
OVERLAY = {
    "dialect": {"title": "Things", "origins": {"api": None}},
    "objects": {
        "thing": {"read": "things.get", "key": ["thing", "ref"]},
        "part": {"read": "parts.get", "key": ["part"]},
    },
    "operations": {
        "things.get": {"never_store": ["pin"]},
        "things.update": {"touches": {"thing": {"with": {"ref": "body.ref"}, "claims": {"ref": None}}}},
        "things.set": {"touches": {"thing": {"with": {"ref": "=main"}, "after": "answer"}}},
        "things.split": {"touches": {"thing": {"with": {"ref": "=main"}}, "part": MADE}},
        "things.grow": {"touches": {"part": {**MADE, "after": "answer"}, "thing": {"with": {"ref": "=main"}}}},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """
    Give the road; a look may take four tenths of a second.
    """
    async with things(tmp_path_factory.mktemp("looks"), TABLE, OVERLAY, look="400ms") as running:
        yield running


async def test_write_under_way(world: World) -> None:
    """A write is not read for while another one of the same object is under way, or is being judged."""
    world.asked()
    first, second, third = ({"id": "t1", "name": name} for name in ("A", "B", "C"))
    judging, writing = asyncio.Event(), asyncio.Event()
    world.upstream.then(judging, answer(200, json.dumps(first).encode()))
    world.upstream.then(writing, answer(200, b"{}"))
    world.shows(second, second, {}, third)
    one = asyncio.create_task(world.write("PATCH", "/v1/things/t1", {"name": "B"}))
    await soon(lambda: len(world.upstream.asked) == 1)
    other = asyncio.create_task(world.write("PATCH", "/v1/things/t1", {"name": "C"}))
    await soon(lambda: "2 turns" in repr(world.on.rooms.pending))
    judging.set()
    await soon(lambda: len(world.upstream.asked) == 2)
    writing.set()
    await soon(lambda: "0 turns" in repr(world.on.rooms.pending))
    changes = [await world.records(await one), await world.records(await other)]
    for records in changes:
        leads_there(records)
    patches = [records["change.recorded"]["payloads"]["patch"]["json"] for records in changes]
    assert [[op["value"] for op in ops] for ops in patches] == [["B"], ["C"]]


async def test_time_in_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a write waits for those ahead of it is taken off the time for its looks, and leaves half of it."""
    given: list[float] = []

    async def timed(*args: Any, total_s: float, **more: Any) -> Any:
        given.append(total_s)
        return await see(*args, total_s=total_s, **more)

    monkeypatch.setattr(look, "see", timed)
    world.shows({"id": "t2"}, {}, {"id": "t2"})
    with world.on.rooms.pending.turn("ahead", [("things", "thing", "t2")]):
        answered = await world.write("PATCH", "/v1/things/t2", {"name": "N"})
    assert marks(answered) == PASSED
    assert 0.0 < given[0] <= 0.201


@pytest.mark.parametrize("ref", ["x" * 9000, ["next"], {"ref": "next"}, False])
async def test_ref_not_usable(world: World, ref: object) -> None:
    """A look whose query could not be sent, or would show another object, is not made, and the record says so."""
    world.asked()
    world.shows({})
    records = await world.records(await world.write("PATCH", "/v1/things/t3", {"name": "N", "ref": ref}))
    assert world.asked() == ["PATCH /v1/things/t3"]
    assert records["call.intent"]["entry"]["before"] == "missing"
    assert records["change.recorded"]["entry"]["note"] == "before-missing"


async def test_never_stored(world: World) -> None:
    """What the object's read never stores is in no image, wherever it was shown, and nothing could confirm a guess."""
    shown = {"id": "t4", "name": "O", "pin": "never-to-be-kept"}
    world.shows(shown, {**shown, "name": "N"})
    records = await world.records(await world.write("POST", "/v1/things/t4", {"name": "N"}))
    leads_there(records)
    kept = {name: records[name]["payloads"] for name in ("call.look", "call.intent", "change.recorded")}
    assert "never-to-be-kept" not in json.dumps(kept)
    assert "pin" not in json.dumps(records["change.recorded"])
    assert records["change.recorded"]["entry"]["sens"] == 2
    without = b'{"id":"t4","name":"O"}'
    assert records["call.look"]["payloads"]["resp"] == {"length": len(without), "sha256": sha256(without).hexdigest()}
    assert records["call.look"]["entry"]["resp"]["cut"] is True


async def test_larger_than_a_look(world: World) -> None:
    """Of an answer that is larger than any object no more is taken, and the record says that more came."""
    world.shows({"id": "x" * (2 * SIGHT_BYTES_MAX)}, {}, {"id": "t5"})
    answered = await world.write("PATCH", "/v1/things/t5", {"name": "N"})
    records = await world.records(answered)
    assert records["call.intent"]["entry"]["before"] == "missing"
    assert records["change.recorded"]["entry"]["note"] == "before-missing"
    first, *_ = await world.on.on_record(call_of(answered))
    assert first.entry["resp"]["n"] == SIGHT_BYTES_MAX < first.entry["resp"]["came"]


async def test_large_answer(world: World) -> None:
    """An answer beyond all bounds is on record by its digest, without its diff."""
    world.shows({"id": "t6"}, {"id": "t6", "name": "x" * 300_000})
    records = await world.records(await world.write("POST", "/v1/things/t6", {"name": "N"}))
    assert records["change.recorded"]["entry"]["note"] == "too-big"
    assert records["change.recorded"]["payloads"]["after"]["length"] > 300_000


async def test_seen_only_afterwards(world: World) -> None:
    """Of an object that nobody saw before the write nobody says that it stayed as it was."""
    world.shows({"id": "t7"}, {"part": "p1"}, {"id": "t7"}, {"id": "p1"})
    records = await world.records(await world.write("POST", "/v1/things/t7/split", {"name": "N"}))
    leads = records["change.recorded"]["payloads"]
    assert leads["after"]["json"].keys() == {"thing", "part"}
    assert leads["patch"]["json"] == []
    assert records["change.recorded"]["entry"]["note"] == "before-missing"


async def test_made_without_a_name(world: World) -> None:
    """Where the answer does not name what was made, the record says that it was not seen."""
    world.shows({"id": "t8"}, {"ok": True}, {"id": "t8"})
    records = await world.records(await world.write("POST", "/v1/things/t8/grow", {"name": "N"}))
    assert records["change.recorded"]["payloads"]["after"]["json"].keys() == {"thing"}
    assert records["change.recorded"]["entry"]["note"] == "after-missing"
