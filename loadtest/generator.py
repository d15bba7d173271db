"""
The caller of the load: kept connections, a job as one line of JSON in, what came of it as one line of JSON out.

A *closed* loop sends the next call on a connection as soon as that has its answer, and counts answers; its beginning is
driven and not counted. A *paced* one makes calls at a fixed rate, each timed from the moment that it was meant to begin
(`arrivals.py`). *Held* calls are all sent and then waited for. Every call is waited for, whether measured or not: an
answer that does not come, or a connection that ends, fails the job.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import cast
from urllib.parse import urlsplit

import uvloop

from loadtest.arrivals import Schedule
from loadtest.framing import Answered, MalformedError, whole_answer
from loadtest.jobs import PLACE, Closed, Done, Held, Job, Paced, read
from loadtest.scenario import Numbered

# What part of a closed loop's time is driven before any of it is counted.
WARM = 0.1

# How much longer than planned a job may take before it has hung.
PATIENCE_S = 15.0

# A thousand calls that somebody holds take seconds to be sent and to be answered.
HELD_PATIENCE_S = 120.0

# Connections that are opened at once: fewer than any listener lets wait.
OPENED_AT_ONCE = 64


class Connection(asyncio.Protocol):
    """
    One kept connection with at most one call on it.
    """

    def __init__(self, ended: Callable[[Connection, Answered], None], failed: Callable[[Exception], None]) -> None:
        self._ended, self._failed = ended, failed
        self._kept = b""
        self._transport: asyncio.Transport | None = None
        self.number = 0
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the connection.
        """
        # What uvloop hands over is one, and is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, number: int, data: bytes) -> None:
        """
        Send a call; `number` is the loop's own name for it.
        """
        assert self._transport is not None
        self.number = number
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """
        Hand the answer on once it is whole.
        """
        self._kept += data
        try:
            answered = whole_answer(self._kept)
        except MalformedError as error:
            self._failed(error)
            return
        if answered is not None:
            if len(self._kept) > answered.size:
                self._failed(MalformedError(f"more than was asked for: {self._kept[answered.size :][:40]!r}"))
                return
            self._kept = b""
            self._ended(self, answered)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Fail the job, unless it is over.
        """
        if not self.closing:
            self._failed(exc or ConnectionResetError("a kept connection was closed"))

    def close(self) -> None:
        """
        Close the connection.
        """
        assert self._transport is not None
        self.closing = True
        self._transport.close()


class Caller:
    """
    A job's connections and what was told on them.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 0
        self.done = Done()
        self.connections: list[Connection] = []
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._failure: Exception | None = None
        self._on_answer: Callable[[Connection, Answered], None] = lambda _, __: None

    async def connect(self, count: int) -> None:
        """
        Open the connections.
        """
        for start in range(0, count, OPENED_AT_ONCE):
            opened = [self._connect() for _ in range(start, min(start + OPENED_AT_ONCE, count))]
            self.connections += await asyncio.gather(*opened)

    async def _connect(self) -> Connection:
        made = lambda: Connection(self._answered, self._fail)  # noqa: E731
        _, connection = await self._loop.create_connection(made, self._host, self._port)
        return connection

    def close(self) -> None:
        """
        Close the connections.
        """
        for connection in self.connections:
            connection.close()

    async def drive(self, begin: Callable[[], None], on_answer: Callable[[Connection, Answered], None]) -> None:
        """
        Begin a loop and wait until it says that it is over.
        """
        self._on_answer = on_answer
        begin()
        await self._over
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """
        End the loop.
        """
        if not self._over.done():
            self._over.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.end()

    def _answered(self, connection: Connection, answered: Answered) -> None:
        told, verdict = self.done.told, answered.verdict
        told[verdict] = told.get(verdict, 0) + 1
        if answered.call and answered.status == 200:
            self.done.calls.append(answered.call)
        self._on_answer(connection, answered)


