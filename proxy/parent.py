"""
The parent of workers: it takes every door, hands the listening sockets down, and keeps a process on each seat.

It carries no call and opens no record: what it does to calls is that there is somebody who accepts them. It has the
lock `STATE/parent.lock`, the operators' door, and `STATE/run.json`, by which commands find it.

| it is sent | it |
|---|---|
| SIGTERM, SIGINT | has every worker drain, and ends |
| SIGHUP | has every worker take a changed configuration, or none |
| SIGUSR1 | has every worker stop writes |
| SIGUSR2 | replaces one worker after the other |

Doors listen from the start on: what comes before a worker serves waits in their backlog, as it does while a single
worker is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web

from config.addresses import is_too_long
from config.load import Configuration
from config.store import MEMORY
from config.written import UnixSocket
from proxy import app
from proxy.clock import SystemClock, system_randomness
from proxy.control.parent import ParentDoor
from proxy.control.summing import ParentMetrics
from proxy.control.workers import Workers
from proxy.errors import StartRefused
from proxy.launching import Launched, launch, own_command
from proxy.ledger.disk import RealDisk, make_durable_folder
from proxy.ledger.layout import PARENT_LOCK, worker_folder, workers_with_records
from proxy.ledger.state import read_admin_token
from proxy.logline import JsonLog, LibraryLines, Log
from proxy.places import RUN, run_of, write_run
from proxy.seats import Seat, Seats
from proxy.signalled import nothing_yet
from proxy.sockets import Listener, bind, serve_on
from proxy.worker import Orders, shared_by

SOCKET = "admin.sock"

ENDS_WITHIN = 3
"""Times as long as a stop waits for writes: each of a worker's three waits, that for who is connected to one which
leaves, and two for its writes, has that bound, or less."""

GRACE_S = 60.0
"""For what a worker does at its end beside waiting: a record's last batch, a store that does not answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What `serve` was asked for: how many workers, and of which one a new log is begun, and why.
    """

    workers: int
    new_epoch: str | None = None
    new_epoch_of: int = 1
    fewer: bool = False


def refuse_fewer(state: Path, workers: int) -> None:
    """
    Raise `StartRefused` where folders of workers hold records that nobody would serve.
    """
    left = [number for number in workers_with_records(state, RealDisk()) if number > workers]
    if left:
        hint = (
            f"start {left[-1]} workers; or start with --fewer, `breakwater fleet forget` each of them, "
            "and move its folder away"
        )
        folder = worker_folder(state, left[0])
        raise StartRefused(f"{folder} has a record of its own, and no worker would serve it", hint)


def supervise(configuration: Configuration, wanted: Wanted, environ: Mapping[str, str]) -> int:
    """
    Run workers until a signal. Return the exit code: 1 where one of them did not end well.

    Raise `StartRefused` where the doors or the folder cannot be had, or a worker does not start.
    """
    if wanted.workers > 1 and configuration.settings.store == MEMORY:
        hint = "name a Redis under `store`, or start one worker"
        raise StartRefused("several workers share what they know in a Redis, and `store` is `memory`", hint)
    if not wanted.fewer:
        refuse_fewer(configuration.settings.state, wanted.workers)
    return uvloop.run(_supervise(configuration, wanted, environ))


async def _supervise(configuration: Configuration, wanted: Wanted, environ: Mapping[str, str]) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Until there is somebody to tell; what stops writes waits until then.
    for number in (signal.SIGHUP, signal.SIGUSR2):
        loop.add_signal_handler(number, nothing_yet)
    log = JsonLog(SystemClock())
    logging.basicConfig(handlers=[LibraryLines(log)], level=logging.WARNING, force=True)
    try:
        with ExitStack() as held:
            listeners = bind(configuration, app.declared_doors(configuration))
            for listener in listeners:
                held.callback(listener.close)
            state, numbers = configuration.settings.state, range(1, wanted.workers + 1)
            held.enter_context(locked(state))
            doors = held.enter_context(admin_doors(state, numbers))
            parent = Parent(configuration, listeners, doors, wanted, environ, log)
            return await parent.serve(stop)
    finally:
        log.close()


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """
    Hold a state folder as its parent; raise `StartRefused` where another does, or it cannot be had.
    """
    disk = RealDisk()
    try:
        make_durable_folder(disk, state)
        handle = disk.lock(state / PARENT_LOCK)
    except BlockingIOError:
        hint = "stop it, or ask it (`breakwater status`)"
        raise StartRefused(f"another parent has the state folder {state}", hint) from None
    except OSError as error:
        hint = "it must be on a local disk with room, writable by the user that runs Breakwater"
        raise StartRefused(f"the state folder {state} cannot be used: {error.strerror}", hint) from error
    try:
        yield
    finally:
        disk.close(handle)


@contextmanager
def admin_doors(state: Path, numbers: Sequence[int]) -> Iterator[dict[int, Path]]:
    """
    Give each worker a folder and the path of an admin door in it; where that is too long for a socket, in one of ours.
    """
    disk = RealDisk()
    for number in numbers:
        make_durable_folder(disk, worker_folder(state, number))
    doors = {number: worker_folder(state, number).absolute() / SOCKET for number in numbers}
    if not any(is_too_long(UnixSocket(f"{path}~"), state) for path in doors.values()):
        yield doors
        return
    with tempfile.TemporaryDirectory(prefix="breakwater-") as folder:
        yield {number: Path(folder) / f"{number}.sock" for number in numbers}


class Parent:
    """
    A running parent.
    """

    def __init__(
        self,
        configuration: Configuration,
        listeners: Sequence[Listener],
        doors: Mapping[int, Path],
        wanted: Wanted,
        environ: Mapping[str, str],
        log: Log,
    ) -> None:
        clock = SystemClock()
        self._settings, self._listeners, self._doors = configuration.settings, listeners, doors
        self._wanted, self._environ, self._log = wanted, environ, log
        self._command, self._metrics = own_command(), ParentMetrics()
        urls = {listener.name: listener.url for listener in listeners}
        self._run = run_of(clock, urls)
        self._is_found = False
        self._ends_s = ENDS_WITHIN * self._settings.timeouts.drain_s + GRACE_S
        self._seats = Seats(
            wanted.workers, self._launch, clock, system_randomness, log, self._ends_s, on_moved=self._moved
        )
        house: Callable[[], str] = partial(read_admin_token, self._settings.state, RealDisk())
        self._door = ParentDoor(self._seats, Workers(doors), self._metrics, house, urls, log)

    def __repr__(self) -> str:
        return f"Parent({self._seats!r})"

    async def serve(self, stop: asyncio.Event) -> int:
        """
        Start the workers, keep them until `stop`, and have them end. Raise `StartRefused` where one does not start.
        """
        loop = asyncio.get_running_loop()
        for listener in self._listeners[1:]:
            listener.listen()
        runner = web.AppRunner(self._door.app(), access_log=None, shutdown_timeout=1.0)
        await serve_on(runner, self._listeners[0])
        loop.add_signal_handler(signal.SIGUSR1, self._seats.tell, signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        begun, stopped = asyncio.create_task(self._seats.begin()), asyncio.create_task(stop.wait())
        failed: Seat | None = None
        try:
            await asyncio.wait({begun, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if begun.done() and (failed := begun.result()) is None:
                loop.add_signal_handler(signal.SIGHUP, self._door.reload_behind)
                loop.add_signal_handler(signal.SIGUSR2, self._door.roll)
                self._is_found = True
                self._say()
                self._log.event("ready", **self._run, workers=self._wanted.workers)
                await stopped
        finally:
            stopped.cancel()
            ended_well = await self._end(begun)
            await runner.cleanup()
            await self._door.close()
        if failed is not None:
            raise StartRefused(f"worker {failed.number} did not start", "what it said stands above")
        return 0 if ended_well else 1

    async def _end(self, begun: asyncio.Task[Seat | None]) -> bool:
        self._is_found = False
        self._log.event("stopping", workers=self._wanted.workers)
        await self._door.stops()
        ended_well = await self._seats.end(self._ends_s)
        await begun
        (self._settings.state / RUN).unlink(missing_ok=True)
        self._log.event("stopped", well=ended_well)
        return ended_well

    async def _launch(self, number: int) -> Launched:
        wanted, seat = self._wanted, self._seats.all[number - 1]
        # A log is begun anew once, and not at each start of a process.
        is_anew = number == wanted.new_epoch_of and seat.starts == 1
        admin = self._listeners[0]
        orders = Orders(
            number,
            wanted.new_epoch if is_anew else None,
            {one.name: (one.sock.fileno(), one.path) for one in self._listeners[1:]},
            str(self._doors[number]),
            {admin.name: admin.url},
            [admin.address, *((str(path), 0) for other, path in self._doors.items() if other != number)],
            shared_by(self._settings),
        )
        self._metrics.starts.labels(str(number)).inc()
        return await launch(self._command, orders, self._environ, self._log)

    def _moved(self, seat: Seat) -> None:
        self._door.moved(seat)
        if self._is_found:
            self._say()

    def _say(self) -> None:
        """
        Write where this parent is found, and who its workers are.
        """
        rows = [
            {
                "worker": seat.number,
                "pid": seat.pid,
                "state": str(seat.state),
                "admin": f"unix:{self._doors[seat.number]}",
            }
            for seat in self._seats
        ]
        try:
            write_run(self._settings.state, {**self._run, "workers": rows})
        except OSError as error:
            # What was written before still leads here.
            self._log.failure("", error)
