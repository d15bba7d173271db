"""One request to an upstream: what was sent, how it broke, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from breakers.call import Fault
from breakers.store.protocol import Permit, StoreUnavailable
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate
from proxy.pool import Pool
from proxy.wire import Wire
from tests.ledger.world import held
from tests.proxy.road import soon

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BUDGET = Budget(connect_s=2, first_byte_s=2, idle_s=2, total_s=5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Upstream:
    """
    A raw peer: counts the requests whose head it read, and answers each with what the test gives it.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers, self.seen = list(answers), list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer requests on one connection; `None` hangs up, and so does the end of the answers.
        """
        try:
            while self.answers:
                self.seen.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def upstream(*answers: bytes | None) -> AsyncIterator[tuple[Upstream, Pool]]:
    """
    Yield a raw peer on loopback and the connections to it.
    """
    peer = Upstream(*answers)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with pool_to(server.sockets[0].getsockname()[1]) as pool:
        yield peer, pool
    server.close()


def pool_to(port: int) -> Pool:
    """
    Return the connections to a port of this machine.
    """
    return Dialer(list).pool(URL(f"http://127.0.0.1:{port}"), None, idle_s=5)


async def fetch(pool: Pool, method: str = "GET", gate: Gate | None = None, body: bytes = b"") -> bytes:
    """
    Carry one exchange to its end and return the body.
    """
    wire = Wire(method, "/v1/x?a=%2F", (("accept-encoding", "identity"),), body, held())
    exchange = Exchange(pool, wire, BUDGET, gate or Gate())
    try:
        await exchange.open()
        return b"".join([piece async for piece in exchange.chunks()])
    finally:
        exchange.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("reused", [False, True])
async def test_nothing_is_sent_twice(method: str, reused: bool) -> None:
    """A connection that drops before the answer costs one request, whatever the method, fresh or reused."""
    answers = (OK, None, OK, OK) if reused else (None, OK, OK)
    async with upstream(*answers) as (peer, pool):
        if reused:
            assert await fetch(pool) == b"hi"
        with pytest.raises(Broken) as caught:
            await fetch(pool, method)
        assert caught.value.fault is Fault.RESET
        assert len(peer.seen) == (2 if reused else 1)


async def test_target_is_not_rewritten() -> None:
    """The target on the wire is the one that was generated, byte for byte, and no header is added to ours."""
    async with upstream(OK) as (peer, pool):
        await fetch(pool)
        lines = peer.seen[0].split(b"\r\n")
        assert lines[0] == b"GET /v1/x?a=%2F HTTP/1.1"
        names = {line.split(b":")[0].lower() for line in lines[1:] if line}
        assert names == {b"host", b"accept-encoding", b"authorization"}


def moments(*seconds: float) -> Callable[[], float]:
    """
    Return a clock that tells these times, one after the other.
    """
    left = list(seconds)
    return lambda: left.pop(0)


async def granted() -> Permit:
    """
    Let everything pass.
    """
    return Permit.GRANTED


async def refused() -> Permit:
    """
    Let nothing pass.
    """
    return Permit.STOPPED


async def taken_over() -> Permit:
    """
    Say that another has the write by now.
    """
    return Permit.LOST


async def unavailable() -> Permit:
    """
    Have nobody to say anything.
    """
    raise StoreUnavailable("it is gone")


GATES = {
    "stopped": (refused, [0], Fault.STOPPED),
    "taken over": (taken_over, [0], Fault.LOST),
    "nobody to ask": (unavailable, [0], Fault.UNASKED),
    "held up before the answer": (granted, [7, 9.1], Fault.LATE),
}


@pytest.mark.parametrize(("permit", "times", "fault"), GATES.values(), ids=GATES)
async def test_gate(permit: Callable[[], Awaitable[Permit]], times: list[float], fault: Fault) -> None:
    """A gate that says no, or too late a yes, closes the connection before a byte has left."""
    async with upstream(OK) as (peer, pool):
        gate = Gate(permit, moments(*times))
        with pytest.raises(Broken) as caught:
            await fetch(pool, "POST", gate, b"a=1")
        assert (caught.value.fault, gate.passed, peer.seen) == (fault, False, [])


async def test_gate_in_time() -> None:
    """Two seconds after its permit was asked for a request may still leave."""
    async with upstream(OK) as (_, pool):
        assert await fetch(pool, "POST", Gate(granted, moments(7, 9)), b"a=1") == b"hi"


async def test_nothing_in_between() -> None:
    """Between the last question and the first byte nothing else runs, so that no stop can come in between."""
    happened, loop = list[str](), asyncio.get_running_loop()

    def still() -> Permit:
        happened.append("asked")
        loop.call_soon(happened.append, "something else")
        return Permit.GRANTED

    async def hung_up() -> None:
        raise ConnectionError

    transport = SimpleNamespace(writelines=lambda _: happened.append("left"))
    protocol = SimpleNamespace(
        is_connected=lambda: True,
        should_close=False,
        set_response_params=lambda **_: None,
        transport=transport,
        read=hung_up,
    )
    connection = SimpleNamespace(protocol=protocol, close=lambda: None)
    pool: Any = SimpleNamespace(loop=loop, host="example.com", take=lambda: connection)
    with pytest.raises(Broken):
        await fetch(pool, "POST", Gate(granted, lambda: 7, still), b"a=1")
    await asyncio.sleep(0)
    assert happened == ["asked", "left", "something else"]


async def test_aborted_in_that_moment() -> None:
    """What is cut between the coming of its head and whoever waits for that ends as stopped, and at once."""
    async with upstream(OK[:-2]) as (_, pool):

        def left() -> None:
            protocol: Any = exchange._connection.protocol  # type: ignore[union-attr]
            fed = protocol.feed_data

            def feed(*message: object) -> None:
                fed(*message)
                exchange.abort()

            protocol.feed_data = feed

        exchange = Exchange(pool, Wire("GET", "/", (), b"", held()), BUDGET, Gate(left=left))
        with pytest.raises(Broken) as caught:
            await exchange.open()
        assert caught.value.fault is Fault.STOPPED


async def test_aborted() -> None:
    """What is cut while somebody is asked, or on its answer's way, ends as stopped; what has ended is not disturbed."""
    async with upstream(OK[:-2], OK) as (peer, pool):
        asked, goes_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> Permit:
            asked.set()
            await goes_on.wait()
            return Permit.GRANTED

        for gate in (Gate(slowly), Gate()):
            exchange = Exchange(pool, Wire("GET", "/v1/x", (), b"", held()), BUDGET, gate)
            opened = asyncio.create_task(exchange.open())
            await (asked.wait() if gate.asks else soon(lambda: peer.seen))
            exchange.abort()
            with pytest.raises(Broken) as caught:
                await opened
                await exchange.rest([], 100)
            assert caught.value.fault is Fault.STOPPED
            assert gate.passed is not gate.asks
            exchange.abort()
        late = Exchange(pool, Wire("GET", "/v1/x", (), b"", held()), BUDGET, Gate(taken_over))
        with pytest.raises(Broken):
            await late.open()
        late.abort()
        assert len(peer.seen) == 1


