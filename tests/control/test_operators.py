"""Operators' personal tokens: made once, on record as a digest, worth what the configuration says at that moment."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.noticed import notice_from
from proxy.ledger.writer import State
from tests.proxy.road import SECRET, Road, road
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATORS = {"ada": {"roles": ["approver", "finance"]}, "bob": {"roles": ["admin"]}, "eve": {}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(sandbox: StripeSandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road with operators.
    """
    async with road(tmp_path_factory.mktemp("operators"), sandbox.url, operators=OPERATORS) as running:
        yield running


async def mint(on: Road, name: str, token: str | None = None) -> dict[str, Any]:
    """
    Make a token for an operator.
    """
    answer = await on.admin("POST", "/v1/operators", {"operator": name}, token=token)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


async def look(on: Road, token: str) -> Answer:
    """
    Look at something with a token.
    """
    return await on.admin("GET", "/v1/operators", token=token)


async def test_life(on: Road) -> None:
    """A minted token opens at once, is listed without its text, and is worth nothing from its revocation on."""
    made = await mint(on, "ada")
    assert (made["operator"], made["roles"]) == ("ada", ["approver", "finance"])
    assert made["token"].startswith(f"bwo1_{made['id']}_")
    listed = await look(on, made["token"])
    row = {"operator": "ada", "id": made["id"], "state": "valid", "roles": ["approver", "finance"]}
    assert row in listed.json
    assert {"operator": "eve", "id": None, "state": "none", "roles": []} in listed.json
    assert made["token"].encode() not in listed.raw
    gone = await on.admin("DELETE", f"/v1/operators/{made['id']}")
    assert (gone.status, gone.json) == (200, {"id": made["id"], "operator": "ada", "state": "revoked"})
    assert (await look(on, made["token"])).status == 401
    assert (row | {"state": "revoked"}) in (await on.admin("GET", "/v1/operators")).json


async def test_on_record(on: Road) -> None:
    """A token is on record by its digest and by who made it, and its text stands nowhere."""
    bob = await mint(on, "bob")
    made = await mint(on, "ada", bob["token"])
    for _ in range(2):
        await on.admin("DELETE", f"/v1/operators/{made['id']}", token=bob["token"])
    await on.admin("POST", "/v1/keys", {"agent": "support"}, token=bob["token"])
    records = [one.entry for one in await on.newest(50) if one.entry.get("kid") == made["id"]]
    assert [(one["k"], one.get("name"), one["by"]) for one in records] == [
        ("operator.minted", "ada", "bob"),
        ("operator.revoked", None, "bob"),
    ]
    assert next(one.entry["by"] for one in await on.newest(1)) == "bob"
    files = [path for path in on.state.rglob("*") if path.is_file()]
    assert files
    assert not any(made["token"].encode() in path.read_bytes() for path in files)


async def test_told(on: Road) -> None:
    """People are told, once each, that a token was made or revoked: whose, by whom, and nothing that opens anything."""
    bob = await mint(on, "bob")
    made = await mint(on, "ada", bob["token"])
    for _ in range(2):
        await on.admin("DELETE", f"/v1/operators/{made['id']}")
    told = [line for line in on.log.of("operator") if line["token"] == made["id"]]
    assert [(line["operator"], line["state"], line["by"]) for line in told] == [
        ("ada", "valid", "bob"),
        ("ada", "revoked", "admin"),
    ]
    records = [one.entry for one in await on.newest(50) if one.entry.get("kid") == made["id"]]
    assert [one["notice"] for one in records] == [{"kind": "operator", "id": line["id"]} for line in told]
    again = notice_from(records[0])
    assert dict(again.fields) == {"name": "ada", "kid": made["id"], "by": "bob"}


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: text + "a", lambda text: text[5:]])
async def test_spelled_otherwise(change: Any, on: Road) -> None:
    """A token is taken whole and as it is."""
    made = await mint(on, "ada")
    assert (await look(on, change(made["token"]))).status == 401
    assert (await look(on, made["token"])).status == 200


