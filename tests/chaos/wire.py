"""
A wire to a server, on a port of its own, that fails as networks and servers fail, when it is told to.

One `Fault` at a time is in force, for every connection that stands and every one that comes. What it does is counted:
a test can ask whether it met anything. Commands are read on their way (`commands.py`), so that some of them can be
answered here, in the server's place; what is answered here never arrives there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.chaos.commands import Command, Commands, Replies

PIECE = 1 << 16

# How much of an answer a slicer lets through at once; after each piece the loop turns, and the receiver is woken.
SLICE = 16

# Zero seconds of lingering: a close becomes a reset.
_RESET = struct.pack("ii", 1, 0)

Instead = Callable[[Command], bytes | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What a wire does to what passes.

    `there` and `back` say whether requests and answers pass; what is `held` goes on when the fault ends, what is not is
    lost with its connection. `refuses` closes every connection at once, `resets` does it by RST. `late_s` is how long
    each piece takes, `sliced` breaks answers into small ones, `instead` answers some commands itself, and `garbage`
    stands in the place of every answer.
    """

    there: bool = True
    back: bool = True
    held: bool = False
    refuses: bool = False
    resets: bool = False
    late_s: float = 0.0
    sliced: bool = False
    instead: Instead | None = None
    garbage: bytes | None = None

    @property
    def parts(self) -> bool:
        """
        Tell whether connections that met it are of no use afterwards.
        """
        return not (self.there and self.back) or self.refuses or self.resets or self.garbage is not None


WELL = Fault()


@dataclass(eq=False, slots=True)
class Wire:
    """
    The wire; `target` is the port that it leads to, `met` counts what was done to what passed, by what was done.
    """

    target: int
    port: int = 0
    fault: Fault = WELL
    met: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    _healed: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[Carried] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Carry one connection to its end.
        """
        if self.fault.refuses or self.fault.resets:
            self.met["refused"] += 1
            close(writer, reset=self.fault.resets)
            return
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            close(writer, reset=False)
            return
        carried = Carried(self, reader, writer, back, there)
        self._running.add(carried)
        # Whoever tears the test down cancels it: that is no error of a server.
        with contextlib.suppress(asyncio.CancelledError):
            await carried.run()
        self._running.discard(carried)

    def begin(self, fault: Fault) -> None:
        """
        Put a fault in force.
        """
        self.fault = fault
        self._healed.clear()
        if fault.refuses or fault.resets:
            self.drop()

    def heal(self) -> None:
        """
        Let everything pass again. Connections that lost something are gone.
        """
        parted, self.fault = self.fault.parts, WELL
        self._healed.set()
        if parted:
            self.drop(gently=True)

    def drop(self, *, gently: bool = False) -> None:
        """
        End every connection: at once, or after what is held has gone on.
        """
        for carried in list(self._running):
            self.met["dropped"] += 1
            carried.end(reset=self.fault.resets, gently=gently)

    def lead_to(self, port: int) -> None:
        """
        Lead to another server from here on; every connection to the former one ends.
        """
        self.target = port
        self.drop()

    async def passable(self) -> None:
        """
        Wait until the fault that holds things up has ended.
        """
        await self._healed.wait()


@dataclass(eq=False, slots=True)
class Carried:
    """
    One connection, and what was done to it.
    """

    wire: Wire
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    back: asyncio.StreamReader
    there: asyncio.StreamWriter
    commands: Commands = field(default_factory=Commands)
    replies: Replies = field(default_factory=Replies)
    _tasks: tuple[asyncio.Task[None], ...] = ()
    _held: deque[bytes] = field(default_factory=deque)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """
        Carry both ways until one of them ends.
        """
        self._tasks = (asyncio.ensure_future(self._there()), asyncio.ensure_future(self._back()))
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.end(reset=False)
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def end(self, *, reset: bool, gently: bool = False) -> None:
        """
        Close both ends; gently, what was asked and is held still arrives.
        """
        if gently and self._held and not self.there.is_closing():
            self.wire.met["arrived late"] += len(self._held)
            self.there.write(b"".join(self._held))
        for task in self._tasks:
            task.cancel()
        close(self.writer, reset=reset)
        close(self.there, reset=False)

    async def _there(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.reader.read(PIECE):
                fault = self.wire.fault
                if fault.instead is not None:
                    await self._instead(data, fault.instead)
                    continue
                for command in self.commands.read(data):
                    self.wire.asked[command.name] += 1
                    self.replies.awaited += 1
                await self._late(fault)
                if fault.there:
                    self.there.write(data)
                    continue
                self.wire.met["requests kept back"] += 1
                if fault.held:
                    self._held.append(data)

    async def _instead(self, data: bytes, instead: Instead) -> None:
        """
        Send each command on, or answer it here, after what was asked before it was answered.
        """
        for command in self.commands.read(data):
            self.wire.asked[command.name] += 1
            said = instead(command)
            if said is None:
                self.replies.awaited += 1
                self.there.write(command.spelled())
                continue
            while self.replies.awaited:
                self._answered.clear()
                await self._answered.wait()
            self.wire.met["answered here"] += 1
            self.writer.write(said)

    async def _back(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.back.read(PIECE):
                self.replies.read(data)
                self._answered.set()
                fault = self.wire.fault
                await self._late(fault)
                if fault.garbage is not None:
                    self.wire.met["spoilt"] += 1
                    self.writer.write(fault.garbage)
                elif not fault.back:
                    self.wire.met["answers kept back"] += 1
                elif fault.sliced:
                    await self._sliced(data)
                else:
                    self.writer.write(data)

    async def _late(self, fault: Fault) -> None:
        if fault.late_s:
            self.wire.met["late"] += 1
            await asyncio.sleep(fault.late_s)

    async def _sliced(self, data: bytes) -> None:
        self.wire.met["sliced"] += 1
        for at in range(0, len(data), SLICE):
            self.writer.write(data[at : at + SLICE])
            await asyncio.sleep(0)


def close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """
    Close a connection, so that the other end sees its end, or a reset.
    """
    if reset:
        found = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
    else:
        writer.close()


@contextlib.asynccontextmanager
async def wired(target: int) -> AsyncIterator[Wire]:
    """
    Lay a wire to a port of loopback.
    """
    made = Wire(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.drop()
        # Each ends in its next turns; none holds anything.
        while made._running:  # noqa: ASYNC110
            await asyncio.sleep(0)
