from __future__ import annotations

import asyncio
import itertools
import json
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.calls import Agent, read, write
from loadtest.diary import Diary
from loadtest.framing import MalformedError
from loadtest.lines import Lines, Told, answer_in
from loadtest.pacing import Patience, after, at_rate, calling, writing
from loadtest.readers import Read, dripped, read_slowly
from loadtest.redis_server import RedisServer, binary
from loadtest.remembering import COUNTS, EFFECTS, MANNER, Manner, Remembered, Remembering, stream_of
from tests.canary.forms import secret

SECRET = secret("scenarios")
KEY = "an-agents-key"
HOST = "door.test"


def answer(status: int = 200, *, decision: str = "forward:allowed", dispatched: str = "yes", more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} Said\r\nBreakwater-Call: 01CALL\r\nBreakwater-Intent: 01FIRST\r\n"
        f"Breakwater-Decision: {decision}\r\nBreakwater-Dispatched: {dispatched}\r\n{more}Content-Length: 4\r\n\r\nbody"
    ).encode()


# --------------------------------------------------------------------------------------------------------- what is said


@given(st.integers(0, 400))
def test_whole_answer(cut: int) -> None:
    """An answer is told with its last byte and not before, and what follows is left."""
    whole = answer()
    found = answer_in(whole[:cut])
    assert (found is None) == (cut < len(whole))
    told = answer_in(whole + b"HTTP/1.1")
    assert told == (Told(200, "forward:allowed", "yes", "01CALL", "01FIRST", b"body"), len(whole))


@pytest.mark.parametrize(
    "data", [b"220 smtp\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 xyz\r\nContent-Length: 0\r\n\r\n"]
)
def test_no_answer(data: bytes) -> None:
    """What is no answer, or has no certain end, is none."""
    with pytest.raises(MalformedError):
        answer_in(data)


@pytest.mark.parametrize(
    ("status", "decision", "verdict", "made", "ends"),
    [
        (200, "forward:allowed", "200", True, True),
        (200, "repeats:replayed", "200 replayed", True, True),
        (402, "forward:allowed", "402", False, True),
        (403, "killswitch:killed", "403 killed", False, True),
        (409, "repeats:idempotency-in-flight", "409 idempotency-in-flight", False, False),
        (424, "repeats:outcome-unknown", "424 outcome-unknown", False, False),
        (424, "repeats:answer-not-kept", "424 answer-not-kept", True, True),
        (503, "store:store-unavailable", "503 store-unavailable", False, False),
    ],
)
def test_verdicts(status: int, decision: str, verdict: str, made: bool, ends: bool) -> None:
    """A caller knows that its write was made by its answer, or by being told that it is not kept."""
    told = Told(status, decision, "yes", "", "", b"")
    assert (told.verdict, told.made, told.ends) == (verdict, made, ends)


# --------------------------------------------------------------------------------------------------------------- a door


