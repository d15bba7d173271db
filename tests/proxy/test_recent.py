"""What was looked up a moment ago: one read for all who ask at once, kept for seconds and never across a write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from breakers.facts import Fetched
from proxy.errors import LedgerUnavailable
from proxy.recent import KEPT_BYTES_MAX, KEPT_MAX, Answer, Key, Recent

AT = datetime(2026, 11, 21, tzinfo=UTC)
CACHE_S = 5.0


def key(number: int = 0) -> Key:
    return ("stripe", "api", f"/v1/disputes?charge=ch_{number}", (), "stripe@1")


@dataclass
class Api:
    """An API that answers when it is told to, and counts what it was asked."""

    recent: Recent = field(default_factory=Recent)
    asked: int = 0
    writes: int = 0
    seconds: float = 0.0
    size: int = 10
    failed: str | None = None
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    cut_short: int = 0

    async def make(self) -> Answer:
        self.asked += 1
        number = self.asked
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cut_short += 1
            raise
        if self.error is not None:
            raise self.error
        return Answer(Fetched({"number": number}, AT, f"call {number}", self.failed), self.size)

    async def once(self, number: int = 0) -> Fetched:
        return await self.recent.once(key(number), self.make, lambda: self.writes, lambda: self.seconds, CACHE_S)


@pytest.fixture
def api() -> Api:
    made = Api()
    made.gate.set()
    return made


async def test_kept(api: Api) -> None:
    """An answer is used again until its seconds are over, which are counted from when it came."""
    first = await api.once()
    api.seconds = CACHE_S - 0.1
    assert await api.once() is first
    api.seconds = CACHE_S
    assert await api.once() is not first
    assert api.asked == 2


async def test_each_its_own(api: Api) -> None:
    """Another request is another look-up."""
    assert await api.once(1) is not await api.once(2)


async def test_a_write_between(api: Api) -> None:
    """What was asked for before a write is not used after it, even where it came later."""
    await api.once()
    api.writes += 1
    await api.once()
    assert api.asked == 2
    api.writes += 1
    api.gate.clear()
    late = asyncio.create_task(api.once())
    await asyncio.sleep(0)
    api.writes += 1
    early = asyncio.create_task(api.once())
    await asyncio.sleep(0)
    api.gate.set()
    assert await late is not await early
    assert await api.once() is await early
    assert api.asked == 4


async def test_joined(api: Api) -> None:
    """Who asks while the same is under way is given its answer, failed or not; a failed one is not kept."""
    api.gate.clear()
    api.failed = "away"
    asked = [asyncio.create_task(api.once()) for _ in range(5)]
    await asyncio.sleep(0)
    api.gate.set()
    answers = await asyncio.gather(*asked)
    assert {id(answer) for answer in answers} == {id(answers[0])}
    assert api.asked == 1
    await api.once()
    assert api.asked == 2


async def test_unrecorded(api: Api) -> None:
    """Where a look-up could not be recorded, nobody who waited for it goes on."""
    api.error = LedgerUnavailable("full")
    asked = await asyncio.gather(*(api.once() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, LedgerUnavailable) for one in asked)
    assert api.asked == 1
    api.error = None
    assert (await api.once()).data == {"number": 2}


async def test_given_up(api: Api) -> None:
    """A look-up goes on while anybody waits for it, and is cut short once nobody does."""
    api.gate.clear()
    one, other = asyncio.create_task(api.once()), asyncio.create_task(api.once())
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    assert not other.done()
    other.cancel()
    await asyncio.gather(one, other, return_exceptions=True)
    await asyncio.sleep(0)
    assert (api.asked, api.cut_short) == (1, 1)
    api.gate.set()
    assert (await api.once()).data == {"number": 2}
    assert repr(api.recent) == "Recent(1 kept, 0 under way)"


async def test_bounded(api: Api) -> None:
    """Only so many answers are kept, the newest, and none that is large."""
    for number in range(KEPT_MAX + 3):
        await api.once(number)
    assert repr(api.recent) == f"Recent({KEPT_MAX} kept, 0 under way)"
    api.size = KEPT_BYTES_MAX + 1
    await api.once(-1)
    asked = api.asked
    await api.once(-1)
    assert api.asked == asked + 1
