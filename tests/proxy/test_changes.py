"""What a write changed: the images before and after it, the change on record, and what is said where one is missing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.installation import agent
from proxy import changes
from proxy.diff import apply
from proxy.images import same
from proxy.inbound import AgentRequest
from proxy.look import stored_image
from tests.proxy.road import Road, call_of, marks, road, soon
from tests.proxy.scripted import HANG_UP, Piece, Scripted, answer, scripted
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = {
    "name": "things",
    "operations": [
        {
            "name": f"things.{name}",
            "method": method,
            "path": path,
            "base": "api",
            "effect": effect,
            **({"content": {"application/json": "json"}} if method in {"POST", "PATCH"} else {}),
            "arguments": {
                **({"path": {"thing": "string"}} if "{" in path else {}),
                **({"body": {"name": "string", "size": "object", "why": "string"}} if method != "GET" else {}),
            },
        }
        for name, method, path, effect in (
            ("get", "GET", "/v1/things/{thing}", "read"),
            ("create", "POST", "/v1/things", "write"),
            ("update", "PATCH", "/v1/things/{thing}", "write"),
            ("guarded", "POST", "/v1/things/{thing}/guarded", "write"),
            ("delete", "DELETE", "/v1/things/{thing}", "irreversible"),
        )
    ],
}
OVERLAY = {
    "dialect": {"title": "Things", "never_store": ["secret"], "origins": {"api": None}},
    "objects": {"thing": {"read": "things.get", "key": ["thing"], "names": ["/slug"], "expected": ["updated"]}},
    "operations": {
        "things.create": {"touches": {"thing": {"with": {"thing": "answer/id"}, "after": "answer"}}},
        "things.update": {"touches": {"thing": {"claims": {"why": None}}}},
        "things.guarded": {"touches": {"thing": {"before": "required", "after": "answer"}}},
        "things.delete": {"touches": {"thing": {}}},
    },
}
CARDS = {
    "worker": agent({"things": {"things.*": {}}}),
    "careful": agent({"things": {"things.update": {"before": "required"}}}),
}
PASSED = (200, "executed", "yes", "forward:allowed")


@dataclass(frozen=True, slots=True)
class World:
    """A road to a scripted upstream of things."""

    on: Road
    upstream: Scripted

    async def write(self, method: str, path: str, body: object = None, agent: str = "worker") -> Answer:
        self.on.clock.move(60)
        data = b"" if body is None else json.dumps(body).encode()
        media = None if body is None else "application/json"
        return await self.on.ask(method, path, door="things", agent=agent, body=data, media=media)

    async def records(self, answered: Answer) -> dict[str, dict[str, Any]]:
        """
        Return the records of a call by kind, once its change is among them.
        """
        await soon(lambda: len(self.on.rooms.pending) == 0)
        return {record["entry"]["k"]: record for record in await self.on.opened(call_of(answered))}

    def shows(self, *things: Mapping[str, object] | None) -> None:
        """
        Lay out the next answers: an object each, or that there is none.
        """
        for thing in things:
            body = json.dumps(thing).encode()
            self.upstream.then(answer(200, body) if thing is not None else answer(404, b"{}"))

    def asked(self) -> list[str]:
        """
        Return what the upstream was asked since the last time, as `METHOD target`.
        """
        lines = [one.line.removesuffix(" HTTP/1.1") for one in self.upstream.asked]
        self.upstream.asked.clear()
        return lines


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """
    Give the road; a look may take a tenth of a second.
    """
    async with things(tmp_path_factory.mktemp("changes"), TABLE, OVERLAY) as running:
        yield running


@asynccontextmanager
async def things(
    folder: Path, table: Mapping[str, object], overlay: Mapping[str, object], look: str = "100ms"
) -> AsyncIterator[World]:
    """
    Give a road to an upstream with a catalogue of its own.
    """
    written = folder / "things.table.json"
    written.write_text(json.dumps(table))
    (folder / "things.overlay.yaml").write_text(json.dumps(overlay))
    async with scripted() as upstream:
        api = {"catalog": str(written), "upstream": upstream.url, "credential": {"env": "STRIPE_SECRET"}}
        async with road(folder, upstream.url, apis={"things": api}, agents=CARDS, timeouts={"look": look}) as on:
            yield World(on, upstream)


def leads_there(records: Mapping[str, dict[str, Any]]) -> None:
    """
    Fail unless the patch leads from the image before to the one after, and the inverse back.
    """
    before = records["call.intent"]["payloads"]["before"]["json"]
    said = {name: part["json"] for name, part in records["change.recorded"]["payloads"].items()}
    assert same(apply(before, said["patch"]), said["after"])
    assert same(apply(said["after"], said["inv"]), before)


def sorted_paths(records: Mapping[str, dict[str, Any]]) -> Any:
    return records["change.recorded"]["payloads"]["paths"]["json"]


def ids(records: Mapping[str, dict[str, Any]], kind: str) -> list[tuple[str, str, str | None]]:
    return [(one["type"], one["id_h"], one.get("act")) for one in records[kind]["entry"]["res"]]


async def test_update(world: World) -> None:
    """An update is read before and after, and its change says what was asked for, what comes with it, what does not."""
    before = {"id": "t1", "slug": "one", "name": "Old", "size": {"w": 1, "h": 2}, "updated": 1, "owner": "ann"}
    after = {**before, "name": "New", "size": {"w": 5, "h": 2}, "updated": 2, "owner": "bob"}
    world.shows(before, {"ok": True}, after)
    sent = {"name": "New", "size": {"w": 5}, "why": "asked for"}
    answered = await world.write("PATCH", "/v1/things/t1", sent)
    assert marks(answered) == PASSED
    records = await world.records(answered)
    assert world.asked() == ["GET /v1/things/t1", "PATCH /v1/things/t1", "GET /v1/things/t1"]
    leads_there(records)
    assert sorted_paths(records) == {
        "requested": ["/thing/name", "/thing/size/w"],
        "expected": ["/thing/updated"],
        "unexpected": ["/thing/owner"],
        "unseen": [],
    }
    entry = records["change.recorded"]["entry"]
    assert entry["n"] == {"requested": 2, "expected": 1, "unexpected": 1, "unseen": 0}
    assert entry["intent"] == records["call.intent"]["entry"]["i"]
    assert entry["outcome"] == records["call.outcome"]["entry"]["i"]
    assert "note" not in entry


async def test_create(world: World) -> None:
    """What a write makes was not there before, and is known by every id that it shows."""
    world.shows({"id": "t2", "slug": "two", "name": "New", "secret": "never-to-be-kept"})
    answered = await world.write("POST", "/v1/things", {"name": "New"})
    records = await world.records(answered)
    assert world.asked() == ["POST /v1/things"]
    leads_there(records)
    assert records["call.intent"]["payloads"]["before"]["json"] == {"thing": None}
    assert [(kind, act) for kind, _, act in ids(records, "change.recorded")] == [("thing", "create")] * 2
    assert "never-to-be-kept" not in json.dumps(list(records.values()))
    assert records["change.recorded"]["entry"]["sens"] == 1


async def test_answered_before_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write's answer leaves before it is made an image and compared, be that the answer, a read or nothing."""
    told: list[str] = []
    compare, image, write = changes._told, stored_image, AgentRequest.write

    def imaged(*of: Any) -> Any:
        told.append("imaged")
        return image(*of)

    def compared(*of: Any) -> Any:
        told.append("compared")
        return compare(*of)

    def answered(request: AgentRequest, data: bytes) -> None:
        told.append("answered")
        write(request, data)

    monkeypatch.setattr(changes, "_told", compared)
    monkeypatch.setattr(changes, "stored_image", imaged)
    monkeypatch.setattr(AgentRequest, "write", answered)
    old, new = {"id": "told", "name": "Old"}, {"id": "told", "name": "New"}
    world.shows(old)
    await world.records(await world.write("POST", "/v1/things", {"name": "Old"}))
    world.shows(old, {"ok": True}, new)
    await world.records(await world.write("PATCH", "/v1/things/told", {"name": "New"}))
    assert world.asked() == ["POST /v1/things", "GET /v1/things/told", "PATCH /v1/things/told", "GET /v1/things/told"]
    world.shows(old, {"deleted": True})
    await world.records(await world.write("DELETE", "/v1/things/told"))
    world.asked()
    assert told == ["answered", "imaged", "compared", "answered", "compared", "answered", "compared"]


