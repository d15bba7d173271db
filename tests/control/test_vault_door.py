"""The vault over the admin door: an operator's token, what each verb says, and a secret in no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.ledger.writer import State
from tests.canary.forms import secret
from tests.proxy.road import Road, road
from tests.proxy.scripted import scripted
from tests.proxy.sealed import put_here
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = secret("vault-door")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road whose API `stripe` takes its credential from the vault.
    """
    folder = tmp_path_factory.mktemp("vault")
    async with scripted() as upstream:
        await put_here(folder, "stripe", f"{CANARY}-1")
        bases = dict.fromkeys(("api", "files", "meter_events"), upstream.url)
        apis = {"stripe": {"catalog": "stripe", "upstream": bases, "credential": {"vault": "stripe"}}}
        async with road(folder, upstream.url, apis=apis, secret=CANARY) as running:
            yield running


async def rows(on: Road) -> list[dict[str, Any]]:
    """
    Return what the admin door lists.
    """
    listed = await on.admin("GET", "/v1/vault")
    on.check(listed.raw)
    return [{key: value for key, value in row.items() if key != "at"} for row in listed.json]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/vault"),
        ("POST", "/v1/vault/other"),
        ("POST", "/v1/vault/stripe/versions"),
        ("DELETE", "/v1/vault/stripe"),
        ("DELETE", "/v1/vault/stripe/versions/1"),
    ],
)
async def test_token(method: str, path: str, on: Road) -> None:
    """Nobody without an operator's token reaches the vault, an agent neither."""
    before = await rows(on)
    for token in ("", "wrong", on.keys["support"]):
        assert (await on.admin(method, path, {"secret": f"{CANARY}-9"}, token=token)).status == 401
    assert await rows(on) == before


async def test_life(on: Road) -> None:
    """A name is put, rotated, taken back and removed, and every answer names versions only."""
    said = [
        await on.admin("POST", "/v1/vault/spare", {"secret": f"{CANARY}-1"}),
        await on.admin("POST", "/v1/vault/spare/versions", {"secret": f"{CANARY}-2"}),
        await on.admin("POST", "/v1/vault/spare/versions", {"to": 1}),
    ]
    assert [(answer.status, answer.json) for answer in said] == [
        (201, {"name": "spare", "version": number}) for number in (1, 2, 3)
    ]
    assert [row for row in await rows(on) if row["name"] == "spare"] == [
        {"name": "spare", "version": 3, "state": "current", "apis": []},
        {"name": "spare", "version": 2, "state": "former", "apis": []},
        {"name": "spare", "version": 1, "state": "former", "apis": []},
    ]
    one = await on.admin("DELETE", "/v1/vault/spare/versions/2")
    assert (one.status, one.json) == (200, [{"name": "spare", "version": 2}])
    gone = await on.admin("DELETE", "/v1/vault/spare")
    assert (gone.status, gone.json) == (200, [{"name": "spare", "version": 1}, {"name": "spare", "version": 3}])
    assert [row["name"] for row in await rows(on)] == ["stripe"]
    for answer in (*said, one, gone):
        on.check(answer.raw)


REFUSED: dict[str, tuple[str, str, object, int]] = {
    "put twice": ("POST", "/v1/vault/stripe", {"secret": f"{CANARY}-9"}, 409),
    "no name": ("POST", "/v1/vault/Not%20A%20Name", {"secret": f"{CANARY}-9"}, 409),
    "rotate unknown": ("POST", "/v1/vault/strip/versions", {"secret": f"{CANARY}-9"}, 409),
    "back to unknown": ("POST", "/v1/vault/stripe/versions", {"to": 9}, 409),
    "back to true": ("POST", "/v1/vault/stripe/versions", {"to": True}, 409),
    "two answers": ("POST", "/v1/vault/stripe/versions", {"to": 1, "secret": f"{CANARY}-9"}, 409),
    "remove needed": ("DELETE", "/v1/vault/stripe", None, 409),
    "remove current": ("DELETE", "/v1/vault/stripe/versions/1", None, 409),
    "remove nothing": ("DELETE", "/v1/vault/strip", None, 409),
    "remove no number": ("DELETE", "/v1/vault/stripe/versions/x", None, 404),
    "no body": ("POST", "/v1/vault/other", b"", 409),
    "no JSON": ("POST", "/v1/vault/other", f"{{{CANARY}".encode(), 409),
    "a list": ("POST", "/v1/vault/other", [CANARY], 409),
    "no secret": ("POST", "/v1/vault/other", {"secrets": CANARY}, 409),
    "a number": ("POST", "/v1/vault/other", {"secret": 5}, 409),
    "blank": ("POST", "/v1/vault/other", {"secret": "  "}, 409),
    "two lines": ("POST", "/v1/vault/other", {"secret": f"{CANARY}\nX-Other: 1"}, 409),
    "too long": ("POST", "/v1/vault/other", {"secret": CANARY * 200}, 409),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str, on: Road) -> None:
    """What cannot be done says what to do instead, repeats no secret and changes nothing."""
    method, path, body, status = REFUSED[name]
    before = await rows(on)
    answer = await on.admin(method, path, body)
    assert (answer.status, set(answer.json)) == (status, {"error", "hint"})
    assert answer.json["hint"]
    assert CANARY not in answer.raw.decode()
    assert await rows(on) == before


async def test_unrecorded(on: Road) -> None:
    """While the ledger is gone a rotation is refused, and the version in use stays."""
    before = await rows(on)
    on.rooms.ledger._writer.state = State.POISONED
    answer: Answer = await on.admin("POST", "/v1/vault/stripe/versions", {"secret": f"{CANARY}-9"})
    on.rooms.ledger._writer.state = State.READY
    assert answer.status == 409
    assert "is not known" in answer.json["error"]
    assert await rows(on) == before
    # What was sealed is found, and is on record before the next change.
    again = await on.admin("POST", "/v1/vault/stripe/versions", {"secret": f"{CANARY}-3"})
    assert again.json == {"name": "stripe", "version": 3}
    acts = [r.entry["how"] for r in await on.newest(50) if r.kind == "credential.changed" and r.entry["ver"] > 1]
    assert acts[-2:] == ["rotated", "rotated"]
