"""What leaves: the vendor's key in place of the agent's, our own headers, and nothing copied."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio

from breakers.call import Operation
from config.catalog import Marker, MarkerForm
from loadtest.installation import agent, stripe_api
from proxy.clock import system_randomness
from proxy.outbound import Wires
from proxy.upstreamkey import mint_key
from tests.ledger.world import call, spec
from tests.proxy.forwarding import account
from tests.proxy.road import Road, road
from tests.proxy.rows import CREATE
from tests.proxy.scripted import Asked, Scripted, scripted

MINTED = re.compile(r"bw1_[a-z2-7]{26}")
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
    on: Road, upstream: Scripted, key: str | None, *, agent: str = "support", door: str = "stripe", name: str = "a"
) -> str:
    """
    Make a write under an agent's key, and return the key that it left under.
    """
    headers = () if key is None else (("Idempotency-Key", key),)
    form = {**CREATE, "name": name}
    answer = await on.ask("POST", "/v1/customers", agent=agent, door=door, form=form, headers=headers)
    assert answer.status == 200
    return upstream.asked[-1].headers["idempotency-key"]


async def test_upstream_key(on: Road, upstream: Scripted) -> None:
    """Each write leaves under a key of its own, in which nothing of its agent's key can be seen."""
    keys = [
        await written(on, upstream, KEY),
        await written(on, upstream, KEY, agent="other", name="b"),
        await written(on, upstream, KEY, door="second", name="c"),
        await written(on, upstream, KEY + "2", name="d"),
        await written(on, upstream, None, name="e"),
    ]
    assert len(set(keys)) == len(keys) == len(upstream.asked)
    assert all(MINTED.fullmatch(key) for key in keys)
    assert not any(KEY in str(asked) for asked in upstream.asked)


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


def test_minted_keys() -> None:
    """A key is sixteen bytes of randomness and nothing else, and fits wherever vendors take keys."""
    drawn = iter([bytes(16), bytes(15) + b"\x01"])
    first, second = mint_key(lambda _: next(drawn)), mint_key(lambda _: next(drawn))
    assert first == "bw1_" + "a" * 26 != second
    assert MINTED.fullmatch(mint_key(system_randomness))


MARKER = Marker("metadata", MarkerForm.MEMBER, "/metadata")
MARKED = ("metadata[breakwater_call]", call().id)


@pytest.mark.parametrize(
    ("mark", "marker", "marked"), [(True, MARKER, True), (False, MARKER, False), (True, None, False)]
)
def test_mark(mark: bool, marker: Marker | None, marked: bool) -> None:
    """A write bears the mark of its intent where that is asked for and its catalogue says how, and its wire says so."""
    marking = replace(call(), operation=Operation(replace(spec(), marker=marker), {}))
    wire = Wires(system_randomness).write(marking, account(), mark=mark)
    assert (MARKED in parse_qsl(wire.body.decode())) is marked is wire.marked
    assert not wire.keyed


def test_keyed() -> None:
    """A wire says whether it leaves under a key of ours, and two wires of one call leave under two."""
    keyed = replace(call(), operation=Operation(replace(spec(), honours_key=True), {}))
    wires = [Wires(system_randomness).write(keyed, account()) for _ in range(2)]
    assert all(wire.keyed for wire in wires)
    assert len({dict(wire.headers)["idempotency-key"] for wire in wires}) == 2
