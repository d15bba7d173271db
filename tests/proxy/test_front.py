"""Between the socket and the pipeline: one request in, one answer and one line out, whatever the request was."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.proxy.road import Road, call_of, first_sentence, marks, road
from tests.proxy.scripted import Scripted, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give an upstream that counts.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(upstream: Scripted, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road.
    """
    async with road(tmp_path_factory.mktemp("front"), upstream.url) as running:
        yield running


def read(on: Road, target: str = "/v1/customers") -> bytes:
    """
    Return a read of an agent's as bytes.
    """
    return on.head("GET", target, [("Authorization", f"Bearer {on.keys['support']}")])


async def test_one_connection(on: Road, upstream: Scripted) -> None:
    """Calls on one connection are answered in their order, pipelined or not, each under an id of its own."""
    upstream.asked.clear()
    connection = await on.connect()
    await connection.send(read(on) + read(on, "/v1/nothing") + read(on))
    answers = [await connection.answer() for _ in range(3)]
    await connection.send(read(on))
    answers.append(await connection.answer())
    await connection.end()
    assert [answer and answer.status for answer in answers] == [200, 403, 200, 200]
    assert len({answer and call_of(answer) for answer in answers}) == 4
    assert len(upstream.asked) == 3


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "head-malformed"),
        (b"GET /v1/customers\r\n\r\n", 400, "version-unsupported"),
        (b"GET /v1/customers HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, "head-malformed"),
        (b"GET /v1/customers HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, "head-malformed"),
        (b"GET /v1/customers HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, "head-too-large"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "head-too-large"),
        (b"GET /v1/customers HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431, "head-too-large"),
        (
            b"POST /v1/customers HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "head-malformed",
        ),
    ],
    ids=["TLS", "HTTP/0.9", "folded", "space in a name", "long line", "long target", "many headers", "two framings"],
)
async def test_no_request(raw: bytes, status: int, reason: str, on: Road) -> None:
    """What does not parse is answered in words of ours, counted, and the connection closed."""
    before = on.rooms.metrics.registry.get_sample_value("breakwater_refusals_total", {"reason": reason}) or 0
    connection = await on.connect()
    await connection.send(raw)
    no = await connection.answer()
    assert no is not None
    assert marks(no) == (status, "denied", "no", f"inbound:{reason}")
    assert first_sentence(no.json["error"]["message"]) == "Nothing was sent to Stripe."
    assert no.header("Server") == "breakwater"
    assert b"aiohttp" not in no.raw.lower()
    await connection.end()
    after = on.rooms.metrics.registry.get_sample_value("breakwater_refusals_total", {"reason": reason})
    assert after == before + 1
    (line,) = [line for line in on.log.of("call") if line["call"] == no.header("Breakwater-Call")]
    assert (line["status"], line["reason"], line["verdict"]) == (status, reason, "edge")


async def test_not_a_leak(on: Road) -> None:
    """No answer says what software answers, and none quotes the key that came."""
    for target in ("/v1/customers", "/v1/nothing", "/v1//x"):
        answer = await on.ask("GET", target)
        assert answer.header("Server") == "breakwater"
        assert on.keys["support"].encode() not in answer.raw


async def test_head(on: Road) -> None:
    """A refused HEAD has the head of its refusal and no body, and the connection goes on."""
    connection = await on.connect()
    await connection.send(read(on, "/v1/nothing").replace(b"GET", b"HEAD") + read(on))
    no, yes = await connection.answer(head=True), await connection.answer()
    await connection.end()
    assert no is not None
    assert yes is not None
    assert (no.status, no.reason, no.body) == (403, "operation-unknown", b"")
    assert yes.status == 200


async def test_counted_without_an_agent(on: Road) -> None:
    """Refusals without an agent are one record a minute, by reason, and no more."""
    on.clock.move(60)
    await on.ask("GET", "/v1/customers", key="")
    for _ in range(3):
        await on.ask("GET", "/v1//customers")
    on.clock.move(60)
    await on.ask("GET", "/v1/customers", key="")
    counted = [record for record in await on.newest(3) if record.kind == "edge.refused"][-1]
    assert counted.entry["counts"] == {"key-missing": 1, "target-malformed": 3}
    assert counted.entry["task"] == f"edge/{on.clock.now():%Y-%m-%d}"


async def test_counted_beyond_a_bound(on: Road) -> None:
    """Beyond sixty a minute an agent's refusals are counted by reason, and still answered as refusals."""
    on.clock.move(60)
    answers = [await on.ask("GET", "/v1/nothing") for _ in range(62)]
    assert {marks(answer) for answer in answers} == {(403, "denied", "no", "classify:operation-unknown")}
    assert await on.kinds(call_of(answers[59])) == ["call.decision"]
    assert await on.kinds(call_of(answers[60])) == []
    on.clock.move(60)
    await on.ask("GET", "/v1/nothing")
    (counted,) = [record for record in await on.newest(3) if record.kind == "agent.refused"]
    assert counted.entry["counts"] == {"operation-unknown": 2}
    assert counted.entry["act"] == {"agent": "support"}


async def test_stopping(upstream: Scripted, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Once a stop has begun, a call on an open connection is 503 with a time to come back, and is not sent."""
    async with road(tmp_path_factory.mktemp("stopping"), upstream.url) as on:
        upstream.asked.clear()
        connection = await on.connect()
        await connection.send(read(on))
        assert await connection.answer() is not None
        on.rooms.stopping = True
        await connection.send(read(on))
        no = await connection.answer()
        assert no is not None
        assert marks(no) == (503, "denied", "no", "inbound:stopping")
        assert 1 <= int(no.header("Retry-After") or 0) <= 5
        assert len(upstream.asked) == 1
        await connection.end()
        on.rooms.stopping = False