async def test_is_no_key(on: Road) -> None:
    """An operator's token opens no agent's door, under whatever prefix."""
    text = (await mint(on, "bob"))["token"]
    for shown in (text, text.replace("bwo1_", "bwk_")):
        no = await on.ask("GET", "/v1/customers", key="", headers=(("Authorization", f"Bearer {shown}"),))
        assert (no.status, no.reason) == (401, "key-unknown")
    assert (await look(on, on.keys["support"].replace("bwk_", "bwo1_"))).status == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"operator": 1}', b'{"operator": "ada", "roles": ["admin"]}'])
async def test_no_operator(body: bytes, on: Road) -> None:
    """A body that names nobody, or more than a name, makes no token."""
    before = (await on.admin("GET", "/v1/operators")).json
    assert (await on.admin("POST", "/v1/operators", body)).status == 400
    assert (await on.admin("GET", "/v1/operators")).json == before


async def test_unknown(on: Road) -> None:
    """Who is not in the configuration gets no token, and an id that no token has revokes none."""
    no = await on.admin("POST", "/v1/operators", {"operator": "adda"})
    assert (no.status, no.json["hint"]) == (400, "did you mean `ada`?")
    assert (await on.admin("DELETE", "/v1/operators/nothing")).status == 404


async def test_unrecorded(on: Road) -> None:
    """While the ledger takes nothing new no token is made, and one can still be taken back."""
    made = await mint(on, "ada")
    on.rooms.ledger._writer.state = State.READONLY
    minted = await on.admin("POST", "/v1/operators", {"operator": "ada"})
    revoked = await on.admin("DELETE", f"/v1/operators/{made['id']}")
    on.rooms.ledger._writer.state = State.READY
    assert (minted.status, revoked.status) == (503, 200)
    assert (await look(on, made["token"])).status == 401


async def test_after_a_restart(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """The next process knows every token, and holds it against what the configuration says by then."""
    async with road(tmp_path, sandbox.url, operators=OPERATORS) as on:
        ada, bob, gone = [(await mint(on, name)) for name in ("ada", "bob", "bob")]
        await on.admin("DELETE", f"/v1/operators/{gone['id']}")
        listed = (await on.admin("GET", "/v1/operators")).json
    async with road(tmp_path, sandbox.url, operators=OPERATORS) as on:
        assert (await on.admin("GET", "/v1/operators")).json == listed
        assert [(await look(on, one["token"])).status for one in (ada, bob, gone)] == [200, 200, 401]
    async with road(tmp_path, sandbox.url, operators={"bob": {}}) as on:
        assert [(await look(on, one["token"])).status for one in (ada, bob, gone)] == [401, 200, 401]
        assert [row["state"] for row in (await on.admin("GET", "/v1/operators")).json] == [
            "no operator",
            "valid",
            "revoked",
        ]


async def test_role_taken_away(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A role counts as the configuration says it now: what a reload takes away is gone with the next call."""
    async with road(tmp_path, sandbox.url, operators=OPERATORS) as on:
        bob = (await mint(on, "bob"))["token"]
        assert (await on.admin("POST", "/v1/keys", {"agent": "support"}, token=bob)).status == 201
        written = tmp_path / "breakwater.yaml"
        document = json.loads(written.read_text())
        written.write_text(json.dumps({**document, "operators": {**OPERATORS, "bob": {"roles": ["resume"]}}}))
        applied = await on.admin("POST", "/v1/reload", token=bob)
        assert (applied.status, applied.json["changed"]) == (200, ["operators.bob"])
        assert (await on.admin("POST", "/v1/keys", {"agent": "support"}, token=bob)).status == 403
        written.write_text(json.dumps({**document, "operators": {"ada": {}}}))
        assert (await on.admin("POST", "/v1/reload")).status == 200
        assert (await look(on, bob)).status == 401
