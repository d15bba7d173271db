"""
The process: listeners, signals, drain. Startup, serve, shutdown.

Every address is taken before the state folder is touched, and nothing listens before the ledger is open: a start that
fails leaves nothing behind that it did not find.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web
from aiohttp.http import HttpRequestParser

from breakers.allowlist import policy_of
from breakers.store.protocol import Store
from config.load import Configuration
from proxy import app
from proxy.account import Account
from proxy.alerting import Alerting
from proxy.beating import beat_on, presence_of
from proxy.clock import Clock, SystemClock, system_randomness
from proxy.control.api import admin_app
from proxy.dial import Dialer
from proxy.doors import Door
from proxy.doubt.doubts import Doubts
from proxy.driftwatch import watch_drift
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.executing import Executing
from proxy.forgetting import finish_forgetting
from proxy.front import Front
from proxy.ledger.disk import RealDisk
from proxy.ledger.state import read_admin_token
from proxy.listener import HEAD_WITHIN_S, AgentServer, Crowd
from proxy.logline import JsonLog, LibraryLines, Log
from proxy.opening import open_ledger
from proxy.places import Alone, Reading, run_of
from proxy.reloading import Reloading
from proxy.rooms import Rooms
from proxy.selftest import check_sends_once
from proxy.signalled import Called, allow_descriptors, nothing_yet
from proxy.sockets import Listener, serve_on
from proxy.stores import open_store
from proxy.webhook import open_webhook

GRACE_S = 1.0
"""For what is still being answered once no write is under way; a read that a stop cuts is on record as cut."""

COLLECTED_AFTER = 10_000
"""Objects more than there were, after which those are looked for that nobody needs: what a hundred calls hold."""

CANCELLED_AGAIN_S = 1.0
"""After which work that goes on although it was told to end is told again."""


def run(
    configuration: Configuration, environ: Mapping[str, str], new_epoch: str | None, read: Reading, place: Alone
) -> int:
    """
    Serve a configuration until a signal. Return the exit code.

    `read` reads it again; the signal that stops writes waits until it is heard here.
    """
    refuse_slow_parser()
    configuration = place.placed(configuration)
    allow_descriptors(configuration.settings.limits.connections)
    accounts = app.open_accounts(configuration, environ)
    # What a start builds stands until the end: to look through it time and again takes as long as all the rest.
    gc.disable()
    try:
        return uvloop.run(_serve(configuration, accounts, environ, new_epoch, lambda: place.placed(read()), place))
    finally:
        gc.enable()


def refuse_slow_parser() -> None:
    """
    Raise `StartRefused` where requests would be parsed by a parser that is never tested here.
    """
    if "Py" in HttpRequestParser.__name__:
        raise StartRefused("aiohttp runs without its C parser", "reinstall aiohttp, and unset AIOHTTP_NO_EXTENSIONS")


async def _serve(
    configuration: Configuration,
    accounts: Mapping[str, Account],
    environ: Mapping[str, str],
    new_epoch: str | None,
    read: Reading,
    place: Alone,
) -> int:
    # What asks for a reload must not end a process that reads the configuration at this moment, and what asks a parent
    # for other workers none that is or has no parent.
    loop, called = asyncio.get_running_loop(), Called()
    loop.add_signal_handler(signal.SIGHUP, nothing_yet)
    loop.add_signal_handler(signal.SIGUSR2, nothing_yet)
    loop.add_signal_handler(signal.SIGUSR1, called)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    doors, clock = app.declared_doors(configuration), SystemClock()
    store = open_store(configuration, environ, clock)
    listeners = place.listeners(configuration, doors)
    dialer = Dialer(lambda: [*(listener.address for listener in listeners), *place.taken])
    webhook = open_webhook(configuration.settings.alerts.webhook, environ, dialer)
    log = JsonLog(clock, worker=place.number)
    logging.basicConfig(handlers=[LibraryLines(log)], level=logging.WARNING, force=True)
    try:
        program = await startup(
            configuration,
            accounts,
            doors,
            listeners,
            new_epoch,
            clock=clock,
            log=log,
            store=store,
            read=read,
            called=called,
            place=place,
        )
        program.alerting = app.open_alerting(program.rooms, webhook)
        app.begin_announcing(program.rooms, webhook)
        program.tasks.append(asyncio.create_task(program.rooms.announcer.watch()))
        program.tasks.append(asyncio.create_task(program.alerting.watch()))
        program.tasks.append(asyncio.create_task(place.watch(program)))
        _leave_alone_what_stands()
        return await program.until_stopped()
    finally:
        if webhook is not None:
            await webhook.close()
        for listener in listeners:
            listener.close()
        log.close()


def _leave_alone_what_stands() -> None:
    """
    Have the garbage collector look at what comes from now on only, and seldom: calls leave no cycles behind.

    What was built so far, catalogues above all, stands until the end; to look through it takes tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    gc.enable()


