"""Workers are started, kept and replaced: what is done with a process that ends, without one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.clock import SystemClock
from proxy.seats import LONGEST_S, SHORTEST_S, Seat, Seats, State, pause_s
from tests.proxy.road import Lines

LEAVES_S = 60.0


class Acted:
    """
    A process that does what a test says; `obeys` tells whether it ends when it is told to, `leaves` whether it does
    when it is told to leave, `dies` whether by force, `opens` when it serves.
    """

    def __init__(
        self, number: int, *, starts: bool = True, obeys: bool = True, opens: asyncio.Event | None = None
    ) -> None:
        self.pid, self.replica = number, f"replica-{number}"
        self._starts, self._obeys, self._opens = starts, obeys, opens
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.sent: list[int] = []
        self.is_told, self.leaves, self.dies = False, True, True
        if not starts:
            self.code.set_result(1)

    async def ready(self) -> bool:
        if self._opens is not None:
            await self._opens.wait()
        return self._starts

    async def ended(self) -> int:
        return await asyncio.shield(self.code)

    def leave(self) -> None:
        self.is_told = True
        if self.leaves:
            self.end(0)

    def send(self, number: int) -> None:
        self.sent.append(number)
        if (number == SIGKILL and self.dies) or (number == SIGTERM and self._obeys):
            self.end(0 if number == SIGTERM else -SIGKILL)

    def end(self, code: int) -> None:
        """
        End it.
        """
        if not self.code.done():
            self.code.set_result(code)


class Stage:
    """
    Seats whose processes are acted; `fails` are the seats whose next process ends before it serves.
    """

    def __init__(self, count: int) -> None:
        self.log, self.fails, self.launched = Lines(), set[int](), list[tuple[int, Acted]]()
        self.obeys, self.opens = True, dict[int, asyncio.Event]()
        # Every pause is drawn at its shortest.
        self.seats = Seats(count, self._launch, SystemClock(), bytes, self.log, LEAVES_S)

    async def _launch(self, number: int) -> Acted:
        opens = self.opens.get(number)
        made = Acted(len(self.launched) + 1, starts=number not in self.fails, obeys=self.obeys, opens=opens)
        self.launched.append((number, made))
        return made

    def now(self, number: int) -> Acted:
        """
        Return the newest process of a seat.
        """
        return next(made for seat, made in reversed(self.launched) if seat == number)

    async def starting(self, number: int) -> Acted:
        """
        End a seat's process; return the next one once it is being started.
        """
        seat, former = self.seats.all[number - 1], self.now(number)
        former.end(1)
        while seat.process in {former, None}:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0.005)
        return self.now(number)

    async def back(self, number: int, starts: int) -> None:
        """
        Wait until a seat has been started so often, and serves.
        """
        seat = self.seats.all[number - 1]
        while seat.starts < starts or not seat.serves:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0.005)


@asynccontextmanager
async def begun(count: int) -> AsyncIterator[Stage]:
    """
    Give seats with a process on each.
    """
    stage = Stage(count)
    assert await stage.seats.begin() is None
    try:
        yield stage
    finally:
        await stage.seats.end(1.0)


async def sound(_: Seat) -> bool:
    return True


@given(failures=st.integers(0, 10_000), drawn=st.floats(0, 1))
def test_pauses(failures: int, drawn: float) -> None:
    """A pause is half the shortest at least, one and a half times the longest at most, and grows."""
    pause = pause_s(failures, drawn)
    assert SHORTEST_S / 2 <= pause <= LONGEST_S * 1.5
    assert pause_s(failures + 1, drawn) >= pause


async def test_first_alone() -> None:
    """The first worker serves before another one is started."""
    stage = Stage(3)
    stage.fails = {1}
    assert await stage.seats.begin() is stage.seats.all[0]
    assert [number for number, _ in stage.launched] == [1]


async def test_start_fails() -> None:
    """A start fails with a worker that does not come to serve, and the others can be ended."""
    stage = Stage(2)
    stage.fails = {2}
    assert await stage.seats.begin() is stage.seats.all[1]
    assert await stage.seats.end(1.0)
    assert stage.now(1).sent == [SIGTERM]


async def test_kept() -> None:
    """A process that ends is followed by another, again after a failed start, and the others stay."""
    async with begun(2) as stage:
        stage.fails = {2}
        stage.now(2).end(-9)
        while len(stage.launched) < 4:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0.005)
        stage.fails = set()
        await stage.back(2, 4)
        assert [number for number, _ in stage.launched] == [1, 2, 2, 2, 2]
        assert stage.seats.all[1].failures >= 2


async def test_rolled() -> None:
    """Workers are replaced in their order, each told to leave once the one before is sound again."""
    async with begun(3) as stage:
        former = [stage.now(number) for number in (1, 2, 3)]
        order: list[tuple[int, list[bool]]] = []

        async def asked(seat: Seat) -> bool:
            order.append((seat.number, [one.is_told for one in former]))
            return True

        await stage.seats.roll(asked)
        assert (stage.seats.rolled, stage.seats.roll_why, stage.seats.is_rolling) == ([1, 2, 3], None, False)
        assert [number for number, _ in stage.launched] == [1, 2, 3, 1, 2, 3]
        assert all(told == sorted(told, reverse=True) for _, told in order)
        assert not any(one.sent for one in former)


@pytest.mark.parametrize(
    ("case", "why"),
    [("unsound", "worker 2 is not ready"), ("broken", "could not be started again"), ("gone", "worker 2 is not ready")],
)
async def test_roll_stops(case: str, why: str) -> None:
    """Nothing more is replaced where another worker is not ready, or the replaced one does not come back."""
    async with begun(2) as stage:

        async def asked(seat: Seat) -> bool:
            return not (case == "unsound" and seat.number == 2)

        stage.fails = {1} if case == "broken" else set()
        if case == "gone":
            stage.fails = {2}
            stage.now(2).end(1)
            while stage.seats.all[1].serves:  # noqa: ASYNC110 what is waited for is what is tested
                await asyncio.sleep(0.005)
        await stage.seats.roll(asked)
        assert stage.seats.roll_why is not None
        assert why in stage.seats.roll_why
        assert stage.seats.rolled == []
        assert len([number for number, _ in stage.launched if number == 2]) < 2 or case == "gone"


async def test_leaver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs while it leaves is ended by force, and the others are replaced; one that stays is told of."""
    monkeypatch.setattr("proxy.seats.ENDED_WITHIN_S", 0.02)
    async with begun(2) as stage:
        stage.seats._leaves_s = 0.02
        hanging = stage.now(1)
        hanging.leaves = False
        await stage.seats.roll(sound)
        assert (stage.seats.rolled, stage.seats.roll_why) == ([1, 2], None)
        assert (hanging.sent, len(stage.log.of("worker-forced"))) == ([SIGKILL], 1)
        stuck = stage.now(1)
        stuck.leaves = stuck.dies = False
        await stage.seats.roll(sound)
        assert "cannot be ended" in (stage.seats.roll_why or "")
        assert (stage.seats.rolled, stage.seats.is_rolling) == ([], False)
        stuck.end(-SIGKILL)


