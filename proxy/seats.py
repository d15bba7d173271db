"""
The workers of a parent: each one's process, started, kept, and replaced one after the other.

| a process | then |
|---|---|
| ends before it was ever ready, at the parent's start | the parent's start has failed |
| ends by itself | another one, after a pause that doubles from a quarter of a second to half a minute |
| was told to leave | another one at once |

A pause begins anew once a process has lived for a minute. Pauses are drawn around their length, so that workers which
failed together do not come back together. One that hangs is not killed: it may be in the middle of a write, and whoever
ends it knows what for. One that was told to leave is, once all that it may wait for is over: nobody reaches it any
more, and its seat would stay empty.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from signal import SIGKILL, SIGTERM
from typing import Protocol

from proxy.clock import Clock, Randomness
from proxy.logline import Log

SHORTEST_S, LONGEST_S = 0.25, 30.0

ENDED_WELL = frozenset({0, -SIGTERM})
"""A process that is told to end before it hears signals is ended by that one."""

LIVED_S = 60.0
"""Whatever ends a process after that is not what ended the one before."""

ENDED_WITHIN_S = 10.0
"""By force, that is: a process that has not ended after it waits for a disk, and ends when that answers."""

SOUND_WITHIN_S = 60.0
"""For a ledger's replay, and for the store to be asked: after that something is wrong with the new process."""

DRAW_BYTES = 4


class State(StrEnum):
    """
    How a worker stands.
    """

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"
    WAITING = "waiting"
    ENDED = "ended"


class Process(Protocol):
    """
    One running process of a worker.
    """

    pid: int
    replica: str
    """By what the shared state knows it, once it serves."""

    async def ready(self) -> bool:
        """
        Return True once it serves, False where it ends before.
        """

    async def ended(self) -> int:
        """
        Return its exit code, negative for the signal that ended it.
        """

    def leave(self) -> None:
        """
        Tell it to end once nobody is connected any more.
        """

    def send(self, number: int) -> None:
        """
        Send it a signal, if it runs.
        """


Launch = Callable[[int], Awaitable[Process]]


def pause_s(failures: int, drawn: float) -> float:
    """
    Return how long to wait after this many failures in a row, by a draw from 0 to 1.
    """
    return min(LONGEST_S, SHORTEST_S * 2.0 ** min(failures, 16)) * (0.5 + drawn)


class Seat:
    """
    One worker, whichever process it is at the moment.
    """

    def __init__(self, number: int) -> None:
        self.number, self.state = number, State.WAITING
        self.process: Process | None = None
        self.starts, self.failures, self.code = 0, 0, 0
        self.is_told, self.owed = False, set[int]()

    def __repr__(self) -> str:
        return f"Seat({self.number}, {self.state})"

    @property
    def serves(self) -> bool:
        """
        Tell whether it takes connections.
        """
        return self.state is State.READY

    @property
    def pid(self) -> int | None:
        """
        Return the process, where there is one.
        """
        return None if self.process is None else self.process.pid

    @property
    def replica(self) -> str:
        """
        Return by what the shared state knows the process.
        """
        return "" if self.process is None else self.process.replica


