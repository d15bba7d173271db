"""Re-sends from the outside: what the agent is told, what the upstream was asked, what is on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from prometheus_client import generate_latest

from loadtest.installation import agent
from tests.proxy.road import Road, call_of, closed_port, marks, road
from tests.proxy.rows import CREATE
from tests.proxy.scripted import HANG_UP, OK, Scripted, answer, scripted

CARDS = {"support": agent({"stripe": {"customers.*": {"marker": True}, "products.delete": {}}})}


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that says what it is told to.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture
async def on(upstream: Scripted, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give a road to it.
    """
    async with road(tmp_path, upstream.url, agents=CARDS) as running:
        yield running


async def test_lost_answer(on: Road, upstream: Scripted) -> None:
    """A write whose answer was lost is sent again under its key, and its caller sees one answer of one call."""
    upstream.then(HANG_UP)
    got = await on.ask("POST", "/v1/customers", form=CREATE)
    assert marks(got) == (200, "executed", "yes", "forward:allowed")
    first, second = upstream.asked
    assert (first.line, first.headers, first.body) == (second.line, second.headers, second.body)
    assert first.headers["idempotency-key"].startswith("bw1_")
    records = await on.on_record(call_of(got))
    assert [record.kind for record in records][:2] == ["call.intent", "call.outcome"]
    assert records[1].entry["tries"] == 2
    said = generate_latest(on.rooms.metrics.registry).decode()
    assert 'breakwater_upstream_retries_total{api="stripe",why="in-doubt"} 1.0' in said


async def test_lost_answer_without_a_key(on: Road, upstream: Scripted) -> None:
    """A write that its vendor takes no key for is one request on the wire, and in doubt."""
    upstream.then(OK)  # to the look at what it deletes
    upstream.then(HANG_UP)
    got = await on.ask("DELETE", "/v1/products/prod_1")
    assert marks(got) == (424, "unknown", "unknown", "forward:outcome-unknown")
    assert [asked.line.split(" ")[0] for asked in upstream.asked].count("DELETE") == 1


async def test_failing_read(on: Road, upstream: Scripted) -> None:
    """A read that failed once is answered, and its caller is not told of what came before."""
    upstream.then(answer(503, b"{}"))
    got = await on.ask("GET", "/v1/customers")
    assert (got.status, len(upstream.asked)) == (200, 2)
    assert len(await on.kinds(call_of(got))) == 1


async def test_later(on: Road, upstream: Scripted) -> None:
    """A caller who waits two seconds has a throttled answer with its header at once."""
    upstream.then(answer(429, b"{}", "Retry-After: 30"))
    got = await on.ask("GET", "/v1/customers", headers=(("Breakwater-Deadline-Ms", "2000"),))
    assert (got.status, got.header("Retry-After"), len(upstream.asked)) == (429, "30", 1)


async def test_nobody_listens(tmp_path: Path) -> None:
    """A write that could not be sent, three times, was not sent, and says so."""
    async with road(tmp_path, f"http://127.0.0.1:{closed_port()}", agents=CARDS) as on:
        got = await on.ask("POST", "/v1/customers", form=CREATE)
        assert marks(got) == (503, "denied", "no", "forward:upstream-unreachable")
        said = generate_latest(on.rooms.metrics.registry).decode()
        assert 'breakwater_upstream_retries_total{api="stripe",why="unsent"} 2.0' in said


async def test_mark(on: Road, upstream: Scripted) -> None:
    """What a card marks leaves with the mark of its intent, and the agent's own data beside it."""
    upstream.then(OK)
    got = await on.ask("POST", "/v1/customers", form={**CREATE, "metadata[order]": "7"})
    assert f"metadata%5Bbreakwater_call%5D={call_of(got)}".encode() in upstream.asked[0].body
    assert b"metadata%5Border%5D=7" in upstream.asked[0].body
