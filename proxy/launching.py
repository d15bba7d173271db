"""
A worker's process: the program started once more, with the parent's doors and a socket to the parent.

It is the same command as the parent's own, so that whatever starts Breakwater starts its workers; in a process group of
its own, so that a terminal's interrupt ends the parent, which ends them in order. Of what is open here it inherits the
doors and standard output, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from proxy.logline import Log
from proxy.signalled import stops_wait
from proxy.worker import LEAVE, Orders

WORKER = "--worker"


def own_command() -> list[str]:
    """
    Return how this very program was started.
    """
    return [sys.executable, *sys.orig_argv[1:]]


class Launched:
    """
    A process of a worker.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid, self._process, self._writer = process.pid, process, writer
        self.replica = ""
        self._ready = asyncio.get_running_loop().create_future()
        self._end = asyncio.create_task(self._heard(reader))

    def __repr__(self) -> str:
        return f"Launched({self.pid})"

    async def ready(self) -> bool:
        """
        Return True once it serves, False where it ends before.
        """
        return bool(await asyncio.shield(self._ready))

    async def ended(self) -> int:
        """
        Return its exit code, negative for the signal that ended it.
        """
        return await asyncio.shield(self._end)

    def leave(self) -> None:
        """
        Tell it to end once nobody is connected any more.
        """
        self._writer.write(LEAVE)

    def send(self, number: int) -> None:
        """
        Send it a signal, if it runs.
        """
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.Signals(number))

    async def _heard(self, reader: asyncio.StreamReader) -> int:
        # Its end of the socket is open for as long as it lives, and no longer.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self.replica = line.decode("ascii", "replace").strip()
                if not self._ready.done():
                    self._ready.set_result(True)
        code = await asyncio.to_thread(self._process.wait)
        self._writer.close()
        if not self._ready.done():
            self._ready.set_result(False)
        return code


async def launch(command: Sequence[str], orders: Orders, environ: Mapping[str, str], log: Log) -> Launched:
    """
    Start a worker with its orders.
    """
    ours, theirs = socket.socketpair()
    # It inherits that the signal which stops writes waits, until it hears it.
    with theirs, stops_wait():
        process = subprocess.Popen(  # noqa: ASYNC220, S603 the program itself; a thread starts it no sooner
            [*command, WORKER, str(orders.worker)],
            stdin=theirs.fileno(),
            pass_fds=[fd for fd, _ in orders.doors.values()],
            process_group=0,
            env=dict(environ),
        )
    with contextlib.suppress(BrokenPipeError):
        ours.sendall(orders.spelled())
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    log.event("worker-started", worker=orders.worker, pid=process.pid)
    return Launched(process, reader, writer)
