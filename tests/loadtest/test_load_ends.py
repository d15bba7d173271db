from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from loadtest import bare_proxy
from loadtest.answering import COUNTS, HOLD, RELEASE, Answering, Counted
from loadtest.arrivals import percentile
from loadtest.framing import MalformedError, whole_answer
from loadtest.generator import run
from loadtest.jobs import PLACE, Closed, Held, Paced, read, spell
from loadtest.scenario import CREATE, DIGITS, OPERATIONS, READ, answer, request, text
from tests.canary.forms import secret

SECRET = secret("load")
HOST = "upstream.test"

# The yardstick must not change under the figures that it measured: whoever changes it measures all of them again.
FROZEN = "8651765fc55862d95d071a313c65bdeea457e2c2f0e5d9b040997d17ba1b8a9d"
LINES_MAX = 60

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """
    Serve connections until each has ended, and close them.
    """
    ended: list[asyncio.Task[None] | None] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(one, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
    await asyncio.gather(*(task for task in ended if task is not None))


# ------------------------------------------------------------------------------------------------------- the bare proxy


def test_frozen() -> None:
    """The bare proxy is the one that the figures were measured with, and no longer than a page."""
    source = Path(bare_proxy.__file__).read_bytes()
    assert sha256(source).hexdigest() == FROZEN
    assert len(source.splitlines()) < LINES_MAX


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[tuple[str, int]]:
    async with aiohttp.ClientSession() as session:
        server = web.Server(partial(bare_proxy.forward, session, upstream), access_log=None)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        try:
            yield listener.sockets[0].getsockname()
        finally:
            listener.close()
            await server.shutdown(0.1)


async def test_streams() -> None:
    """The bare proxy hands on the first half of a request and of an answer while the second is still to come."""
    half_seen = asyncio.Event()

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + await reader.readexactly(4))
        half_seen.set()
        writer.write(await reader.readexactly(4))

    async with served(upstream) as url, proxied(url) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhere")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"here"
        assert half_seen.is_set()
        writer.write(b"then")
        assert await reader.readexactly(4) == b"then"
        writer.close()


# --------------------------------------------------------------------------------------------------------- the upstream


class Pipe(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def answering() -> tuple[Answering, Pipe, Counted]:
    counted = Counted(SECRET)
    protocol, pipe = Answering(counted), Pipe()
    protocol.connection_made(pipe)
    return protocol, pipe, counted


def asked(kind: str, number: int, credential: str = SECRET) -> bytes:
    return request(OPERATIONS[kind], HOST, credential).at(number)


@given(st.lists(st.sampled_from((READ, CREATE)), min_size=1, max_size=6), st.lists(st.integers(0, 2_000), max_size=5))
def test_pipelined(kinds: list[str], cuts: list[int]) -> None:
    """Requests in any pieces are answered in their order, each once."""
    protocol, pipe, counted = answering()
    sent = b"".join(asked(kind, number) for number, kind in enumerate(kinds))
    edges = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    for begin, end in itertools.pairwise(edges):
        protocol.data_received(sent[begin:end])
    numbers = {READ: itertools.count(1), CREATE: itertools.count(1)}
    assert b"".join(pipe.written) == b"".join(answer(OPERATIONS[kind]).at(next(numbers[kind])) for kind in kinds)
    assert counted.counts == {kind: kinds.count(kind) for kind in (READ, CREATE)}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (asked(READ, 0), b"200"),
        (asked(READ, 0, "another-secret"), b"401"),
        (asked(READ, 0).replace(b"Authorization", b"X-Other"), b"401"),
        (asked(READ, 0).replace(b"ch_load", b"ch_lost"), b"404"),
        (asked(CREATE, 0).replace(b"POST", b"PUT"), b"404"),
        (asked(CREATE, 0).replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: "), b"411"),
        (f"GET {COUNTS} HTTP/1.1\r\n\r\n".encode(), b"200"),
    ],
)
def test_unexpected_request(data: bytes, status: bytes) -> None:
    """Another line, credential or framing than the load's is answered as wrong and counts as nothing."""
    protocol, pipe, counted = answering()
    protocol.data_received(data)
    assert pipe.written[0][9:12] == status
    assert sum(counted.counts.values()) == (data == asked(READ, 0))
    assert pipe.closed == (status == b"411")


def test_held_answers() -> None:
    """Told to hold, the upstream counts and answers nobody until it is told to let go, and then everybody at once."""
    protocol, pipe, counted = answering()
    other, door = Pipe(), Answering(counted)
    door.connection_made(other)
    door.data_received(f"GET {HOLD} HTTP/1.1\r\n\r\n".encode())
    protocol.data_received(asked(READ, 0))
    assert (pipe.written, len(counted.held), counted.counts[READ]) == ([], 1, 1)
    door.data_received(f"GET {RELEASE} HTTP/1.1\r\n\r\n".encode())
    assert b"".join(pipe.written) == answer(OPERATIONS[READ]).at(1)
    protocol.data_received(asked(READ, 0))
    assert len(pipe.written) == 2


@pytest.mark.parametrize("kind", [READ, CREATE])
def test_answer_size(kind: str) -> None:
    """An answer's body has between half a kilobyte and one, its declared length, and the number where it has one."""
    data = answer(OPERATIONS[kind]).at(42)
    whole = whole_answer(data)
    assert whole is not None
    assert whole.size == len(data)
    assert 512 <= len(data.partition(b"\r\n\r\n")[2]) <= 1024
    assert (b"%0*d" % (DIGITS, 42) in data) == (kind == CREATE)


