"""Reads stream unless they are JSON: what comes is passed on as it comes, what breaks breaks, what echoes is hidden."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.proxy.road import SECRET, Road, call_of, marks, road, soon
from tests.proxy.rows import CREATE
from tests.proxy.scripted import HANG_UP, Scripted, answer, scripted
from tests.wire.client import Connection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 400\r\n\r\n"
MASK = b"*" * len(SECRET)


@dataclass(frozen=True)
class Stand:
    """A road and the upstream that it leads to."""

    upstream: Scripted
    road: Road

    async def reading(self, target: str = "/v1/customers") -> Connection:
        """
        Begin a read on a connection of its own.
        """
        connection = await self.road.connect()
        key = self.road.keys["support"]
        await connection.send(self.road.head("GET", target, [("Authorization", f"Bearer {key}")]))
        return connection

    async def last(self) -> dict[str, object]:
        """
        Return the newest record's entry.
        """
        return dict((await self.road.newest(1))[0].entry)

    def echoes(self) -> float:
        """
        Return how many answers held our credential.
        """
        return (
            self.road.rooms.metrics.registry.get_sample_value("breakwater_credential_echoes_total", {"api": "stripe"})
            or 0.0
        )


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """
    Give a road to a scripted upstream.
    """
    async with scripted() as upstream, road(tmp_path, upstream.url) as running:
        yield Stand(upstream, running)


async def received(connection: Connection, wanted: bytes) -> None:
    """
    Read until these bytes have come.
    """
    async with asyncio.timeout(5):
        while wanted not in connection._buffer:
            assert await connection._more(5)


async def test_first_chunk(stand: Stand) -> None:
    """The first bytes reach the agent while the upstream has not finished, and the rest follows them."""
    more = asyncio.Event()
    stand.upstream.then(HEAD + b"z" * 200, more, b"b" * 200)
    connection = await stand.reading()
    await received(connection, b"z" * 100)
    more.set()
    whole = await connection.answer()
    assert whole is not None
    assert marks(whole) == (200, "executed", "yes", "forward:allowed")
    assert whole.body == b"z" * 200 + b"b" * 200
    await connection.end()
    entry = await stand.last()
    assert entry["dlv"] == {"bytes": 400, "complete": True}


@pytest.mark.parametrize("sent", [b"", b"z" * 10, b"z" * 200], ids=["head only", "held back", "half"])
async def test_upstream_breaks(sent: bytes, stand: Stand) -> None:
    """An upstream that breaks off breaks the agent's stream: never a whole answer, never another one."""
    stand.upstream.then(HEAD + sent, HANG_UP)
    connection = await stand.reading()
    shown = await connection.rest(5)
    assert connection.closed
    assert shown.count(b"HTTP/1.1") == 1
    assert not shown.endswith(b"0\r\n\r\n")
    await connection.end()
    entry = await stand.last()
    assert entry["err"] == {"class": "truncated"}
    assert entry["dlv"] == {"bytes": shown.partition(b"\r\n\r\n")[2].count(b"z"), "complete": False}


async def test_breaks_for_an_old_agent(stand: Stand) -> None:
    """To who speaks HTTP/1.0, whom only the end tells that it has all, a stream that broke is reset, not ended."""
    stand.upstream.then(HEAD + b"z" * 200, HANG_UP)
    connection = await stand.road.connect()
    shown = [("Authorization", f"Bearer {stand.road.keys['support']}")]
    head = stand.road.head("GET", "/v1/customers", shown)
    await connection.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
    with pytest.raises(ConnectionResetError):
        while await connection._reader.read(65_536):
            pass
    await connection.end()


async def test_agent_leaves(stand: Stand) -> None:
    """An agent that leaves mid-read ends the upstream's stream as well, and the record says how much was delivered."""
    more, never = asyncio.Event(), asyncio.Event()
    stand.upstream.then(HEAD + b"z" * 200, more, b"b" * 100, never)
    connection = await stand.reading()
    await received(connection, b"z" * 100)
    await connection.end()
    await asyncio.sleep(0)
    more.set()
    await soon(lambda: stand.road.log.of("call"))
    entry = await stand.last()
    assert entry["k"] == "call.outcome"
    delivered = entry["dlv"]
    assert isinstance(delivered, dict)
    assert delivered["complete"] is False
    assert 100 < delivered["bytes"] < 300
    never.set()
    await soon(stand.upstream.hung_up.is_set)


