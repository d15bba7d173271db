"""The head first, the body only for a known caller and a known operation, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.proxy.road import Headers, Road, call_of, marks, road
from tests.proxy.rows import FORM, UNKNOWN_KEY
from tests.proxy.scripted import Scripted, scripted
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIB = 1024


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
    Give a road on which a body may have 4 KiB and a tenth of a second.
    """
    limits, timeouts = {"body_bytes_max": "4KiB"}, {"request_body": "100ms"}
    async with road(tmp_path_factory.mktemp("inbound"), upstream.url, limits=limits, timeouts=timeouts) as running:
        yield running


async def begun(on: Road, target: str, headers: Headers, body: bytes = b"", door: str = "stripe") -> Answer:
    """
    Send a head and the beginning of a body, and return the answer that comes without the rest.
    """
    connection = await on.connect(door)
    try:
        await connection.send(on.head("POST", target, headers, media=FORM) + body)
        answer = await connection.answer(wait_s=5)
        assert answer is not None, "the body was waited for"
        return answer
    finally:
        await connection.end()


def key(on: Road) -> tuple[str, str]:
    """
    Return the header with the agent's key.
    """
    return "Authorization", f"Bearer {on.keys['support']}"


@pytest.mark.parametrize(
    "framing", [("Content-Length", "1000"), ("Transfer-Encoding", "chunked")], ids=["length", "chunked"]
)
@pytest.mark.parametrize(
    ("target", "shown", "status", "reason"),
    [
        ("/v1/customers", None, 401, "key-missing"),
        ("/v1/customers", f"Bearer {UNKNOWN_KEY}", 401, "key-unknown"),
        ("/v1/nothing", "", 403, "operation-unknown"),
        ("/v1/customers/cus_1/../..", "", 400, "target-malformed"),
    ],
)
async def test_not_waited_for(
    target: str, shown: str | None, status: int, reason: str, framing: tuple[str, str], on: Road, upstream: Scripted
) -> None:
    """A call of nobody's, or of no operation, is answered before a byte of its body has come."""
    upstream.asked.clear()
    credential = [] if shown is None else [("Authorization", shown)] if shown else [key(on)]
    no = await begun(on, target, [*credential, framing])
    assert (no.status, no.reason) == (status, reason)
    assert upstream.asked == []


async def test_unwanted_body_is_no_request(on: Road, upstream: Scripted) -> None:
    """What follows a refused head is never taken for the next request."""
    upstream.asked.clear()
    smuggled = on.head("GET", "/v1/customers", [key(on)])
    connection = await on.connect()
    await connection.send(on.head("POST", "/v1/nothing", [key(on)], 10, FORM) + b"a=")
    no = await connection.answer()
    assert no is not None
    assert no.reason == "operation-unknown"
    await connection.send(b"12345678" + smuggled)
    assert b"HTTP/1.1" not in await connection.rest(2)
    await connection.end()
    assert upstream.asked == []


async def test_too_slow(on: Road, upstream: Scripted) -> None:
    """A body that does not arrive in its time is 400, with nothing sent."""
    upstream.asked.clear()
    no = await begun(on, "/v1/customers", [key(on), ("Content-Length", "10")], b"name=")
    assert marks(no) == (400, "denied", "no", "classify:body-too-slow")
    assert await on.kinds(call_of(no)) == ["call.decision"]
    assert upstream.asked == []


@pytest.mark.parametrize("size", [4 * KIB, 4 * KIB + 1])
@pytest.mark.parametrize("chunked", [False, True])
async def test_bound(size: int, chunked: bool, on: Road) -> None:
    """A body of exactly the bound passes and one byte more is 413, whether its length is announced or not."""
    body = b"name=" + (b"b" if chunked else b"a") * (size - 5)
    if chunked:
        headers = [key(on), ("Transfer-Encoding", "chunked")]
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
    else:
        headers = [key(on), ("Content-Length", str(size))]
    answer = await begun(on, "/v1/customers", headers, body)
    assert answer.status == (200 if size == 4 * KIB else 413)


async def test_bound_of_an_operation(on: Road, upstream: Scripted) -> None:
    """An operation whose catalogue allows more takes more than the bound of all others."""
    boundary = "zzz"
    part = b'Content-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    fields = [(b"purpose", b"", b"dispute_evidence"), (b"file", b'; filename="a"', b"a" * 100 * KIB)]
    body = b"".join(b"--zzz\r\n" + part % field for field in fields) + b"--zzz--\r\n"
    upstream.asked.clear()
    answer = await on.ask(
        "POST", "/v1/files", door="stripe.files", body=body, media=f"multipart/form-data; boundary={boundary}"
    )
    assert answer.status == 200
    assert len(upstream.asked[0].body) > 100 * KIB
    assert b"zzz\r\n" not in upstream.asked[0].body


@pytest.mark.parametrize("early", [b"", b"name=a"])
async def test_ends_early(early: bytes, on: Road, upstream: Scripted) -> None:
    """A peer that closes inside its body has made no call."""
    upstream.asked.clear()
    connection = await on.connect()
    await connection.send(on.head("POST", "/v1/customers", [key(on)], 20, FORM) + early)
    await connection.end()
    await asyncio.sleep(0.02)
    assert upstream.asked == []


async def test_continue(on: Road) -> None:
    """A client that asks first is told to go on only once its caller and operation are known."""
    expects = [key(on), ("Expect", "100-continue"), ("Content-Length", "6")]
    connection = await on.connect()
    await connection.send(on.head("POST", "/v1/customers", expects, media=FORM))
    assert await connection.interim() == b"HTTP/1.1 100 Continue"
    await connection.send(b"name=a")
    answer = await connection.answer()
    await connection.end()
    assert answer is not None
    assert answer.status == 200
    no = await begun(on, "/v1/nothing", expects)
    assert no.raw.startswith(b"HTTP/1.1 403")