# -------------------------------------------------------------------------------------------------------- the generator

OK = b"HTTP/1.1 200 OK\r\nBreakwater-Call: 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB\r\n"


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 4\r\n\r\nbody",
        OK + b"Content-Length: 0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\na\r\n0\r\n\r\n-----\r\n0\r\n\r\n",
    ],
)
def test_whole_answer(data: bytes) -> None:
    """An answer is whole with its last byte and not before, and names its call."""
    assert [size for size in range(len(data)) if whole_answer(data[:size]) is not None] == []
    for more in (b"", b"HTTP/1.1"):
        whole = whole_answer(data + more)
        assert whole is not None
        assert whole == (200, "", "01K9ZTQ6Q7T6GZ7E0M3V4R8XWB", len(data))


@pytest.mark.parametrize(
    ("decision", "verdict"),
    [
        ("", "403"),
        ("Breakwater-Decision: forward:allowed\r\n", "403"),
        ("Breakwater-Decision: limits:limit-exceeded\r\n", "403 limit-exceeded"),
    ],
)
def test_verdict(decision: str, verdict: str) -> None:
    """What a caller was told is the status, and our reason where there is one."""
    whole = whole_answer(f"HTTP/1.1 403 Forbidden\r\n{decision}Content-Length: 0\r\n\r\n".encode())
    assert whole is not None
    assert whole.verdict == verdict


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"220 smtp\r\n\r\n",
    ],
)
def test_uncertain_answer(data: bytes) -> None:
    """What has no certain end, or ends its connection, is no answer."""
    with pytest.raises(MalformedError):
        whole_answer(data)


TEXT = text(OPERATIONS[READ], HOST, SECRET)
NUMBERED = text(OPERATIONS[CREATE], HOST, SECRET).replace("#", PLACE)
PACED = Paced(url="", texts=[TEXT], calls=[(0, 0)] * 20, connections=1, per_second=100.0)


@pytest.mark.slow
async def test_stall_is_seen() -> None:
    """One stalled answer is in the latency of the calls that were meant to begin behind it."""
    stall_s = 0.15
    seen = itertools.count()

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            if next(seen) == 0:
                await asyncio.sleep(stall_s)
            writer.write(answer(OPERATIONS[READ]).at(0))

    async with served(upstream) as url:
        done = await run(replace(PACED, url=url))
    # Of twenty calls fifteen waited, one for all of it, one for 10 ms less, and so on; a generator that postpones
    # calls would find one slow one.
    assert percentile(done.latencies_ms(), 0.99) >= 150
    assert percentile(done.latencies_ms(), 0.50) >= 50
    assert done.told == {"200": 20}
    assert sum(map(sum, done.by_second().values())) == 20


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", b"no answer\r\n\r\n"])
async def test_broken_connection(said: bytes) -> None:
    """A connection that ends, or says more than an answer, fails the job."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    async with served(upstream) as url:
        with pytest.raises((OSError, MalformedError)):
            await run(replace(PACED, url=url))


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[str, Counted, list[bytes]]]:
    counted, seen = Counted(SECRET), list[bytes]()

    class Seeing(Answering):
        def data_received(self, data: bytes) -> None:
            seen.append(data)
            super().data_received(data)

    server = await asyncio.get_running_loop().create_server(lambda: Seeing(counted), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}", counted, seen
    server.close()


async def test_closed_loop() -> None:
    """A closed loop counts what was answered, and uses each number once, or a cycle of them again and again."""
    async with counting() as (url, counted, seen):
        done = await run(Closed(url, [NUMBERED], connections=2, seconds=0.05, first=7))
        assert done.told == {"200": counted.counts[CREATE]}
        assert done.used == len(set(seen)) == len(seen) == counted.counts[CREATE]
        assert done.calls_per_second > 0
        seen.clear()
        done = await run(Closed(url, [NUMBERED], connections=2, seconds=0.05, first=7, cycle=3))
        assert done.used == len(set(seen)) == 3


async def test_closed_mixture() -> None:
    """A closed loop sends its texts in their order, and says what each of them was told."""
    async with counting() as (url, counted, seen):
        done = await run(Closed(url, [TEXT, NUMBERED], connections=1, seconds=0.05, order=[0, 1, 1]))
    assert [data.startswith(b"GET") for data in seen[:6]] == [True, False, False] * 2
    assert done.by_text == [{"200": counted.counts[READ]}, {"200": counted.counts[CREATE]}]


async def test_held_calls() -> None:
    """Held calls are all under way at once, each on a connection of its own, and all are waited for."""
    async with counting() as (url, counted, _):
        counted.holding = True
        calling = asyncio.ensure_future(run(Held(url, NUMBERED, 5, first=0)))
        async with asyncio.timeout(10):
            while len(counted.held) < 5:  # noqa: ASYNC110 - nobody tells when the last one has come
                await asyncio.sleep(0.001)
        assert len({id(transport) for transport, _ in counted.held}) == 5
        for transport, answers in counted.held:
            transport.write(answers)
        assert (await calling).told == {"200": 5}


@pytest.mark.parametrize("job", [Closed("u", ["t"], 1, 1.0), Held("u", "t", 3), PACED], ids=["closed", "held", "paced"])
def test_job_spelled(job: Closed | Held | Paced) -> None:
    """A job is what it was once it has been a line."""
    assert spell(read(spell(job))) == spell(job)
    assert type(read(spell(job))) is type(job)