@asynccontextmanager
async def door(
    *answers: bytes, seen: list[bytes] | None = None, came: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """Answer each request with the next of these; an empty one ends the connection, `...` says nothing."""
    left = itertools.chain(answers, itertools.repeat(answer()))
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        while head := await _head(reader):
            body = await reader.read(4096) if head.startswith(b"POST") else b""
            if seen is not None:
                seen.append(head + body)
            if came is not None:
                came.set()
            if (said := next(left)) == b"...":
                await reader.read()
            if not said or said == b"...":
                break
            writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
    await asyncio.gather(*(task for task in tasks if task is not None))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def agent(url: str, most: int = 4) -> Agent:
    made = Agent(KEY, Diary(), "a", most)
    made.at(url)
    return made


async def test_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write goes out again, byte for byte, until its caller is told how it ended."""
    monkeypatch.setattr("loadtest.calls.PAUSE_S", 0.0)
    seen: list[bytes] = []
    busy, lost = answer(409, decision="repeats:idempotency-in-flight"), answer(503, decision="edge:stopping")
    async with door(busy, b"", lost, answer(200, decision="repeats:replayed"), seen=seen) as url:
        caller = agent(url)
        told = await caller.insist("a-7", after(60))
        caller.close()
    assert told is not None
    assert told.verdict == "200 replayed"
    assert seen == [write("a-7", url.removeprefix("http://"), KEY)] * 4
    assert (caller.acknowledged, caller.open, caller.refused, caller.under_way) == ({"a-7": "01FIRST"}, set(), {}, 0)
    assert caller.diary.told["no answer"] == 1


async def test_gives_up() -> None:
    """A caller who had enough leaves its write open: nobody knows how it ended."""
    async with door(answer(424, decision="repeats:outcome-unknown")) as url:
        caller = agent(url)
        assert await caller.insist("a-1", after(-1)) is None
        caller.close()
    assert (caller.acknowledged, caller.open) == ({}, {"a-1"})


@pytest.mark.parametrize(
    ("answers", "refused", "open_"),
    [
        ((answer(403, decision="killswitch:killed", dispatched="no"),), {"a-1": "403 killed"}, set()),
        ((answer(503, decision="store:store-unavailable", dispatched="no"),), {"a-1": "503 store-unavailable"}, set()),
        ((b"", answer(503, decision="store:store-unavailable", dispatched="no")), {}, {"a-1"}),
        ((answer(503, decision="store:store-unavailable", dispatched="unknown"),), {}, {"a-1"}),
        ((answer(503, decision="edge:stopping", dispatched="no"), answer()), {}, set()),
    ],
)
async def test_never_sent(answers: tuple[bytes, ...], refused: dict[str, str], open_: set[str]) -> None:
    """A refusal says that nothing was made only where nothing of it can have left before."""
    async with door(*answers) as url:
        caller = agent(url)
        for _ in answers:
            await caller.create("a-1")
        caller.close()
    assert (caller.refused, caller.open) == (refused, open_)


async def test_no_answer_in_time() -> None:
    """A call that is not answered in time has no answer."""
    async with door(b"...") as url:
        caller = agent(url, most=1)
        assert await caller.read(within_s=0.02) is None
        caller.close()
    assert caller.diary.told == {"no answer in time": 1}


async def test_leaves() -> None:
    """Once a door is gone nobody asks there: who waited for a connection gets no answer, and asks at the next one."""
    came = asyncio.Event()
    async with door(b"...", came=came) as gone, door() as url:
        lines = Lines(gone, most=1)
        calls = [asyncio.create_task(lines.call(read(HOST, KEY))) for _ in range(2)]
        await came.wait()
        lines.leave()
        assert not any(call.done() for call in calls)
        lines.close()
        for call in calls:
            with pytest.raises(ConnectionError):
                await call
        caller = agent(gone)
        caller.away()
        waiting = asyncio.create_task(caller.read())
        await asyncio.sleep(0)
        assert caller.under_way == 0
        caller.at(url)
        assert await waiting is not None
        caller.close()


# --------------------------------------------------------------------------------------------------------------- pacing


async def test_open_loop() -> None:
    """Calls begin when they are meant to, however long those before take, and each is told when that was."""
    begun: list[float] = []
    over = asyncio.Event()

    async def call(meant: float) -> None:
        begun.append(meant)
        if len(begun) == 5:
            over.set()
        await over.wait()

    await at_rate(1_000.0, over.is_set, call)
    assert len(begun) >= 5
    assert [round(1000 * (b - a), 3) for a, b in itertools.pairwise(begun)] == [1.0] * (len(begun) - 1)


async def test_meanwhile() -> None:
    """Who calls meanwhile stops behind it, and is waited for; who writes meanwhile is given up on after its time."""
    async with door(answer(424, decision="repeats:outcome-unknown"), *[answer()] * 500) as url:
        caller = agent(url)
        async with calling(200.0, caller.read):
            await asyncio.sleep(0.05)
        assert caller.under_way == 0
        async with writing(caller, 200.0, 30.0):
            await asyncio.sleep(0.05)
        caller.close()
    assert len(caller.acknowledged) > 0 == len(caller.open)


def test_patience() -> None:
    """It is never enough until it is said how much longer, and then it is."""
    enough = Patience()
    assert not enough()
    enough.lasts(-0.001)
    assert enough()
    assert (after(60)(), after(-1)()) == (False, True)


# -------------------------------------------------------------------------------------------------------- who remembers


def asked(order: str, key: str = "", credential: str = SECRET) -> tuple[bytes, bytes]:
    head, _, body = write(order, HOST, credential).partition(b"\r\n\r\n")
    return head.replace(
        f"Idempotency-Key: {order}".encode(), f"Idempotency-Key: {key or order}".encode()
    ) + b"\r\n", body


def status(said: bytes | None) -> int:
    return int(said[9:12]) if said is not None else 0


def test_remembers() -> None:
    """Under one key there is one effect and one answer; an order that comes under two keys has two effects."""
    upstream = Remembered(SECRET, 0)
    first = upstream.answered(*asked("a"))
    assert first == upstream.answered(*asked("a"))
    assert first != upstream.answered(*asked("a", key="another"))
    assert status(upstream.answered(*asked("b"))) == 200
    assert (upstream.effects, upstream.counts["writes"], upstream.counts["repeats"]) == ({"a": 2, "b": 1}, 4, 1)


@pytest.mark.parametrize(
    ("manner", "answered", "made"),
    [
        (Manner(), 200, 1),
        (Manner(failing=1.0), 503, 0),
        (Manner(failing=1.0, applied=True), 503, 1),
        (Manner(failing=1.0, status=0), 0, 0),
        (Manner(failing=1.0, status=0, applied=True), 0, 1),
    ],
)
def test_manners(manner: Manner, answered: int, made: int) -> None:
    """It fails before the work or after it, by a status or by the connection's end, and reads where they are meant."""
    upstream = Remembered(SECRET, 0)
    upstream.manner = manner
    assert status(upstream.answered(*asked("a"))) == answered
    assert upstream.effects.total() == made
    get = read(HOST, SECRET)[:-2]
    assert status(upstream.answered(get, b"")) == answered
    upstream.manner = Manner(failing=1.0, reads_too=False)
    assert status(upstream.answered(get, b"")) == 200


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        (*asked("a", credential="another-secret"), 401),
        (asked("a")[0].replace(b"payment_intents", b"refunds"), asked("a")[1], 404),
        (asked("a")[0], b"amount=1", 400),
    ],
)
def test_not_the_load(head: bytes, body: bytes, said: int) -> None:
    """Another credential, another operation, and a write without an order have no effect."""
    upstream = Remembered(SECRET, 0)
    assert status(upstream.answered(head, body)) == said
    assert not upstream.effects


