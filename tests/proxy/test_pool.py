"""Connections between two exchanges: which is used again, and which never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from breakers.call import Fault
from breakers.store.protocol import Permit
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate
from proxy.pool import TLS_BYTES_MAX, Pool
from proxy.wire import Wire
from tests.ledger.world import held
from tests.proxy.road import soon

HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nhi"
IDLE_S, LONG_S = 0.1, 5.0


@dataclass
class Peer:
    """An upstream that answers every request alike, and says what else a test has it say."""

    answer: bytes = OK
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer the requests of one connection.
        """
        number = len(self.writers)
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.append(number)
        finally:
            writer.close()


@asynccontextmanager
async def peer(answer: bytes = OK, idle_s: float = LONG_S) -> AsyncIterator[tuple[Peer, Pool]]:
    """
    Give an upstream on loopback, and the connections to it.
    """
    one = Peer(answer)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Dialer(list).pool(URL(f"http://127.0.0.1:{port}"), None, idle_s=idle_s) as pool:
        yield one, pool
    server.close()


def exchange(pool: Pool, gate: Gate | None = None) -> Exchange:
    """
    Return an exchange that has not begun.
    """
    return Exchange(pool, Wire("GET", "/v1/x", (), b"", held()), Budget(5, 5, 5, 5), gate or Gate())


async def ask(pool: Pool) -> bytes:
    """
    Carry one exchange to its end.
    """
    one, pieces = exchange(pool), list[bytes]()
    await one.open()
    assert await one.rest(pieces, 100)
    return b"".join(pieces)


async def test_used_again() -> None:
    """A connection whose answer came to its end serves the next request, and the one used last goes out first."""
    async with peer() as (one, pool):
        assert [await ask(pool), await ask(pool)] == [b"hi", b"hi"]
        await asyncio.gather(ask(pool), ask(pool))
        newest = pool._idle[-1].connection
        assert (len(one.writers), pool.take()) == (2, newest)
        newest.close()


UNASKED = {
    "an answer": OK,
    "the beginning of one": HEAD,
    "its own end": b"",
}


@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
async def test_unasked(unasked: bytes) -> None:
    """What an upstream says to an idle connection is never taken for the next answer: that one comes over another."""
    async with peer() as (one, pool):
        await ask(pool)
        one.answer = HEAD + b"Content-Length: 4\r\n\r\nnext"
        if unasked:
            one.writers[0].write(unasked)
        else:
            one.writers[0].close()
        await soon(lambda: not pool._idle[0].is_at_rest)
        assert await ask(pool) == b"next"
        assert len(one.writers) == 2


GIVEN_UP = {
    "says that it closes": HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",
    "says more than that": OK + OK,
}


@pytest.mark.parametrize("answer", GIVEN_UP.values(), ids=GIVEN_UP)
async def test_given_up(answer: bytes) -> None:
    """A connection that is not at rest behind its answer is closed at once."""
    async with peer(answer) as (one, pool):
        assert await ask(pool) == b"hi"
        await soon(lambda: one.ended)
        assert not pool._idle


async def test_unread() -> None:
    """An answer that nobody reads to its end takes its connection with it."""
    async with peer(HEAD + b"Content-Length: 9\r\n\r\nhi") as (one, pool):
        left = exchange(pool)
        await left.open()
        left.close()
        await soon(lambda: one.ended)
        with pytest.raises(Broken):
            await left.rest([], 100)


async def test_idle() -> None:
    """A connection that was idle for too long is closed without being asked for."""
    async with peer(idle_s=IDLE_S) as (one, pool):
        await ask(pool)
        await soon(lambda: one.ended)
        assert not pool._idle


async def test_closed() -> None:
    """A pool that is closed keeps nothing that comes back to it."""
    async with peer() as (one, pool):
        late = exchange(pool)
        await late.open()
        await pool.close()
        late.close()
        await soon(lambda: one.ended)
        assert not pool._idle


async def test_lost_while_asking() -> None:
    """A connection that is lost while the permit is asked for has sent nothing, and that is said."""
    async with peer() as (one, pool):
        await ask(pool)

        async def permit() -> Permit:
            one.writers[0].close()
            await soon(lambda: asking._connection is None or asking._connection.transport is None)
            return Permit.GRANTED

        asking = exchange(pool, Gate(permit))
        with pytest.raises(Broken) as caught:
            await asking.open()
        assert (caught.value.fault, asking.gate.passed) == (Fault.CONNECT, False)


@pytest.mark.parametrize("reused", [True, False], ids=["reused", "new"])
async def test_unasked_while_asking(reused: bool) -> None:
    """What an upstream says while the permit is asked for is not taken for the answer: nothing is sent."""
    async with peer() as (one, pool):
        if reused:
            await ask(pool)

        async def permit() -> Permit:
            await soon(lambda: one.writers)
            one.writers[0].write(OK)
            protocol: Any = asking._connection and asking._connection.protocol
            await soon(lambda: protocol.should_close)
            return Permit.GRANTED

        asking = exchange(pool, Gate(permit))
        with pytest.raises(Broken) as caught:
            await asking.open()
        assert (caught.value.fault, asking.gate.passed) == (Fault.CONNECT, False)


@pytest.mark.parametrize(
    ("over_tls", "sent", "kept"),
    [(True, TLS_BYTES_MAX, True), (True, TLS_BYTES_MAX + 1, False), (False, TLS_BYTES_MAX + 1, True)],
    ids=["small", "large", "large, no TLS"],
)
async def test_large_under_tls(over_tls: bool, sent: int, kept: bool) -> None:
    """Behind a large request under TLS, of which nobody can tell whether all has left, a connection is given up."""
    closed = list[bool]()
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: 0,
        get_extra_info=lambda name: object() if over_tls and name == "sslcontext" else None,
        set_protocol=lambda _: None,
    )
    protocol = SimpleNamespace(is_connected=lambda: True, should_close=False, transport=transport)
    connection: Any = SimpleNamespace(protocol=protocol, close=lambda: closed.append(True))
    async with peer() as (_, pool):
        pool.keep(connection, sent)
        assert (len(pool._idle), len(closed)) == ((1, 0) if kept else (0, 1))