async def test_bodiless(stand: Stand) -> None:
    """An answer without a body has none here either, and the connection goes on."""
    connection = await stand.road.connect()
    for status in (b"204 No Content", b"304 Not Modified"):
        stand.upstream.then(b"HTTP/1.1 " + status + b'\r\nETag: "1"\r\n\r\n')
        await connection.send(
            stand.road.head("GET", "/v1/customers", [("Authorization", f"Bearer {stand.road.keys['support']}")])
        )
        got = await connection.answer()
        assert got is not None
        assert (got.status, got.body, got.header("ETag")) == (int(status[:3]), b"", '"1"')
    await connection.end()


async def test_unread_answer(stand: Stand) -> None:
    """An answer that is not passed on is not read to its end: its connection is given up at once."""
    never = asyncio.Event()
    stand.upstream.then(b"HTTP/1.1 401 No\r\nContent-Length: 400\r\n\r\nabc", never)
    got = await stand.road.ask("GET", "/v1/customers")
    assert got.status == 401
    never.set()
    await soon(stand.upstream.hung_up.is_set)


@pytest.mark.parametrize("spelling", [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()])
async def test_echo_in_a_write(spelling: str, stand: Stand) -> None:
    """A credential that a write's answer echoes, in its body or a header, is overwritten on record as well."""
    said = json.dumps({"message": f"bad key {spelling}!"}).encode()
    stand.upstream.then(answer(400, said, f"Request-Id: req_{spelling}"))
    got = await stand.road.ask("POST", "/v1/customers", form=CREATE)
    assert got.json["message"] == f"bad key {'*' * len(spelling)}!"
    assert got.header("Request-Id") == "req_" + "*" * len(spelling)
    assert stand.echoes() == 1
    assert [line["api"] for line in stand.road.log.of("credential-echoed")] == ["stripe"]
    assert spelling not in str(await stand.road.opened(call_of(got)))


async def test_echo_in_a_stream(stand: Stand) -> None:
    """A credential that a read's answer echoes is overwritten wherever the pieces are cut, and counted once."""
    secret = SECRET.encode()
    for cut in range(len(secret) + 1):
        body = b"x" * 50 + secret + b"y" * 50
        head = answer(200, body).removesuffix(body).replace(b"application/json", b"text/csv")
        stand.upstream.then(head + b"x" * 50 + secret[:cut], secret[cut:] + b"y" * 50)
        got = await stand.road.ask("GET", "/v1/customers")
        assert got.body == b"x" * 50 + MASK + b"y" * 50
    assert stand.echoes() == len(secret) + 1


async def test_echo_in_a_header(stand: Stand) -> None:
    """A credential that only a header echoes is overwritten and counted, for a read and a write."""
    for method, form in (("GET", None), ("POST", CREATE)):
        stand.upstream.then(answer(200, b"{}", f"Request-Id: {SECRET}"))
        got = await stand.road.ask(method, "/v1/customers", form=form)
        assert got.header("Request-Id") == MASK.decode()
    assert stand.echoes() == 2


async def test_headers(stand: Stand) -> None:
    """Of an answer's headers those that describe it, its links and the API's own are shown; cookies, hops are not."""
    theirs = ("ETag: 1", "Stripe-Version: v", "Set-Cookie: a=b", "Location: http://elsewhere.example", "Server: nginx")
    stand.upstream.then(answer(200, b"{}", *theirs, "Connection: keep-alive, etag", "Strict-Transport-Security: a"))
    got = await stand.road.ask("GET", "/v1/customers")
    assert got.header("Stripe-Version") == "v"
    assert got.header("Server") == "breakwater"
    assert got.header("Location") == "http://elsewhere.example"
    assert [got.header(name) for name in ("ETag", "Set-Cookie", "Strict-Transport-Security")] == [None] * 3


async def test_record_before_the_end(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent has the end of a read before its record was handed over, and waited for where reads are durable."""
    durable, read_done = asyncio.Event(), stand.road.rooms.ledger.read_done

    async def held_back(*what: Any) -> None:
        await durable.wait()
        await read_done(*what)

    monkeypatch.setattr(stand.road.rooms.ledger, "read_done", held_back)
    stand.upstream.then(HEAD + b"z" * 400)
    connection = await stand.reading()
    await received(connection, b"z" * 300)
    waiting = asyncio.create_task(connection.answer())
    assert (await asyncio.wait({waiting}, timeout=0.1))[0] == set()
    durable.set()
    whole = await waiting
    assert whole is not None
    assert whole.body == b"z" * 400
    await connection.end()


async def test_unforeseen_before_the_first_piece(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read whose answer breaks here before a byte of it was passed on is on record, as one that nobody was shown."""
    stand.road.foreseen = False
    stand.upstream.then(HEAD + b"x" * 400)
    reading = await stand.reading()
    monkeypatch.setattr("proxy.links.Links.shown", None)
    assert await reading.answer() is None
    monkeypatch.undo()
    assert (await stand.last())["dlv"] == {"bytes": 0, "complete": False}
    await reading.end()