class Seats:
    """
    All of them. `on_moved` is told whenever one stands otherwise; `roll_why` is what kept the last replacement back.

    Whoever was told to leave has ended within `leaves_s`, or hangs.
    """

    def __init__(
        self,
        count: int,
        launch: Launch,
        clock: Clock,
        randomness: Randomness,
        log: Log,
        leaves_s: float,
        on_moved: Callable[[Seat], None] = lambda _: None,
    ) -> None:
        self.all = [Seat(number) for number in range(1, count + 1)]
        self._launch, self._clock, self._randomness, self._log = launch, clock, randomness, log
        self._leaves_s, self._on_moved = leaves_s, on_moved
        self._moved, self._kept = asyncio.Event(), set[asyncio.Task[None]]()
        self._ending = asyncio.Event()
        self.is_rolling, self.rolled = False, list[int]()
        self.roll_why: str | None = None

    def __repr__(self) -> str:
        return f"Seats({self.all})"

    def __iter__(self) -> Iterator[Seat]:
        return iter(self.all)

    @property
    def ready(self) -> list[Seat]:
        """
        Return those that serve.
        """
        return [seat for seat in self.all if seat.serves]

    async def begin(self) -> Seat | None:
        """
        Start every worker, the first one before the others; return one that could not, and then none goes on.

        What a start puts right that was cut short, and what is on record for all, is so before another one serves.
        """
        first, *others = self.all
        for seats in ([first], others):
            fine = await asyncio.gather(*(self._start(seat) for seat in seats))
            for seat, is_fine in zip(seats, fine, strict=True):
                if not is_fine or self._ending.is_set():
                    return seat
        for seat in self.all:
            self._kept.add(asyncio.create_task(self._keep(seat)))
        return None

    async def end(self, within_s: float) -> bool:
        """
        Have every worker end, those at last by force that have not after so long; tell whether all ended well.
        """
        self._ending.set()
        running = self._send(SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                codes = await self._gone(running)
        except TimeoutError:
            self._send(SIGKILL)
            codes = await self._gone(running)
        await asyncio.gather(*self._kept)
        for seat in self.all:
            self._now(seat, State.ENDED)
        return ENDED_WELL.issuperset(codes)

    def _send(self, number: int) -> list[Process]:
        running = [seat.process for seat in self.all if seat.process is not None]
        for process in running:
            process.send(number)
        return running

    async def _gone(self, running: list[Process]) -> list[int]:
        # One that was just being started as all were told to end is told then, and has ended once its seat starts none.
        await self._until(lambda: all(seat.state is not State.STARTING for seat in self.all))
        return await asyncio.gather(*(process.ended() for process in running))

    def tell(self, number: int) -> None:
        """
        Send every worker a signal; where its process does not serve yet, or is leaving, the next one as well.

        What has not come to serve may end before it has heard it.
        """
        self._send(number)
        for seat in self.all:
            if not seat.serves:
                seat.owed.add(number)

    async def settled(self, within_s: float) -> list[Seat]:
        """
        Wait until every process that is being started now serves, or has ended; return the seats where none does.
        """
        starting = [(seat, seat.starts) for seat in self.all if seat.state is State.STARTING]

        def left() -> list[Seat]:
            return [seat for seat, starts in starting if seat.state is State.STARTING and seat.starts == starts]

        await self._within(within_s, lambda: not left())
        return left()

    def begins_roll(self) -> None:
        """
        Note that all are about to be replaced: what is said of it from now on is not of the last time.
        """
        self.is_rolling, self.rolled, self.roll_why = True, [], None

    async def roll(self, sound: Callable[[Seat], Awaitable[bool]]) -> None:
        """
        Replace one process after the other, the next only when the last is `sound` again; `roll_why` says what failed.
        """
        self.begins_roll()
        self._log.event("restarting", workers=len(self.all))
        try:
            for seat in self.all:
                self.roll_why = await self._replace(seat, sound)
                if self.roll_why is not None:
                    self._log.event("restart-stopped", why=self.roll_why)
                    return
                self.rolled.append(seat.number)
            self._log.event("restarted", workers=self.rolled)
        finally:
            self.is_rolling = False

    async def _replace(self, seat: Seat, sound: Callable[[Seat], Awaitable[bool]]) -> str | None:
        for other in self.all:
            if other is not seat and not (other.serves and await sound(other)):
                return f"worker {other.number} is not ready, so worker {seat.number} stays"
        if not seat.serves or seat.process is None:
            return f"worker {seat.number} is not ready"
        process, former = seat.process, seat.starts
        seat.is_told = True
        process.leave()
        self._now(seat, State.LEAVING)
        if not await self._left(seat, process):
            return f"worker {seat.number} hangs while it leaves, and cannot be ended: see what its disk does"
        came = {State.READY, State.WAITING, State.ENDED}
        if not await self._within(self._leaves_s, lambda: seat.starts > former and seat.state in came):
            return f"worker {seat.number} is starting still; see the log for what it does"
        return await self._back(seat, sound)

    async def _left(self, seat: Seat, process: Process) -> bool:
        """
        Wait until a process that leaves has ended, at last by force; tell whether it has.
        """
        if await self._within(self._leaves_s, lambda: seat.state is not State.LEAVING):
            return True
        # What it had under way is in doubt, and its next process looks for it.
        self._log.event("worker-forced", worker=seat.number, pid=process.pid)
        process.send(SIGKILL)
        return await self._within(ENDED_WITHIN_S, lambda: seat.state is not State.LEAVING)

    async def _back(self, seat: Seat, sound: Callable[[Seat], Awaitable[bool]]) -> str | None:
        if not seat.serves:
            return f"worker {seat.number} could not be started again: it ended with {seat.code}"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOUND_WITHIN_S):
                while not await sound(seat):  # noqa: ASYNC110 another process is asked, which sets no event here
                    await asyncio.sleep(SHORTEST_S)
                return None
        return f"worker {seat.number} serves, but is not ready; see /readyz"

    async def _within(self, within_s: float, holds: Callable[[], bool]) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._until(holds)
        return holds()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            moved = self._moved
            await moved.wait()

    def _now(self, seat: Seat, state: State) -> None:
        seat.state = state
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self._on_moved(seat)

    async def _start(self, seat: Seat) -> bool:
        """
        Start a process; tell whether it came to serve.
        """
        if self._ending.is_set():
            return False
        self._now(seat, State.STARTING)
        seat.starts += 1
        try:
            seat.process = await self._launch(seat.number)
        except Exception as error:  # whatever it is, as no process or no descriptor: the seat must not stay empty
            self._log.failure("", error)
            self._now(seat, State.WAITING)
            return False
        # It hears them once it can: a program that starts has what stops writes wait. Until it serves they stay owed.
        for number in seat.owed:
            seat.process.send(number)
        if self._ending.is_set():
            seat.process.send(SIGTERM)
        if await seat.process.ready() and not self._ending.is_set():
            seat.owed.clear()
            self._now(seat, State.READY)
            return True
        seat.code = await seat.process.ended()
        self._log.event("worker-failed", worker=seat.number, pid=seat.pid, code=seat.code)
        seat.process = None
        self._now(seat, State.WAITING)
        return False

    async def _keep(self, seat: Seat) -> None:
        """
        Have somebody on a seat for ever.
        """
        began = self._clock.monotonic()
        while not self._ending.is_set():
            if seat.process is not None:
                seat.code = await seat.process.ended()
                self._log.event("worker-ended", worker=seat.number, pid=seat.pid, code=seat.code, told=seat.is_told)
                seat.process = None
            if self._clock.monotonic() - began > LIVED_S or seat.is_told:
                seat.failures = 0
            if not seat.is_told:
                self._now(seat, State.WAITING)
                drawn = int.from_bytes(self._randomness(DRAW_BYTES)) / 2 ** (8 * DRAW_BYTES)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause_s(seat.failures, drawn))
                seat.failures += 1
            if not self._ending.is_set():
                seat.is_told, began = False, self._clock.monotonic()
                await self._start(seat)
