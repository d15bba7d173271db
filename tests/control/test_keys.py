"""Agents' keys over the admin door: minted, listed, revoked at once; each on record before it counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.writer import State
from tests.proxy.road import SECRET, Road, road
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    Give a road with its admin door.
    """
    async with road(tmp_path_factory.mktemp("keys"), sandbox.url) as running:
        yield running


async def read(on: Road, key: str) -> Answer:
    """
    Read with a key.
    """
    return await on.ask("GET", "/v1/customers", key="", headers=(("Authorization", f"Bearer {key}"),))


async def rows(on: Road) -> list[dict[str, Any]]:
    """
    Return the keys as the admin door lists them.
    """
    listed: list[dict[str, Any]] = (await on.admin("GET", "/v1/keys")).json
    return listed


async def test_life(on: Road) -> None:
    """A minted key opens at once, is listed without its text, and is refused from the answer to its revocation on."""
    minted = await on.admin("POST", "/v1/keys", {"agent": "support"})
    assert minted.status == 201
    made = minted.json
    assert (made["agent"], made["key"].split("_")[1]) == ("support", made["kid"])
    assert (await read(on, made["key"])).status == 200
    assert {"kid": made["kid"], "agent": "support", "revoked": False} in await rows(on)
    gone = await on.admin("DELETE", f"/v1/keys/{made['kid']}")
    assert (gone.status, gone.json) == (200, {"kid": made["kid"], "agent": "support", "revoked": True})
    no = await read(on, made["key"])
    assert (no.status, no.reason) == (401, "key-unknown")
    assert gone.json in await rows(on)
    assert (await read(on, on.keys["support"])).status == 200


async def test_twice(on: Road) -> None:
    """Revoking twice is one record, and its second answer is the first's."""
    kid = (await on.admin("POST", "/v1/keys", {"agent": "support"})).json["kid"]
    first, second = [await on.admin("DELETE", f"/v1/keys/{kid}") for _ in range(2)]
    assert (first.status, first.json) == (second.status, second.json)
    kinds = [record.kind for record in await on.newest(50) if record.entry.get("kid") == kid]
    assert kinds == ["key.minted", "key.revoked"]


async def test_on_record(on: Road) -> None:
    """A key is on record by its id and its hash, and nowhere by its text."""
    made = (await on.admin("POST", "/v1/keys", {"agent": "platform"})).json
    (record,) = [one for one in await on.newest(50) if one.entry.get("kid") == made["kid"]]
    assert record.entry["agent"] == "platform"
    files = [path for path in on.state.rglob("*") if path.is_file()]
    assert files
    assert not any(made["key"].encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'"support"',
        b"null",
        b"7",
        b'{"agent": null}',
        b'{"agent": ["support"]}',
        b'{"agent": ""}',
    ],
)
async def test_no_agent(body: bytes, on: Road) -> None:
    """A body that names no agent is 400 with what to send, and mints nothing."""
    before = await rows(on)
    answer = await on.admin("POST", "/v1/keys", body)
    assert answer.status == 400
    assert set(answer.json) == {"error", "hint"}
    assert await rows(on) == before


async def test_unknown_agent(on: Road) -> None:
    """An agent without a card gets no key, and the answer names those that have one."""
    answer = await on.admin("POST", "/v1/keys", {"agent": "suport"})
    assert answer.status == 400
    assert answer.json["hint"] == "agents in the configuration: platform, support"


@pytest.mark.parametrize("kid", ["nothing", "x" * 300, "%2e%2e", "bwk_aaaa"])
async def test_unknown_key(kid: str, on: Road) -> None:
    """An id that no key has is 404 with where ids are found."""
    answer = await on.admin("DELETE", f"/v1/keys/{kid}")
    assert (answer.status, answer.json["hint"]) == (404, "`breakwater key list` prints the ids")


async def test_large_body(on: Road) -> None:
    """A body that is larger than any command is refused."""
    assert (await on.admin("POST", "/v1/keys", b'{"agent": "' + b"a" * 70_000 + b'"}')).status in {400, 413}


async def test_unrecorded(on: Road) -> None:
    """While nothing can be recorded no key is minted, and none that is asked for exists."""
    before = await rows(on)
    on.rooms.ledger._writer.state = State.READONLY
    answer = await on.admin("POST", "/v1/keys", {"agent": "support"})
    on.rooms.ledger._writer.state = State.READY
    assert (answer.status, set(answer.json)) == (503, {"error", "hint"})
    assert await rows(on) == before


async def test_after_a_restart(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """The next process knows every key, and which were revoked."""
    async with road(tmp_path, sandbox.url) as on:
        kept, gone = on.keys["support"], on.keys["platform"]
        await on.admin("DELETE", f"/v1/keys/{gone.split('_')[1]}")
        listed = await rows(on)
    async with road(tmp_path, sandbox.url) as on:
        assert (await read(on, kept)).status == 200
        assert (await read(on, gone)).status == 401
        assert (await rows(on))[:2] == listed