async def test_start_hangs() -> None:
    """A restart whose new process neither serves nor ends stops there, and leaves that process be."""
    async with begun(2) as stage:
        stage.seats._leaves_s, stage.opens = 0.02, {1: asyncio.Event()}
        await stage.seats.roll(sound)
        assert "is starting still" in (stage.seats.roll_why or "")
        assert stage.now(1).sent == []
        stage.opens[1].set()
        await stage.back(1, 2)


async def test_signals() -> None:
    """A signal reaches every process, also the next one of a seat without, and one that does not end is ended."""
    async with begun(2) as stage:
        stage.seats.tell(10)
        assert [made.sent for _, made in stage.launched] == [[10], [10]]
        stage.now(2).end(1)
        while stage.seats.all[1].serves:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0.005)
        stage.seats.tell(12)
        await stage.back(2, 2)
        assert [made.sent for _, made in stage.launched] == [[10, 12], [10], [12]]
    stage = Stage(2)
    stage.obeys = False
    await stage.seats.begin()
    assert not await stage.seats.end(0.02)
    assert {seat.state for seat in stage.seats} == {State.ENDED}


async def test_signals_owed() -> None:
    """A signal that a process got which then did not come to serve reaches the next one, and none after that."""
    async with begun(2) as stage:
        stage.fails, stage.opens = {2}, {2: asyncio.Event()}
        failing = await stage.starting(2)
        stage.seats.tell(10)
        assert failing.sent == [10]
        stage.opens[2].set()
        stage.fails = set()
        await stage.back(2, 3)
        stage.now(2).end(1)
        await stage.back(2, 4)
        assert [made.sent for number, made in stage.launched if number == 2] == [[], [10], [10], []]


async def test_ended_starting() -> None:
    """A process that is being started when all are ended is told and waited for, although it came to serve."""
    stage = Stage(2)
    stage.opens, stage.obeys = {2: asyncio.Event()}, False
    begun = asyncio.create_task(stage.seats.begin())
    while len(stage.launched) < 2:  # noqa: ASYNC110 what is waited for is what is tested
        await asyncio.sleep(0)
    ending = asyncio.create_task(stage.seats.end(60.0))
    await asyncio.sleep(0)
    stage.opens[2].set()
    stage.now(1).end(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not ending.done()
    assert stage.now(2).sent == [SIGTERM]
    # One that does not hear it yet is ended by it, and that is as well.
    stage.now(2).end(-SIGTERM)
    assert await ending
    assert (await begun) is stage.seats.all[1]


async def test_settled() -> None:
    """Whoever asks waits for those that are being started at that moment, and hears which of them are so still."""
    async with begun(3) as stage:
        stage.opens = {2: asyncio.Event(), 3: asyncio.Event()}
        await asyncio.gather(stage.starting(2), stage.starting(3))
        settled = asyncio.create_task(stage.seats.settled(60.0))
        stage.opens[2].set()
        await stage.back(2, 2)
        assert not settled.done()
        stage.now(3).end(1)
        stage.opens[3].set()
        assert await settled == []
        stage.opens = {1: asyncio.Event()}
        await stage.starting(1)
        assert await stage.seats.settled(0.01) == [stage.seats.all[0]]
        stage.opens[1].set()


@pytest.mark.parametrize("error", [BlockingIOError, ValueError])
async def test_no_process(error: type[Exception]) -> None:
    """Where a process cannot be started, for whatever reason, that is in the log and another start is tried."""
    stage = Stage(1)
    launch, tries = stage.seats._launch, list[int]()

    async def scarce(number: int) -> Any:
        tries.append(number)
        if len(tries) == 2:
            raise error
        return await launch(number)

    stage.seats._launch = scarce
    await stage.seats.begin()
    stage.now(1).end(1)
    await stage.back(1, 3)
    await stage.seats.end(1.0)
    assert tries == [1, 1, 1]
    assert [line["error"] for line in stage.log.of("failure")] == [f"{error.__name__}()"]