@asynccontextmanager
async def remembering() -> AsyncIterator[tuple[str, Remembered]]:
    upstream = Remembered(SECRET, 0)
    listener = await asyncio.get_running_loop().create_server(lambda: Remembering(upstream), "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        yield f"http://{host}:{port}", upstream


async def test_own_door() -> None:
    """It is told a manner and asked for its counts over the same address, one request after the other."""
    order = json.dumps({"failing": 1.0, "delay_s": 0.001}).encode()
    told = f"POST {MANNER} HTTP/1.1\r\nContent-Length: {len(order)}\r\n\r\n".encode() + order
    counts, effects = (f"GET {path} HTTP/1.1\r\n\r\n".encode() for path in (COUNTS, EFFECTS))
    async with remembering() as (url, _):
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        writer.write(write("a", HOST, SECRET) + told + write("b", HOST, SECRET) + counts + effects)
        found: list[Told] = []
        data = b""
        while len(found) < 5:
            if (next_ := answer_in(data)) is None:
                data += await reader.read(65536)
            else:
                found.append(next_[0])
                data = data[next_[1] :]
        writer.close()
    assert [one.status for one in found] == [200, 200, 503, 200, 200]
    assert json.loads(found[3].body).items() >= {"writes": 2, "effects": 1, "failed": 1}.items()
    assert json.loads(found[4].body) == {"a": 1}


async def test_slow_reader() -> None:
    """A stream is read evenly over its time, and to its last byte."""
    async with remembering() as (url, _):
        began = time.monotonic()
        got = await read_slowly(url, "/v1/quotes/qt_3_50000_0/pdf", SECRET, 50_000, 0.1)
        assert time.monotonic() - began >= 0.1
    assert got == Read(200, 50_000, zlib.crc32(stream_of(3, 50_000)))


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nX: "])
async def test_dripped(first: bytes) -> None:
    """Who sends byte by byte, or nothing, is told how long it was borne; where it was not closed it never ends."""
    kept: list[float] = []
    came = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.extend(await reader.read(len(first) + 2) if not first else await reader.readexactly(len(first) + 2))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        dripping = asyncio.create_task(dripped(f"http://{host}:{port}", first, 0.005, kept))
        if first:
            await dripping
        else:
            await asyncio.wait([dripping], timeout=0.03)
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
    assert (bool(kept), bytes(came)) == ((True, first + b"aa") if first else (False, b""))


@pytest.mark.slow
def test_redis_again(tmp_path: Path) -> None:
    """A Redis that was killed is started again where it was; one that is silent still runs."""
    assert binary() is not None
    server = RedisServer(tmp_path / "redis")
    try:
        server.start()
        port = server.port
        server.silence()
        assert "runs" in repr(server)
        server.go_on()
        server.kill()
        assert "away" in repr(server)
        server.start()
        assert (server.port, server.url) == (port, f"redis://127.0.0.1:{port}")
    finally:
        server.stop()
    assert "away" in repr(server)