@dataclass(slots=True)
class Program:
    """
    A running Breakwater. `called` hears the signal that stops writes, from before there was anything to stop.
    """

    rooms: Rooms
    runners: list[web.ServerRunner | web.AppRunner]
    state: Path
    stop: asyncio.Event
    failed: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    doubts: Doubts = field(init=False)
    executing: Executing = field(init=False)
    reloading: Reloading | None = None
    alerting: Alerting | None = None
    called: Called = field(default_factory=Called)
    place: Alone = field(default_factory=Alone)
    crowd: Crowd = field(init=False)

    def __post_init__(self) -> None:
        self.doubts = Doubts(self.rooms, system_randomness)
        self.executing = Executing(self.rooms)
        self.crowd = Crowd(self.rooms.settings.limits.connections)

    async def until_stopped(self) -> int:
        """
        Wait for a signal or for the ledger to fail, then shut down. Return the exit code.
        """
        await self.stop.wait()
        await self.shutdown()
        return 1 if self.failed else 0

    async def leave(self) -> None:
        """
        Take no more connections, wait for those that there are, and then end as on a signal.

        Others take what comes from now on, so that nothing of it is refused.
        """
        self.rooms.log.event("leaving", in_flight=len(self.rooms.inflight))
        await self._take_no_more()
        await self.crowd.left(self.rooms.settings.timeouts.drain_s)
        self.stop.set()

    async def _take_no_more(self) -> None:
        for runner in self.runners[1:]:
            for site in list(runner.sites):
                await site.stop()

    async def shutdown(self) -> None:
        """
        Fail readiness, stop listening, let writes finish and be recorded, close the ledger.
        """
        rooms = self.rooms
        rooms.stopping = True
        rooms.log.event("stopping", in_flight=len(rooms.inflight))
        await self._take_no_more()
        late = await rooms.inflight.drain(rooms.settings.timeouts.drain_s)
        await asyncio.gather(*(runner.cleanup() for runner in self.runners))
        # A write that was still being judged when the stop began, and whose caller did not wait for its end.
        late += await rooms.inflight.drain(rooms.settings.timeouts.drain_s)
        # What is found from here on would have nobody to record what it changed.
        await self.end(*self.tasks)
        await rooms.slices.close()
        await rooms.observer.end()
        await rooms.pending.drain(rooms.settings.timeouts.look_s + GRACE_S)
        await rooms.settling.drain(GRACE_S)
        await rooms.killswitch.drain(GRACE_S)
        await rooms.letters.drain(GRACE_S)
        if self.alerting is not None:
            # Once all that ends here has ended: what that has reached would be told of by nobody.
            await self.alerting.note()
        await rooms.forward.close()
        await rooms.standing.beat(presence_of(rooms), stops=True)
        await rooms.store.close()
        await rooms.ledger.close("stopped")
        self.place.ended(self.state)
        rooms.log.event("stopped", abandoned=late)

    @staticmethod
    async def end(*tasks: asyncio.Task[None]) -> None:
        """
        End work that would go on for as long as the process does.
        """
        left = set(tasks)
        while left:
            for task in left:
                # Whoever was just told by a library that takes it for its own is told once more.
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCELLED_AGAIN_S)
        await asyncio.gather(*tasks, return_exceptions=True)


