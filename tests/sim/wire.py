"""
Connections between processes of a simulation: bytes that arrive in order, after a while, or never.

A transport is what asyncio's protocols expect of one; its other end is another transport, in another process. What was
written before a reset may be lost, as on a real wire; a process that died is silent, and its peers learn of it by a
reset a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.sim.loop import ProcessLoop

Latency = Callable[[], float]

ORDER_S = 0.000_000_1
"""Between two things that arrive one behind the other."""


class Pipe(asyncio.Transport):
    """
    One end of a connection.
    """

    def __init__(self, loop: ProcessLoop, protocol: asyncio.BaseProtocol, latency: Latency) -> None:
        super().__init__()
        self.loop, self._protocol, self._latency = loop, protocol, latency
        self.peer: Pipe
        self._closing = self._lost = False
        self._arrives = 0.0
        self._paused, self._held = False, list[bytes]()

    on_write: Callable[[bytes], None] = staticmethod(lambda _: None)

    def __repr__(self) -> str:
        return f"<Pipe of {self.loop.name}>"

    # --------------------------------------------------------------------------------------------- what a protocol asks

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        held, self._held = self._held, []
        for data in held:
            self.loop.call_soon(self._receive, data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """
        Whatever is written is gone at once.
        """

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        if self._closing or not data:
            return
        self.on_write(data)
        self._send(self.peer._receive, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._send(self.peer._hung_up, None)
            self.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self._lost:
            self._closing = True
            self._send(self.peer._hung_up, ConnectionResetError("reset by peer"))
            self.loop.call_soon(self._lose, None)

    # --------------------------------------------------------------------------------------------------------- the wire

    def _send(self, arrive: Callable[[Any], None], what: Any) -> None:
        """
        Have something arrive at the other end, behind all that was sent before.
        """
        now = self.loop.scheduler.now
        self._arrives = max(self._arrives + ORDER_S, now + self._latency())
        self.peer.loop.call_at(self._arrives, arrive, what)

    def _receive(self, data: bytes) -> None:
        if self._closing:
            return
        if self._paused:
            self._held.append(data)
        else:
            self._protocol.data_received(data)  # type: ignore[attr-defined]

    def _hung_up(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            if error is None:
                self._protocol.eof_received()  # type: ignore[attr-defined]
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)

    def cut(self) -> None:
        """
        Reset both ends now, wherever what was sent is.
        """
        for end in (self, self.peer):
            if not end.loop.is_dead and not end._closing:
                end._closing = True
                end.loop.call_soon(end._lose, ConnectionResetError("reset by peer"))


def connected(
    here: ProcessLoop,
    mine: asyncio.BaseProtocol,
    there: ProcessLoop,
    theirs: Callable[[], asyncio.BaseProtocol],
    latency: Latency,
) -> tuple[Pipe, Pipe]:
    """
    Return both ends of a new connection; the other process hears of it before anything that is sent.
    """
    one, other = Pipe(here, mine, latency), Pipe(there, mine, latency)
    one.peer, other.peer = other, one

    def accepted() -> None:
        other._protocol = theirs()
        other._protocol.connection_made(other)

    one._arrives = here.scheduler.now + latency()
    there.call_at(one._arrives, accepted)
    mine.connection_made(one)
    return one, other
