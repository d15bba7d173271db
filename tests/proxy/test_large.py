"""Large answers that are read whole are in memory a few at a time, and a turn is given back whatever becomes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.installation import agent
from proxy.errors import LedgerUnavailable
from proxy.large import LARGE_BYTES
from tests.proxy.road import Road, marks, road, soon
from tests.proxy.scripted import HANG_UP, Piece, Scripted, answer, scripted
from tests.wire.client import Answer

READER = agent({"stripe": {"*": {}}}, loops=False)
SMALL, LARGE = (b'{"x":"%s"}' % (b"x" * size) for size in (LARGE_BYTES // 2, 2 * LARGE_BYTES))
PASSED = (200, "executed", "yes", "forward:allowed")


@dataclass(frozen=True, slots=True)
class Site:
    """A road on which one large answer at a time may be in memory, and what is behind it."""

    on: Road
    upstream: Scripted

    async def read(self, *pieces: Piece) -> Answer:
        """
        Read what the upstream answers in these pieces.
        """
        self.upstream.then(*pieces)
        return await self.on.ask("GET", "/v1/customers/c", agent="reader")

    def begins(self, *pieces: Piece) -> asyncio.Task[Answer]:
        return asyncio.create_task(self.read(*pieces))

    @property
    def now(self) -> int:
        return self.on.rooms.large.now


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """
    Give it.
    """
    limits = {"large_answers": 1, "rewrite_max_bytes": "1MiB"}
    timeouts = {"read_total": "2s"}
    async with (
        scripted() as upstream,
        road(tmp_path, upstream.url, agents={"reader": READER}, limits=limits, timeouts=timeouts) as on,
    ):
        yield Site(on, upstream)


def halves(body: bytes) -> tuple[bytes, bytes]:
    """Return an answer in two pieces, the first of which is large by itself."""
    whole = answer(200, body)
    at = len(whole) - LARGE_BYTES // 2
    return whole[:at], whole[at:]


async def test_one_at_a_time(site: Site) -> None:
    """A large answer waits until the one before it is delivered, a small one does not, and all arrive whole."""
    first, rest = halves(LARGE)
    goes_on = asyncio.Event()
    one = site.begins(first, goes_on, rest)
    await soon(lambda: site.now == 1)
    two = site.begins(answer(200, LARGE))
    await soon(lambda: len(site.upstream.asked) == 2)
    assert marks(await site.read(answer(200, SMALL))) == PASSED
    await asyncio.sleep(0.1)
    assert (one.done(), two.done(), site.now) == (False, False, 1)
    goes_on.set()
    for told in (await one, await two):
        assert (marks(told), json.loads(told.body) == json.loads(LARGE)) == (PASSED, True)
    assert site.now == 0


async def test_in_vain(site: Site) -> None:
    """Who waits for a turn until its time is over is told so, and takes no turn from anybody."""
    await site.on.rooms.large.enter()
    told = await site.read(answer(200, LARGE))
    assert (told.status, told.reason, site.now) == (504, "upstream-timeout", 1)
    site.on.rooms.large.leave()
    assert marks(await site.read(answer(200, LARGE))) == PASSED


async def test_given_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that breaks off, is too large, cannot be recorded or is left gives its turn back."""
    first, _ = halves(LARGE)
    broken = await site.read(first, HANG_UP)
    assert (broken.status, broken.reason, site.now) == (502, "upstream-malformed", 0)
    over = await site.read(answer(200, b'"%s"' % (b"x" * (5 * LARGE_BYTES))))
    assert (over.status, over.reason, site.now) == (502, "answer-too-large", 0)
    with monkeypatch.context() as patched:
        patched.setattr(site.on.rooms.ledger, "read_done", _unrecorded)
        assert (await site.read(answer(200, LARGE))).reason == "ledger-unavailable"
        assert site.now == 0
    left = site.begins(first, asyncio.Event())
    await soon(lambda: site.now == 1)
    left.cancel()
    await soon(lambda: site.now == 0)
    assert marks(await site.read(answer(200, LARGE))) == PASSED


async def _unrecorded(*_: object) -> None:
    raise LedgerUnavailable("the disk is full")