async def test_delete(world: World) -> None:
    """What a write removes is on record as it was, and its inverse would give it back."""
    world.shows({"id": "t3", "name": "Old"}, {"deleted": True})
    records = await world.records(await world.write("DELETE", "/v1/things/t3"))
    leads_there(records)
    assert records["change.recorded"]["payloads"]["after"]["json"] == {"thing": None}
    assert ids(records, "change.recorded")[0][2] == "delete"


async def test_one_object_one_name(world: World) -> None:
    """A read, a write and a change of one object, and a refusal to touch it, name it by the same hash."""
    world.shows({"id": "t4"}, {"id": "t4"}, {}, {"id": "t4"})
    read = await world.records(await world.write("GET", "/v1/things/t4"))
    written = await world.records(await world.write("PATCH", "/v1/things/t4", {"name": "N"}))
    refused = await world.records(await world.write("DELETE", "/v1/things/t4", agent="careful"))
    named = {one[:2] for records in (read, written, refused) for kind in records for one in _named(records, kind)}
    ((_, name),) = named
    assert named == {("thing", name)}
    assert re.fullmatch(r"h1:\d+:[a-z2-7]{26}", name)


def _named(records: Mapping[str, dict[str, Any]], kind: str) -> list[tuple[str, str, str | None]]:
    return ids(records, kind) if "res" in records[kind]["entry"] else []


