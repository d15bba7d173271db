"""
The caller of the load: kept connections, a job as one line of JSON in, what came of it as one line of JSON out.

A job is one operation on one road, twice. First an open loop, calls at a fixed rate, each timed from the moment that it
was meant to begin (`arrivals.py`); then a closed loop, in which every connection sends its next call as soon as it has
its answer, and answers are counted. This order, so that what a proxy still has to do behind a closed loop is not in
anybody's latency. The beginning of each is driven and not measured. Every call is waited for, whether measured or not:
an answer that does not come, or a connection that ends, fails the job.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from loadtest.arrivals import Schedule, percentile
from loadtest.framing import Answered, MalformedError, whole_answer
from loadtest.scenario import OPERATIONS, Numbered, request

# What part of a loop's time is driven before any of it is measured.
WARM = 0.1

# How much longer than planned a job may take before it has hung.
PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """
    One operation on one road; `seconds` is how long each of the two loops is measured.
    """

    url: str
    credential: str
    operation: str
    connections: int
    per_second: float
    seconds: float


@dataclass(slots=True)
class Done:
    """
    What came of a job: statuses of every call, the calls that answers with 200 named, and the two loops' figures.
    """

    statuses: dict[int, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    calls_per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    error: str = ""


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
        Send a call.
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
    A job's connections, its calls' numbers and what their answers said.
    """

    def __init__(self, job: Job, numbers: Iterator[int]) -> None:
        address = urlsplit(job.url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._requests: Numbered = request(OPERATIONS[job.operation], address.netloc, job.credential)
        self._numbers = numbers
        self.done = Done()
        self.connections: list[Connection] = []
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._failure: Exception | None = None
        self._on_answer: Callable[[Connection], None] = lambda _: None

    async def connect(self, count: int) -> None:
        """
        Open the connections.
        """
        for _ in range(count):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._answered, self._fail), self._host, self._port
            )
            self.connections.append(connection)

    def close(self) -> None:
        """
        Close the connections.
        """
        for connection in self.connections:
            connection.close()

    async def drive(self, begin: Callable[[], None], on_answer: Callable[[Connection], None]) -> None:
        """
        Begin a loop and wait until it says that it is over.
        """
        self._over, self._on_answer = self._loop.create_future(), on_answer
        begin()
        await self._over
        if self._failure is not None:
            raise self._failure

    def call(self, connection: Connection, number: int) -> None:
        """
        Send the next call on an idle connection; `number` is the loop's own name for it.
        """
        connection.send(number, self._requests.at(next(self._numbers)))

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
        statuses = self.done.statuses
        statuses[answered.status] = statuses.get(answered.status, 0) + 1
        if answered.status == 200:
            self.done.calls.append(answered.call)
        self._on_answer(connection)


class OpenLoop:
    """
    Calls at a fixed rate; one that finds every connection busy waits for the next one that is not.
    """

    def __init__(self, caller: Caller, schedule: Schedule) -> None:
        self._caller, self._schedule = caller, schedule
        self._idle = deque(caller.connections)
        self._waiting: deque[int] = deque()
        self._begun, self._ended = 0, 0
        self.latencies = [0.0] * schedule.count

    def begin(self) -> None:
        """
        Begin every call that is due, and come back when the next one is.
        """
        while self._begun < self._schedule.due(time.perf_counter()):
            if self._idle:
                self._caller.call(self._idle.popleft(), self._begun)
            else:
                self._waiting.append(self._begun)
            self._begun += 1
        if self._begun < self._schedule.count:
            wait = self._schedule.intended(self._begun) - time.perf_counter()
            asyncio.get_running_loop().call_later(max(0.0, wait), self.begin)

    def answered(self, connection: Connection) -> None:
        """
        Note how long a call took, and use its connection for one that waits.
        """
        self.latencies[connection.number] = self._schedule.latency(connection.number, time.perf_counter())
        self._ended += 1
        if self._waiting:
            self._caller.call(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)
            if self._ended == self._schedule.count:
                self._caller.end()


class ClosedLoop:
    """
    Every connection always has a call under way; answers between two moments are counted.
    """

    def __init__(self, caller: Caller, counted_from: float, until: float) -> None:
        self._caller, self._from, self._until = caller, counted_from, until
        self._busy = len(caller.connections)
        self.counted = 0

    def begin(self) -> None:
        """
        Send the first call on each connection.
        """
        for connection in self._caller.connections:
            self._caller.call(connection, 0)

    def answered(self, connection: Connection) -> None:
        """
        Count, and send the next call unless the time is over.
        """
        now = time.perf_counter()
        if now < self._until:
            self.counted += now >= self._from
            self._caller.call(connection, 0)
            return
        self._busy -= 1
        if not self._busy:
            self._caller.end()


async def run(job: Job, numbers: Iterator[int]) -> Done:
    """
    Do a job; `numbers` are those of creates that nobody has made yet.
    """
    caller = Caller(job, numbers)
    warm = WARM * job.seconds
    async with asyncio.timeout(2 * (job.seconds + warm) + PATIENCE_S):
        try:
            await caller.connect(job.connections)
            first = round(warm * job.per_second)
            count = first + max(1, round(job.seconds * job.per_second))
            paced = OpenLoop(caller, Schedule(time.perf_counter(), job.per_second, count))
            await caller.drive(paced.begin, paced.answered)
            began = time.perf_counter() + warm
            full = ClosedLoop(caller, began, began + job.seconds)
            await caller.drive(full.begin, full.answered)
        finally:
            caller.close()
    caller.done.calls_per_second = full.counted / job.seconds
    caller.done.p50_ms = 1000 * percentile(paced.latencies[first:], 0.50)
    caller.done.p99_ms = 1000 * percentile(paced.latencies[first:], 0.99)
    return caller.done


def main() -> None:
    """
    Do every job that comes in, until there are no more.
    """
    # A collection in the middle of a loop would show up as somebody's latency.
    gc.disable()
    numbers = itertools.count()
    for line in sys.stdin:
        try:
            done = uvloop.run(run(Job(**json.loads(line)), numbers))
        except (OSError, TimeoutError, MalformedError) as error:
            done = Done(error=f"{type(error).__name__}: {error}")
        print(json.dumps(asdict(done)), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
