"""One connection of an agent: request after request in one task, whatever becomes of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.inbound import AgentRequest
from proxy.listener import AgentServer, Crowd, Serve
from tests.wire.client import Connection

pytestmark = pytest.mark.asyncio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def fine(request: AgentRequest) -> bool:
    """
    Answer a request with nothing.
    """
    request.write(OK)
    return not request.last


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[Connection]:
    """
    Give a connection to whoever answers so.
    """
    server = AgentServer(serve, crowd=Crowd(8), on_error=lambda error, status: b"%d" % status)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    connection = await Connection.to(listening.sockets[0].getsockname()[:2])
    try:
        yield connection
    finally:
        await connection.end()
        listening.close()
        await server.shutdown(1.0)


async def test_one_task() -> None:
    """All requests of a connection are answered in its one task."""
    tasks = []

    async def noted(request: AgentRequest) -> bool:
        tasks.append(asyncio.current_task())
        return await fine(request)

    async with served(noted) as connection:
        await connection.send(GET + GET)
        assert [await connection.answer() is not None for _ in range(2)] == [True, True]
    assert len(tasks) == 2
    assert len(set(tasks)) == 1


async def test_turns() -> None:
    """Between requests that came together others have their turn, although none of them waits for anything."""
    turns: list[None] = []
    had = []

    async def noted(request: AgentRequest) -> bool:
        had.append(len(turns))
        asyncio.get_running_loop().call_soon(turns.append, None)
        return await fine(request)

    async with served(noted) as connection:
        await connection.send(GET * 3)
        assert [await connection.answer() is not None for _ in range(3)] == [True] * 3
    assert had == [0, 1, 2]


async def test_unforeseen(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw ends the connection without a word, and is logged."""

    async def fails(_: AgentRequest) -> bool:
        raise RuntimeError("nobody foresaw it")

    with caplog.at_level(logging.ERROR, "breakwater.http"):
        async with served(fails) as connection:
            await connection.send(GET + GET)
            assert await connection.answer() is None
            assert connection.closed
    assert [record.name for record in caplog.records] == ["breakwater.http"]


async def test_connect_is_last() -> None:
    """Behind a request for another protocol nothing is read as a request, although it was answered."""
    async with served(fine) as connection:
        await connection.send(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + GET)
        assert await connection.answer() is not None
        assert await connection.answer() is None
        assert connection.closed


async def test_gone_in_the_body() -> None:
    """Whoever waits for the rest of a body learns that its sender has gone."""
    waits, learnt = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def reads(request: AgentRequest) -> bool:
        waits.set()
        try:
            await request.content.readany()
        except ConnectionError as error:
            learnt.set_result(type(error))
            raise
        return True

    async with served(reads) as connection:
        await connection.send(POST)
        await waits.wait()
    assert issubclass(await asyncio.wait_for(learnt, 5), ConnectionError)


async def test_unparsed() -> None:
    """What does not parse is answered in the words of the door, and is the last."""
    async with served(fine) as connection:
        await connection.send(b"GET\r\n\r\n" + GET)
        assert await connection.rest(wait_s=5) == b"400"