async def test_was_not_there(world: World) -> None:
    """An object that the upstream does not know before a write did not exist."""
    world.shows(None, {}, {"id": "t5", "name": "N"})
    records = await world.records(await world.write("PATCH", "/v1/things/t5", {"name": "N"}))
    leads_there(records)
    assert ids(records, "change.recorded")[0][2] == "create"


@pytest.mark.parametrize("how", ["late", "hung up", "500", "no JSON"])
async def test_not_to_be_had(world: World, how: str) -> None:
    """Where the object cannot be read before a write, the write goes on and its record says that nobody saw it."""
    late = asyncio.Event()
    pieces: dict[str, Piece] = {
        "late": late,
        "hung up": HANG_UP,
        "500": answer(500, b"{}"),
        "no JSON": answer(200, b"<html>"),
    }
    for _ in range(1 if how == "no JSON" else 2):
        world.upstream.then(pieces[how])
    world.shows({}, {"id": "t6"})
    answered = await world.write("PATCH", "/v1/things/t6", {"name": how})
    late.set()
    assert marks(answered) == PASSED
    records = await world.records(answered)
    assert records["call.intent"]["entry"]["before"] == "missing"
    assert records["change.recorded"]["entry"]["note"] == "before-missing"
    assert set(records["change.recorded"]["payloads"]) == {"after"}
    world.asked()


@pytest.mark.parametrize(("method", "path", "who"), [("PATCH", "", "careful"), ("POST", "/guarded", "worker")])
async def test_required(world: World, method: str, path: str, who: str) -> None:
    """Where the card or the catalogue requires the image, a write that cannot be seen is not made."""
    for _ in range(2):
        world.upstream.then(answer(500, b"{}"))
    refused = await world.write(method, f"/v1/things/t7{path}", {"name": "N"}, who)
    assert marks(refused) == (503, "denied", "no", "images:before-missing")
    assert world.asked() == ["GET /v1/things/t7"] * 2
    assert set(await world.records(refused)) == {"call.look", "call.decision"}


async def test_after_not_to_be_had(world: World) -> None:
    """A change whose object cannot be read after it keeps the image before, and says why there is no more."""
    world.shows({"id": "t8", "name": "O"}, {})
    for _ in range(2):
        world.upstream.then(HANG_UP)
    records = await world.records(await world.write("PATCH", "/v1/things/t8", {"name": "N"}))
    assert records["call.intent"]["payloads"]["before"]["json"] == {"thing": {"id": "t8", "name": "O"}}
    assert records["change.recorded"]["entry"]["note"] == "after-missing"
    assert "payloads" not in records["change.recorded"] or not records["change.recorded"]["payloads"]


async def test_not_applied(world: World) -> None:
    """A write that the upstream refused, and one that may not have happened, have no change on record."""
    for status in (422, 500):
        world.shows({"id": "t9"})
        world.upstream.then(answer(status, b'{"message": "no"}'))
        records = await world.records(await world.write("PATCH", "/v1/things/t9", {"name": "N"}))
        assert "change.recorded" not in records


async def test_next_write_waits(world: World) -> None:
    """A write's image before it is taken only after that of the one before it was, so that no change is told twice."""
    world.asked()
    held = asyncio.Event()
    first, second, third = ({"id": "t10", "name": name} for name in ("A", "B", "C"))
    world.shows(first, {})
    world.upstream.then(held, answer(200, json.dumps(second).encode()))
    one = await world.write("PATCH", "/v1/things/t10", {"name": "B"})
    world.shows(second, {}, third)
    other = asyncio.create_task(world.write("PATCH", "/v1/things/t10", {"name": "C"}))
    await soon(lambda: len(world.upstream.asked) == 3)
    held.set()
    changes = [await world.records(await other), await world.records(one)]
    for records in changes:
        leads_there(records)
    patches = [records["change.recorded"]["payloads"]["patch"]["json"] for records in changes]
    assert [[op["value"] for op in ops] for ops in patches] == [["C"], ["B"]]


@pytest.mark.parametrize(
    ("segment", "asked"),
    [
        ("a%20b", "GET /v1/things/a%20b"),
        ("a%2Fb", None),
        ("%C3%A9", "GET /v1/things/%C3%A9"),
        ("a%3Fb", "GET /v1/things/a%3Fb"),
    ],
)
async def test_does_not_lead_elsewhere(world: World, segment: str, asked: str | None) -> None:
    """A look is at the object that the call names, and where its name could be read as a path there is none."""
    world.asked()
    world.shows(*[{"id": "x"}] * (3 if asked else 1))
    records = await world.records(await world.write("PATCH", f"/v1/things/{segment}", {"name": "N"}))
    first = world.asked()[0]
    assert first == (asked or f"PATCH /v1/things/{segment}")
    assert (records["call.intent"]["entry"].get("before") == "missing") is (asked is None)
