"""
Time, order and processes of a simulation: event loops of our own, one a process, over one clock that nobody waits for.

Each process has its own loop, as on a machine of its own; whose turn it is among those that have something to do is
drawn from the seed, and so is which of several timers of one moment comes first. Within one process callbacks run in
the order in which they were asked for, which asyncio promises. A turn takes some microseconds, so that time moves
whatever runs. Nothing has a thread: what is meant for one runs in the loop, after a moment.

A process that dies takes with it whatever it had still to do: no callback, no timer, no `finally` of it runs any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Self

TURN_S = 0.000_02
"""What one turn of a process takes: far less than anything that it waits for."""

THREAD_S = (0.000_1, 0.002)
"""After how long work for a thread is done."""

Connect = Callable[["ProcessLoop", Callable[[], asyncio.BaseProtocol], str], Coroutine[Any, Any, Any]]


class StuckError(AssertionError):
    """
    The simulation goes round without an end.
    """


class Scheduler:
    """
    One clock, and every loop that goes by it.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.turns = 0
        self.failures: list[str] = []
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle, ProcessLoop]] = []
        self._numbers = 0
        # What wakes those that stand still.
        self.idle = ProcessLoop.of(self, "idle")
        self._ready: list[ProcessLoop] = []

    def __repr__(self) -> str:
        return f"<Scheduler now={self.now:.6f} turns={self.turns}>"

    def at(self, when: float, handle: asyncio.TimerHandle, loop: ProcessLoop) -> None:
        """
        Have a timer run at its time.
        """
        self._numbers += 1
        heapq.heappush(self._timers, (when, self.rng.random(), self._numbers, handle, loop))

    def is_ready(self, loop: ProcessLoop) -> None:
        """
        Note that a loop has something to do.
        """
        self._ready.append(loop)

    def run(self, until: float, turns_max: int, over: Callable[[], bool] = lambda: False) -> None:
        """
        Let everything happen up to a moment, or until it is over. Raise `StuckError` after so many turns.
        """
        try:
            while not over():
                if not self._ready and not self._next(until):
                    return
                self._due()
                if self._ready:
                    self._turn()
                if self.turns > turns_max:
                    raise StuckError(f"{self.turns} turns by {self.now:.3f} s")
        finally:
            asyncio._set_running_loop(None)

    def _next(self, until: float) -> bool:
        """
        Move the clock to the next timer, unless that is later.
        """
        timers = self._timers
        while timers and (timers[0][3].cancelled() or timers[0][4].is_dead):
            heapq.heappop(timers)
        if not timers or timers[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, timers[0][0])
        return True

    def _due(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            handle, loop = heapq.heappop(timers)[3:]
            if not handle.cancelled():
                loop.push(handle)

    def _turn(self) -> None:
        ready = self._ready
        place = int(self.rng.random() * len(ready)) if len(ready) > 1 else 0
        loop = ready.pop(place)
        self.now += TURN_S
        self.turns += 1
        loop.turn()


class ProcessLoop(asyncio.AbstractEventLoop):
    """
    The loop of one process. `offset_s` is what its own monotonic clock begins at.
    """

    def __init__(self, scheduler: Scheduler, name: str, connect: Connect | None = None) -> None:
        self.scheduler, self.name = scheduler, name
        self.is_dead = False
        self._connect = connect
        self._queue: deque[asyncio.Handle] = deque()
        self._is_waiting = False
        self._still_until = 0.0
        self._tasks: list[asyncio.Task[Any]] = []

    @classmethod
    def of(cls, scheduler: Scheduler, name: str, connect: Connect | None = None) -> Self:
        """
        Return the loop of a process; what asyncio's has beside is not asked for here.
        """
        return cls(scheduler, name, connect)

    def __repr__(self) -> str:
        return f"<ProcessLoop {self.name}{' dead' if self.is_dead else ''}>"

    def die(self) -> None:
        """
        Forget all that was to be done.
        """
        self.is_dead = True
        self._queue.clear()

    def end(self) -> None:
        """
        Close what was left unfinished, once the simulation is over: the collector is not to meet it half-way.
        """
        self.die()
        for task in reversed(self._tasks):
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                with contextlib.suppress(BaseException):
                    coroutine.close()
        self._tasks.clear()

    def stand_still(self, seconds: float) -> None:
        """
        Do nothing for so long; what comes meanwhile waits, and timers are late.
        """
        self._still_until = max(self._still_until, self.scheduler.now + seconds)

    def push(self, handle: asyncio.Handle) -> None:
        """
        Have something done with the next turn.
        """
        if self.is_dead:
            return
        self._queue.append(handle)
        if not self._is_waiting:
            self._is_waiting = True
            self.scheduler.is_ready(self)

    def turn(self) -> None:
        """
        Do what was ready when the turn began.
        """
        queue = self._queue
        if self._still_until > self.scheduler.now:
            self.scheduler.at(self._still_until, asyncio.TimerHandle(0.0, self._go_on, (), self), self.scheduler.idle)
            return
        asyncio._set_running_loop(self)
        for _ in range(len(queue)):
            if not queue:
                break
            handle = queue.popleft()
            if not handle._cancelled:
                handle._run()
        self._is_waiting = False
        if queue:
            self._is_waiting = True
            self.scheduler.is_ready(self)

    def _go_on(self) -> None:
        """
        Take the turn that was missed.
        """
        if not self.is_dead:
            self.scheduler.is_ready(self)

    # ------------------------------------------------------------------------------------------ what asyncio asks of it

    def time(self) -> float:
        return self.scheduler.now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.push(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.scheduler.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.is_dead:
            self.scheduler.at(when, handle, self)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """
        Forget nothing: a timer that is cancelled is passed over when its time comes.
        """

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except BaseException as error:
                if not future.cancelled():
                    future.set_exception(error)
                return
            if not future.cancelled():
                future.set_result(result)

        self.call_later(self.scheduler.rng.uniform(*THREAD_S), work)
        return future

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **_: Any) -> Any:
        assert self._connect is not None, "nobody dials from here"
        return await self._connect(self, protocol_factory, str(path))

    async def create_connection(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a simulation has no sockets")

    async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a simulation has no names")

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """
        Nobody sends signals here.
        """

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.is_dead or "was destroyed" in context.get("message", ""):
            return
        error = context.get("exception")
        where = traceback.extract_tb(error.__traceback__)[-1:] if error is not None else []
        if isinstance(error, AssertionError) and where[-1].filename.endswith("web_protocol.py"):
            # aiohttp's own, where a connection has ended by the time that it is begun with; nothing comes of it.
            return
        self.scheduler.failures.append(f"{self.name}: {context.get('message')}: {error!r} at {list(where)}")

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    async def shutdown_asyncgens(self) -> None:
        """
        Nothing of ours outlives the simulation.
        """