MALFORMED = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "length and chunks": OK[:-2].replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
    "unsolicited upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a megabyte of header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "ten thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nhi",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_answers(answer: bytes) -> None:
    """An answer whose end two parsers could see in two places is no answer, and nothing is sent again."""
    async with upstream(answer, OK) as (peer, pool):
        gate = Gate()
        with pytest.raises(Broken) as caught:
            await fetch(pool, gate=gate)
        assert caught.value.fault in {Fault.MALFORMED, Fault.RESET}
        assert gate.passed
        assert len(peer.seen) == 1


async def test_truncated_answer() -> None:
    """A body that ends before its announced length is truncated, not whole."""
    async with upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", None) as (peer, pool):
        peer.answers.pop()
        with pytest.raises(Broken) as caught:
            await fetch(pool)
        assert caught.value.fault is Fault.TRUNCATED


async def test_second_answer_goes_nowhere() -> None:
    """Bytes after an answer are never taken for the answer to the next request."""
    async with upstream(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK) as (_, pool):
        assert [await fetch(pool), await fetch(pool)] == [b"hi", b"hi"]


async def test_nobody_listens() -> None:
    """A refused connection is a fault before the gate."""
    async with upstream(OK) as (peer, _):
        gone = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        port = gone.sockets[0].getsockname()[1]
        gone.close()
        await gone.wait_closed()
        async with pool_to(port) as other:
            gate = Gate()
            with pytest.raises(Broken) as caught:
                await fetch(other, gate=gate)
        assert (caught.value.fault, gate.passed) == (Fault.CONNECT, False)