class PacedLoop:
    """
    Calls at a fixed rate; one that finds every connection busy waits for the next one that is not.
    """

    def __init__(self, caller: Caller, job: Paced, began: float) -> None:
        self._caller = caller
        self._texts = [Numbered(text, PLACE) for text in job.texts]
        self._calls = job.calls
        self._schedule = Schedule(began, job.per_second, len(job.calls))
        self._idle = deque(caller.connections)
        self._waiting: deque[int] = deque()
        self._begun, self._ended = 0, 0
        done = caller.done
        done.said, done.latencies_us, done.ended_ms = (
            [""] * len(job.calls),
            [0] * len(job.calls),
            [0] * len(job.calls),
        )

    def begin(self) -> None:
        """
        Begin every call that is due, and come back when the next one is.
        """
        if not self._schedule.count:
            self._caller.end()
        while self._begun < self._schedule.due(time.perf_counter()):
            if self._idle:
                self._send(self._idle.popleft(), self._begun)
            else:
                self._waiting.append(self._begun)
            self._begun += 1
        if self._begun < self._schedule.count:
            wait = self._schedule.intended(self._begun) - time.perf_counter()
            asyncio.get_running_loop().call_later(max(0.0, wait), self.begin)

    def _send(self, connection: Connection, which: int) -> None:
        text, number = self._calls[which]
        connection.send(which, self._texts[text].at(number))

    def answered(self, connection: Connection, answered: Answered) -> None:
        """
        Note how long a call took, and use its connection for one that waits.
        """
        now, which, done = time.perf_counter(), connection.number, self._caller.done
        done.said[which] = answered.verdict
        done.latencies_us[which] = round(1e6 * self._schedule.latency(which, now))
        done.ended_ms[which] = round(1e3 * (now - self._schedule.began))
        self._ended += 1
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)
            if self._ended == self._schedule.count:
                self._caller.end()


class ClosedLoop:
    """
    Every connection always has a call under way; answers between two moments are counted.
    """

    def __init__(self, caller: Caller, job: Closed, counted_from: float, until: float) -> None:
        self._caller, self._from, self._until = caller, counted_from, until
        self._texts, self._order = [Numbered(text, PLACE) for text in job.texts], job.order
        self._first, self._cycle = job.first, job.cycle
        caller.done.by_text = [{} for _ in job.texts]
        self._busy = len(caller.connections)
        self.counted, self.sent = 0, 0

    def begin(self) -> None:
        """
        Send the first call on each connection.
        """
        for connection in self._caller.connections:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        number = self._first + (self.sent % self._cycle if self._cycle else self.sent)
        which = self._order[self.sent % len(self._order)]
        self.sent += 1
        connection.send(which, self._texts[which].at(number))

    def answered(self, connection: Connection, answered: Answered) -> None:
        """
        Count, and send the next call unless the time is over.
        """
        now, told = time.perf_counter(), self._caller.done.by_text[connection.number]
        told[answered.verdict] = told.get(answered.verdict, 0) + 1
        if now < self._until:
            self.counted += now >= self._from
            self._send(connection)
            return
        self._busy -= 1
        if not self._busy:
            self._caller.end()


async def run(job: Job) -> Done:
    """
    Do a job.
    """
    caller = Caller(job.url)
    try:
        match job:
            case Closed():
                await _closed(caller, job)
            case Paced():
                await _paced(caller, job)
            case Held():
                await _held(caller, job)
    finally:
        caller.close()
    return caller.done


async def _closed(caller: Caller, job: Closed) -> None:
    warm = WARM * job.seconds
    async with asyncio.timeout(warm + job.seconds + PATIENCE_S):
        await caller.connect(job.connections)
        began = time.perf_counter() + warm
        loop = ClosedLoop(caller, job, began, began + job.seconds)
        await caller.drive(loop.begin, loop.answered)
    caller.done.calls_per_second = loop.counted / job.seconds
    caller.done.used = min(loop.sent, job.cycle) if job.cycle else loop.sent


async def _paced(caller: Caller, job: Paced) -> None:
    async with asyncio.timeout(len(job.calls) / job.per_second + PATIENCE_S):
        await caller.connect(job.connections)
        loop = PacedLoop(caller, job, time.perf_counter())
        await caller.drive(loop.begin, loop.answered)


async def _held(caller: Caller, job: Held) -> None:
    text, waiting = Numbered(job.text, PLACE), job.count

    def begin() -> None:
        for number, connection in enumerate(caller.connections):
            connection.send(number, text.at(job.first + number))

    def answered(_: Connection, __: Answered) -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            caller.end()

    async with asyncio.timeout(HELD_PATIENCE_S):
        await caller.connect(job.count)
        await caller.drive(begin, answered)
    caller.done.used = job.count


def main() -> None:
    """
    Do every job that comes in, until there are no more.
    """
    # A collection in the middle of a loop would show up as somebody's latency.
    gc.disable()
    for line in sys.stdin:
        try:
            done = uvloop.run(run(read(line)))
        except (OSError, TimeoutError, MalformedError) as error:
            done = Done(error=f"{type(error).__name__}: {error}")
        print(json.dumps(asdict(done)), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
