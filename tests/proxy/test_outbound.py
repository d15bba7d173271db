"""What leaves: the vendor's key in place of the agent's, our own headers, and nothing copied."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import strategies as st

from loadtest.installation import agent, stripe_api
from proxy.clock import system_randomness
from proxy.upstreamkey import UpstreamKeys
from tests.ledger.world import Counted
from tests.proxy.road import Road, road
from tests.proxy.rows import CREATE
from tests.proxy.scripted import Asked, Scripted, scripted

DERIVED = re.compile(r"bw1_[a-z2-7]{52}")
RANDOM = re.compile(r"bw1_[a-z2-7]{32}")
KEY = "order-4711"

OPERATIONS: dict[str, object] = {
    "customers.*": {},
    "payment_intents.create": {},
    "v2.core.event_destinations.*": {},
    "v2.billing.meter_events.create": {},
}
CARD = agent({"stripe": OPERATIONS, "second": OPERATIONS})
CARDS = {"support": CARD, "other": CARD}


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that keeps what it was asked.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture
async def on(upstream: Scripted, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give a road with two agents and two accounts of one vendor.
    """
    async with road(tmp_path, upstream.url, apis={"second": stripe_api(upstream.url)}, agents=CARDS) as running:
        yield running


async def written(
    on: Road, upstream: Scripted, key: str | None, *, agent: str = "support", door: str = "stripe"
) -> str:
    """
    Make a write under an agent's key, and return the key that it left under.
    """
    headers = () if key is None else (("Idempotency-Key", key),)
    answer = await on.ask("POST", "/v1/customers", agent=agent, door=door, form=CREATE, headers=headers)
    assert answer.status == 200
    return upstream.asked[-1].headers["idempotency-key"]


async def test_upstream_key(on: Road, upstream: Scripted) -> None:
    """One agent's key at one account is one key of the vendor's; another agent, account or key is another."""
    first = await written(on, upstream, KEY)
    assert DERIVED.fullmatch(first)
    assert await written(on, upstream, KEY) == first
    others = [
        await written(on, upstream, KEY, agent="other"),
        await written(on, upstream, KEY, door="second"),
        await written(on, upstream, KEY + "2"),
    ]
    assert len({first, *others}) == 4
    assert not any(KEY in str(asked) for asked in upstream.asked)


async def test_without_a_key(on: Road, upstream: Scripted) -> None:
    """A write whose agent sent no key leaves under a random one, never the same for the same content."""
    keys = {await written(on, upstream, None) for _ in range(3)}
    assert len(keys) == 3
    assert all(RANDOM.fullmatch(key) for key in keys)


async def test_after_a_restart(upstream: Scripted, tmp_path: Path) -> None:
    """The next process derives the same key, because the key ring is the folder's."""
    seen = []
    for _ in range(2):
        async with road(tmp_path, upstream.url) as on:
            seen.append(await written(on, upstream, KEY))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("method", "target", "door", "carries"),
    [
        ("GET", "/v1/customers", "stripe", False),
        ("POST", "/v1/customers", "stripe", True),
        ("DELETE", "/v1/customers/cus_1", "stripe", False),
        ("DELETE", "/v2/core/event_destinations/ed_1", "stripe", True),
        ("GET", "/v2/core/event_destinations", "stripe", False),
    ],
)
async def test_who_carries_one(
    method: str, target: str, door: str, carries: bool, on: Road, upstream: Scripted
) -> None:
    """Only a write whose vendor honours keys carries one, and a read never does, whatever its agent sent."""
    await on.ask(method, target, door=door, headers=(("Idempotency-Key", KEY),))
    # A look at what it would change may come before it, and carries none either.
    (asked,) = [one for one in upstream.asked if one.line.startswith(method)]
    assert all("idempotency-key" not in one.headers for one in upstream.asked if one is not asked)
    assert ("idempotency-key" in asked.headers) is carries


def names(asked: Asked) -> set[str]:
    """
    Return the names of the headers that arrived.
    """
    return set(asked.headers)


async def test_headers(on: Road, upstream: Scripted) -> None:
    """What leaves is what is listed, what the API's manners name, and our own; the rest is dropped and on record."""
    sent = (
        ("Accept", "application/json"),
        ("User-Agent", "sdk/1"),
        ("Stripe-Version", "2026-10-28"),
        ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Cookie", "a=b"),
        ("Accept-Encoding", "gzip"),
        ("X-Stripe-Client-User-Agent", "{}"),
        ("Breakwater-Deadline-Ms", "5000"),
        ("Prefer", "wait=3"),
    )
    answer = await on.ask("POST", "/v1/customers", form=CREATE, headers=sent)
    (asked,) = upstream.asked
    kept = {"accept", "user-agent", "stripe-version", "traceparent"}
    ours = {"host", "authorization", "idempotency-key", "accept-encoding", "content-type", "content-length"}
    assert names(asked) == kept | ours
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["host"] == upstream.url.removeprefix("http://")
    intent = (await on.opened(answer.header("Breakwater-Call") or ""))[0]
    assert intent["entry"]["odd"]["dropped"] >= 3
    assert "x-forwarded-for" in intent["payloads"]["req"]["text"]
    assert "10.0.0.1" not in intent["payloads"]["req"]["text"]


async def test_canonical_spelling(on: Road, upstream: Scripted) -> None:
    """Path, query and body leave in one spelling, whatever spelling they came in."""
    await on.ask("GET", "/v1/customers/%63us_1?expand%5b%5D=default%5Fsource&limit=%33")
    await on.ask(
        "POST", "/v1/customers", body=b"name=a+b%2Dc&metadata[k]=%C3%A9", media="application/x-www-form-urlencoded"
    )
    read, write = upstream.asked
    assert read.line.startswith("GET /v1/customers/cus_1?expand%5B%5D=default_source&limit=3 ")
    assert write.body == b"name=a%20b-c&metadata%5Bk%5D=%C3%A9"
    assert write.headers["content-length"] == str(len(write.body))


async def test_no_body(on: Road, upstream: Scripted) -> None:
    """A write without a body says so, and a read says nothing about one."""
    await on.ask("POST", "/v1/customers")
    await on.ask("GET", "/v1/customers")
    write, read = upstream.asked
    assert (write.headers["content-length"], "content-type" in write.headers) == ("0", False)
    assert names(read) == {"host", "authorization", "accept-encoding"}


text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
triples = st.tuples(text, text, text)


@given(triples, triples)
@example(("ab", "c", "d"), ("a", "bc", "d"))
@example(("a", "bc", "d"), ("a", "b", "cd"))
def test_one_key_each(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Two triples of agent, account and key share a key of the vendor's only if they are the same triple."""
    keys = UpstreamKeys(b"s" * 32, Counted())
    assert (keys.key(*one) == keys.key(*other)) is (one == other)
    assert UpstreamKeys(b"t" * 32, Counted()).key(*one) != keys.key(*one)


def test_key_of_a_key() -> None:
    """The vendor's key fits where vendors take keys, and two random ones differ."""
    keys = UpstreamKeys(b"s" * 32, system_randomness)
    assert len(keys.key("a", "b", "c" * 255)) <= 255
    assert keys.key("a", "b", None) != keys.key("a", "b", None)
