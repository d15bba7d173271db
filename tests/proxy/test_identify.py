"""Who calls: one agent key or task token, wherever an SDK puts an API key, and never further than here."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from breakers.policy import AgentRules
from breakers.verdict import Reason
from proxy.canonical.heads import canonical_head
from proxy.errors import Refused
from proxy.identify import UNKNOWN, identify
from proxy.keys import Keys, make_key
from proxy.ledger.keyring import KeyRing
from proxy.peers import Peer
from proxy.tokens import Tokens
from tests.ledger.world import Counted
from tests.proxy.road import SECRET, Headers, Road, road
from tests.proxy.scripted import Scripted, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that looks.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(upstream: Scripted, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road.
    """
    async with road(tmp_path_factory.mktemp("identify"), upstream.url) as running:
        yield running


def encoded(text: str) -> str:
    """
    Return a text in base64.
    """
    return base64.b64encode(text.encode()).decode()


PLACES: dict[str, Callable[[str], Headers]] = {
    "Bearer": lambda key: [("Authorization", f"Bearer {key}")],
    "bearer": lambda key: [("authorization", f"bearer  {key}")],
    "token": lambda key: [("Authorization", f"token {key}")],
    "Basic, user": lambda key: [("Authorization", f"Basic {encoded(f'{key}:')}")],
    "Basic, password": lambda key: [("Authorization", f"Basic {encoded(f'someone@example.com:{key}')}")],
    "Breakwater-Key": lambda key: [("Breakwater-Key", key)],
    "both, the same": lambda key: [("Authorization", f"Bearer {key}"), ("Breakwater-Key", key)],
}


@pytest.mark.parametrize("place", PLACES)
async def test_places(place: str, on: Road, upstream: Scripted) -> None:
    """A key is found wherever an SDK puts one, is stripped, and the account's own credential leaves in its stead."""
    upstream.asked.clear()
    key = on.keys["support"]
    answer = await on.ask("GET", "/v1/customers", key="", headers=PLACES[place](key))
    assert answer.status == 200
    (asked,) = upstream.asked
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert not any(form in str(asked) for form in (key, encoded(f"{key}:"), "breakwater"))
    assert on.log.lines[-1]["agent"] == "support"


WRONG = {
    "none": ([], 401, "key-missing"),
    "empty": ([("Authorization", "")], 401, "key-missing"),
    "another scheme": ([("Authorization", "Digest @")], 401, "key-unknown"),
    "no scheme": ([("Authorization", "@")], 401, "key-unknown"),
    "a piece": ([("Authorization", "Bearer @x")], 401, "key-unknown"),
    "no base64": ([("Authorization", "Basic @")], 401, "key-unknown"),
    "another beside it": (
        [("Authorization", "Bearer @"), ("Breakwater-Key", "bwk_aaaaaaaa_" + "b" * 52)],
        400,
        "keys-conflict",
    ),
    "twice": ([("Breakwater-Key", "@"), ("Breakwater-Key", "@")], 400, "head-malformed"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong(name: str, on: Road, upstream: Scripted) -> None:
    """Without exactly one key in its place there is no caller, and no answer tells what was wrong with it."""
    upstream.asked.clear()
    headers, status, reason = WRONG[name]
    shown = [(header, value.replace("@", on.keys["support"])) for header, value in headers]
    no = await on.ask("GET", "/v1/customers", key="", headers=shown)
    assert (no.status, no.reason) == (status, reason)
    assert on.keys["support"].encode() not in no.raw
    assert no.header("WWW-Authenticate") is None
    assert upstream.asked == []


async def test_revoked(on: Road) -> None:
    """A key is refused from the moment of its revocation, in the same words as one that never was."""
    key = await on.mint("support")
    shown = [("Authorization", f"Bearer {key}")]
    assert (await on.ask("GET", "/v1/customers", key="", headers=shown)).status == 200
    on.rooms.keys.revoked(key.split("_")[1])
    no = await on.ask("GET", "/v1/customers", key="", headers=shown)
    assert (no.status, no.reason) == (401, "key-unknown")
    assert UNKNOWN in no.json["error"]["message"]


async def test_without_a_card() -> None:
    """A key whose agent has no card any more is unknown, and one that has is its agent's with the day's own task."""
    keys = Keys()
    key, text = make_key("gone", Counted())
    keys.minted(key)
    head = canonical_head("GET", (1, 1), ((b"Host", b"a"), (b"Breakwater-Key", text.encode())))
    now = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    tokens, card = Tokens(KeyRing({1: bytes(32)}, 1), Counted()), AgentRules({}, {})
    with pytest.raises(Refused) as refused:
        identify(head, Peer(None), keys, tokens, {"support": card}, now)
    assert refused.value.reason is Reason.KEY_UNKNOWN
    caller = identify(head, Peer(None), keys, tokens, {"gone": card}, now)
    assert (caller.agent, caller.key_id, caller.task) == ("gone", key.kid, "gone/2026-11-21")


async def test_token_without_a_card() -> None:
    """A token whose agent has no card any more is unknown, and one that has is its agent's with the token's task."""
    tokens, card = Tokens(KeyRing({1: bytes(32)}, 1), Counted()), AgentRules({}, {})
    now = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    token = tokens.mint("gone/01M7YZDQY12XJKES0GC4ZSQHB4", now + timedelta(hours=1), ("n=1",))
    head = canonical_head("GET", (1, 1), ((b"Host", b"a"), (b"Authorization", f"token {token.spelled()}".encode())))
    with pytest.raises(Refused) as refused:
        identify(head, Peer(None), Keys(), tokens, {"support": card}, now)
    assert refused.value.reason is Reason.KEY_UNKNOWN
    caller = identify(head, Peer(None), Keys(), tokens, {"gone": card}, now)
    assert (caller.agent, caller.key_id, caller.task) == ("gone", token.id, "gone/01M7YZDQY12XJKES0GC4ZSQHB4")
    assert (caller.named, caller.opened, len(caller.tokens), caller.tokens[0]) == (True, None, 2, token.id)