async def startup(
    configuration: Configuration,
    accounts: Mapping[str, Account],
    doors: Mapping[str, Door],
    listeners: list[Listener],
    new_epoch: str | None,
    *,
    clock: Clock,
    log: Log,
    store: Store,
    read: Reading | None = None,
    called: Called | None = None,
    place: Alone | None = None,
) -> Program:
    """
    Open the ledger, join the rooms, listen, and say where.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    # From the first moment: a signal during the start ends it in the same clean way.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    called, place = called or Called(), place or Alone()
    loop.add_signal_handler(signal.SIGUSR1, called)
    await check_sends_once(store.kind)
    ledger, keys = open_ledger(configuration, clock=clock, new_epoch=new_epoch)
    taken = [*(listener.address for listener in listeners), *place.taken]
    rooms = app.build(configuration, accounts, ledger, keys, doors, taken, clock=clock, log=log, store=store)
    rooms.addresses = {listener.name: listener.url for listener in listeners} | dict(place.urls)
    rooms.worker = place.number
    program = Program(rooms, [], configuration.settings.state, stop, called=called, place=place)
    if read is not None:
        program.reloading = Reloading(configuration, rooms, read, policy_of)

    def poisoned() -> None:
        program.failed = True
        log.event("ledger-failed", state=ledger.state)
        if ledger.fault is not None:
            log.failure("", ledger.fault)
        loop.call_soon_threadsafe(stop.set)

    ledger.on_poisoned = poisoned
    ledger.start(loop)
    try:
        await open_doors(program, listeners)
    except BaseException:
        await ledger.close("start-failed")
        raise
    return program


async def open_doors(program: Program, listeners: list[Listener]) -> None:
    """
    Record what an earlier process left open, open the vault, listen, and say where.

    Raise `StartRefused` where that cannot be done.
    """
    rooms = program.rooms
    try:
        await rooms.ledger.recovery_opened()
        await rooms.credentials.start()
    except LedgerUnavailable as error:
        hint = "see the state folder's disk; nothing was lost, and nothing is served before it can be recorded"
        raise StartRefused(f"what an earlier process left open could not be recorded: {error}", hint) from error
    rooms.metrics.watch(rooms.ledger)
    rooms.ledger.stats.on_undrafted = partial(rooms.log.failure, "")
    await rooms.standing.begin(rooms.ledger.recovered.events)
    await rooms.killswitch.poll()
    # Before anyone is let in, whom another process has put out since.
    await rooms.board.try_look()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, program.called)
    program.called.leads_to(rooms.killswitch.signalled)
    # What ended while nobody was here is over before anyone is let in.
    await rooms.tasks.try_sweep()
    program.tasks.append(asyncio.create_task(rooms.standing.watch()))
    program.tasks.append(asyncio.create_task(beat_on(rooms)))
    program.tasks.append(asyncio.create_task(finish_forgetting(rooms)))
    program.tasks.append(asyncio.create_task(rooms.tasks.watch()))
    program.tasks.append(asyncio.create_task(watch_drift(rooms)))
    program.tasks.append(asyncio.create_task(rooms.slices.watch()))
    program.tasks.append(asyncio.create_task(rooms.observer.watch()))
    program.tasks.append(asyncio.create_task(rooms.killswitch.watch()))
    program.tasks.append(asyncio.create_task(rooms.killswitch.watch_store()))
    program.tasks.append(asyncio.create_task(rooms.board.watch()))
    program.tasks.append(asyncio.create_task(rooms.letters.watch()))
    program.tasks.append(asyncio.create_task(rooms.envelopes.watch()))
    rooms.forward.start()
    program.doubts.start()
    program.tasks.append(asyncio.create_task(program.doubts.watch()))
    program.tasks.append(asyncio.create_task(program.executing.watch()))
    front = Front(rooms)
    for listener in listeners:
        program.runners.append(await _listen(listener, program, front))
    if program.reloading is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, program.reloading.ask)
    try:
        _announce(program)
    except OSError as error:
        hint = "it must be writable by the user that runs Breakwater"
        raise StartRefused(f"the state folder {program.state} cannot be written: {error.strerror}", hint) from error


async def _listen(listener: Listener, program: Program, front: Front) -> web.ServerRunner | web.AppRunner:
    rooms, door = program.rooms, listener.door
    runner: web.ServerRunner | web.AppRunner
    if door is None:
        token = read_admin_token(rooms.settings.state, RealDisk())
        runner = web.AppRunner(
            admin_app(rooms, program.doubts, token, system_randomness, program.reloading),
            access_log=None,
            keepalive_timeout=HEAD_WITHIN_S,
            shutdown_timeout=GRACE_S,
        )
    else:

        def on_error(exc: BaseException | None, status: int) -> bytes:
            return front.unparsed(door, exc, status)

        server = AgentServer(front.serving(door), crowd=program.crowd, on_error=on_error)
        runner = web.ServerRunner(server, shutdown_timeout=GRACE_S)
    await serve_on(runner, listener)
    return runner


def _announce(program: Program) -> None:
    rooms = program.rooms
    log = rooms.log
    for opened in rooms.ledger.recovered.open_intents:
        log.event("in-doubt", intent=opened.intent, api=opened.api, operation=opened.operation)
    run_file = run_of(rooms.clock, rooms.addresses)
    program.place.ready(program.state, run_file)
    log.event("ready", **run_file)
