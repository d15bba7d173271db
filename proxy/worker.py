"""
A worker: a process that serves the doors of a parent, with a state folder and an admin door of its own.

Its standard input is a socket to the parent. The first line that comes is its orders; what it says is that it is ready;
`leave` tells it to take no more connections and to end once those that there are have ended. Where the parent is gone
the socket ends, and so does the worker, as on a signal. The doors are listening sockets that it inherits, which every
worker accepts from: none is lost while one of them starts or ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from config.load import Configuration
from config.settings import UNNAMED_LOG, Settings
from proxy.dial import Address
from proxy.doors import Door
from proxy.errors import StartRefused
from proxy.ledger.layout import REPLICA, worker_folder
from proxy.places import Alone, Served
from proxy.sockets import ADMIN, Listener, refuse_in_the_way

LEAVE = b"leave\n"

STDIN = 0


@dataclass(frozen=True, slots=True)
class Orders:
    """
    What a parent tells a worker first.

    `doors` are the descriptors of its listening sockets, and the paths of those that have one. `taken` are all
    addresses of Breakwater's that the worker does not listen on, `urls` what the parent's own doors are called.
    `shared` is what all workers share, as it was at the parent's start.
    """

    worker: int
    new_epoch: str | None
    doors: Mapping[str, tuple[int, str]]
    admin: str
    urls: Mapping[str, str]
    taken: Sequence[Address]
    shared: Mapping[str, str]

    def spelled(self) -> bytes:
        """
        Return them as one line.
        """
        return orjson.dumps(asdict(self)) + b"\n"


def shared_by(settings: Settings) -> dict[str, str]:
    """
    Return the settings by which workers are one Breakwater: where each has another one, a write is made by both.
    """
    return {"state": str(settings.state), "store": settings.store, "deployment": settings.deployment}


def read_orders(line: bytes) -> Orders:
    """
    Read a line of orders. Raise `ValueError` or `TypeError` where it is none.
    """
    read = Orders(**orjson.loads(line))
    doors = {name: (int(fd), str(path)) for name, (fd, path) in read.doors.items()}
    return replace(read, doors=doors, taken=[(str(host), int(port)) for host, port in read.taken])


class Posted(Alone):
    """
    The place of a worker.
    """

    def __init__(self, orders: Orders, channel: socket.socket) -> None:
        self.number: int | None = orders.worker
        self.taken, self.urls = orders.taken, orders.urls
        self.orders, self._channel = orders, channel

    def __repr__(self) -> str:
        return f"Posted({self.number})"

    def placed(self, configuration: Configuration) -> Configuration:
        """
        Return what the files say, with this worker's state folder, and a name of its own for its log.

        Raise `StartRefused` where they name another state folder or store by now than at the parent's start.
        """
        settings, number = configuration.settings, self.orders.worker
        if moved := [name for name, now in shared_by(settings).items() if now != self.orders.shared[name]]:
            hint = "put it back, or stop `breakwater serve` and start it again"
            raise StartRefused(f"the configuration has another `{moved[0]}` than the running parent began with", hint)
        if number == 1:
            return configuration
        log = settings.ledger.model_copy(update={"origin": f"{settings.ledger.origin or UNNAMED_LOG}-worker-{number}"})
        own = {"state": worker_folder(settings.state, number), "ledger": log}
        return replace(configuration, settings=settings.model_copy(update=own))

    def listeners(self, _: Configuration, doors: Mapping[str, Door], /) -> list[Listener]:
        """
        Return an admin door of its own, and every door that it inherited.

        Raise `StartRefused` where the configuration has other doors by now than the parent: they were taken at its
        start.
        """
        orders = self.orders
        if set(orders.doors) != set(doors):
            hint = "put the doors back, or stop `breakwater serve` and start it again"
            raise StartRefused("the configuration has other doors than the running parent listens on", hint)
        refuse_in_the_way(ADMIN, orders.admin)
        found = [Listener(ADMIN, None, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), orders.admin)]
        for name, (fd, path) in orders.doors.items():
            sock = socket.socket(fileno=fd)
            # It came through an exec, and goes through no other one.
            sock.set_inheritable(False)
            found.append(Listener(name, doors[name], sock, path, is_inherited=True))
        return found

    def ready(self, state: Path, run: Mapping[str, object]) -> None:  # noqa: ARG002 the parent knows where it serves
        """
        Tell the parent, and by what the shared state knows this process.
        """
        self._channel.sendall((state / REPLICA).read_bytes().strip() + b"\n")

    def ended(self, state: Path) -> None:
        """
        Say nothing: the parent sees it.
        """

    async def watch(self, served: Served) -> None:
        """
        Do what the parent says, and end where it is gone.
        """
        reader, writer = await asyncio.open_unix_connection(sock=self._channel)
        leaving = []
        try:
            while await reader.readline() == LEAVE:
                leaving.append(asyncio.create_task(served.leave()))
        except ConnectionError:
            pass
        finally:
            served.stop.set()
            writer.close()


def take_up() -> Posted:
    """
    Return the place that a parent gives this process; raise `StartRefused` where there is none.
    """
    try:
        if not stat.S_ISSOCK(os.fstat(STDIN).st_mode):
            raise ValueError("nobody is at the other end")
        channel = socket.socket(fileno=os.dup(STDIN))
        line = channel.makefile("rb", buffering=0).readline()
        posted = Posted(read_orders(line), channel)
    except (OSError, ValueError, TypeError):
        hint = "start one with `breakwater serve --workers N`"
        raise StartRefused("a worker is started by its parent, and not by hand", hint) from None
    # Nothing that this process starts finds the parent there.
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, STDIN)
    os.close(nothing)
    return posted
