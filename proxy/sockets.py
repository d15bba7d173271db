"""
The addresses of doors: taken at the start, listened on once the ledger is open, given back at the end.

A TCP address is bound at once, so that a busy one is known before anything else is touched. A unix socket is only
looked at then, because its file is what a second process would find: bound and not yet listening it would look like one
that a dead process left, and be replaced. It is made under another name, closed to everyone but its owner, and put in
its place listening; a file that a dead process left is replaced by that, a living one is a busy door. Whoever removes
it makes sure first that it is still ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from config.load import Configuration
from config.written import Address, UnixSocket
from proxy import dial
from proxy.doors import Door
from proxy.errors import StartRefused

ADMIN = "admin"

BACKLOG = 1024

SOCKET_MODE = 0o600
"""Whoever may open a door's file may show an agent's key there; the owner can widen it, nobody can take it back."""

PROBE_S = 1.0
"""A socket that somebody listens on accepts at once; one whose queue is full is alive, too."""


@dataclass(slots=True)
class Listener:
    """
    One address: `door` is None for the admin door, `path` is empty for a TCP address.

    An inherited one listens already, and whoever made it removes its file.
    """

    name: str
    door: Door | None
    sock: socket.socket
    path: str = ""
    is_inherited: bool = False
    _file: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def address(self) -> dial.Address:
        """
        Return where it is; a unix socket's is its path, and port 0, which no TCP address has once it is bound.
        """
        if self.path:
            return self.path, 0
        host, port = self.sock.getsockname()[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """
        Return its base URL, as an SDK takes it; for a unix socket `unix:PATH`.
        """
        host, port = self.address
        if self.path:
            return f"unix:{host}"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def listen(self) -> None:
        """
        Listen; raise `StartRefused` where somebody else does.
        """
        if self.is_inherited:
            return
        try:
            if self.path:
                self._place()
            else:
                # Asked of the socket itself: two may have bound one port, and only one can listen.
                self.sock.listen(BACKLOG)
        except OSError as error:
            raise busy(self.name, self.url.removeprefix("http://"), error) from None

    def _place(self) -> None:
        refuse_in_the_way(self.name, self.path)
        made = Path(f"{self.path}~")
        refuse_in_the_way(self.name, str(made))
        # What is left is a socket that nobody listens on.
        made.unlink(missing_ok=True)
        self.sock.bind(str(made))
        made.chmod(SOCKET_MODE)
        self.sock.listen(BACKLOG)
        status = made.lstat()
        self._file = (status.st_dev, status.st_ino)
        made.replace(self.path)

    def remove(self) -> None:
        """
        Remove a unix socket's file, if it is still the one that was put there.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            status = Path(self.path).lstat()
            if (status.st_dev, status.st_ino) == self._file:
                Path(self.path).unlink()
        self._file = None

    def close(self) -> None:
        """
        Give the address back.
        """
        self.remove()
        self.sock.close()


class UnixSite(web.SockSite):
    """
    A site on a unix socket that listens, and whose file goes with it.
    """

    __slots__ = ("_listener",)

    def __init__(self, runner: web.BaseRunner, listener: Listener) -> None:
        super().__init__(runner, listener.sock, backlog=BACKLOG)
        self._listener = listener

    async def start(self) -> None:
        """
        Serve; the loops have a call of their own for it.
        """
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner was not set up")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(server, sock=self._listener.sock, backlog=BACKLOG)

    async def stop(self) -> None:
        """
        Stop listening and remove the file.
        """
        self._listener.remove()
        await super().stop()


def bind(configuration: Configuration, doors: Mapping[str, Door]) -> list[Listener]:
    """
    Take every address of the configuration, or none; raise `StartRefused` naming the one that is busy.
    """
    settings, addresses = configuration.settings, configuration.doors()
    wanted: list[tuple[str, Door | None, Address | UnixSocket]] = [(ADMIN, None, settings.admin)]
    for name, agents_door in doors.items():
        at = addresses[agents_door.api, agents_door.base] if agents_door.api else settings.shared
        if at is not None:
            wanted.append((name, agents_door, at))
    listeners: list[Listener] = []
    try:
        for name, door, at in wanted:
            listeners.append(_bound(name, door, at))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bound(name: str, door: Door | None, at: Address | UnixSocket) -> Listener:
    if isinstance(at, UnixSocket):
        refuse_in_the_way(name, at.path)
        return Listener(name, door, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), at.path)
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((at.host, at.port))
    except OSError as error:
        sock.close()
        raise busy(name, f"{at.host}:{at.port}", error) from None
    return Listener(name, door, sock)


def busy(name: str, where: str, error: OSError) -> StartRefused:
    """
    Return what is said of an address that cannot be had.
    """
    if where.startswith("unix:"):
        hint = "another process has it, or its folder cannot be written; name another path"
    else:
        hint = "another process has it; name another port, or 0 for a free one"
    return StartRefused(f"door '{name}' cannot have {where}: {error.strerror or error}", hint)


def refuse_in_the_way(name: str, path: str) -> None:
    """
    Raise `StartRefused` where a socket cannot be put: somebody listens there, something else is there, or no folder is.
    """
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        _refuse_folder(name, Path(path).parent)
        return
    except OSError as error:
        raise busy(name, f"unix:{path}", error) from None
    if not stat.S_ISSOCK(mode):
        hint = "remove it if nobody needs it, or name another path; nothing was removed"
        raise StartRefused(f"door '{name}' cannot have unix:{path}: something that is no socket is there", hint)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            raise busy(name, f"unix:{path}", error) from None
    raise busy(name, f"unix:{path}", OSError(0, "somebody listens there"))


def _refuse_folder(name: str, folder: Path) -> None:
    if not folder.is_dir():
        raise StartRefused(f"door '{name}' cannot have a socket in {folder}: there is no such folder", "make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "it must be writable by the user that runs Breakwater"
        raise StartRefused(f"door '{name}' cannot have a socket in {folder}: it cannot be written", hint)


async def serve_on(runner: web.BaseRunner, listener: Listener) -> None:
    """
    Listen and serve.
    """
    listener.listen()
    await runner.setup()
    site = UnixSite(runner, listener) if listener.path else web.SockSite(runner, listener.sock, backlog=BACKLOG)
    await site.start()
