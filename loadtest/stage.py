"""
The stage of a load: the upstream, the bare proxy, Breakwater and the generator, each a process, stopped at the end.

Whoever is under test has one core to itself and its threads; generator and upstream share another. A process inherits
its core, so it is set before the process starts. With one core there is nothing to part, and the output says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtest.answering import COUNTS, SECRET
from loadtest.framing import whole_answer
from loadtest.installation import ROOT, STOP_S, Breakwater, NotStartedError, agent, environment, stripe_api
from loadtest.measure import BARE, DIRECT, GOVERNED
from loadtest.scenario import ALLOW

AGENT = "load_agent"
CREDENTIAL = "load-upstream-secret"
CREDENTIAL_ENV = "STRIPE_SECRET"


@dataclass(frozen=True, slots=True)
class Cores:
    """
    Where whoever is under test runs, and where generator and upstream do; None where there is nothing to choose.
    """

    subject: int | None
    beside: int | None

    def __str__(self) -> str:
        if self.subject is None:
            return "nothing is pinned: there is one core, or no way to choose"
        return f"under test: core {self.subject}; generator and upstream: core {self.beside}"


def choose_cores() -> Cores:
    """
    Choose two of the cores that this process may use.
    """
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


@contextlib.contextmanager
def on(core: int | None) -> Iterator[None]:
    """
    Start processes on a core: what is started inside stays there.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Generator:
    """
    The generator's process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, job: Mapping[str, object]) -> Any:
        """
        Have a job done and return what came of it.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise NotStartedError("the generator has no pipes")
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise NotStartedError("the generator ended")
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Stage:
    """
    What is called: each road's address and credential, the generator, the upstream, Breakwater's installation.
    """

    roads: Mapping[str, tuple[str, str]]
    generator: Generator
    upstream: str
    breakwater: Breakwater

    def counts(self) -> dict[str, int]:
        """
        Return how often each operation reached the upstream.
        """
        # Not by urllib: the finalizers of its files swallow what a signal's handler raises, and a run that is told to
        # stop would go on.
        address, data = urlsplit(self.upstream), b""
        with socket.create_connection((address.hostname, address.port), STOP_S) as connection:
            connection.sendall(f"GET {COUNTS} HTTP/1.1\r\n\r\n".encode())
            while whole_answer(data) is None:
                piece = connection.recv(65536)
                if not piece:
                    raise NotStartedError("the upstream ended")
                data += piece
        counted: dict[str, int] = json.loads(data.partition(b"\r\n\r\n")[2])
        return counted


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """
    Make a folder in the checkout for everything, and remove it.
    """
    room = ROOT / ".tmp"
    room.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="load-", dir=room))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _process(home: Path, *arguments: str, secrets: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """
    Run a module of ours, and end it.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment(home, secrets),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _url(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise NotStartedError(f"{process.args!r} did not start")
    return str(json.loads(line)["url"])


@contextlib.contextmanager
def build(cores: Cores) -> Iterator[Stage]:
    """
    Start everything, mint the agent's key; stop everything after.
    """
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        with on(cores.beside):
            answering = _process(home, "loadtest.answering", secrets={SECRET: CREDENTIAL})
            upstream = _url(stack.enter_context(answering))
            generator = Generator(stack.enter_context(_process(home, "loadtest.generator")))
        # What is measured is one call, made as often as it can be.
        card = agent({"stripe": dict(ALLOW)}, loops=False)
        document = {"apis": {"stripe": stripe_api(upstream, CREDENTIAL_ENV)}, "agents": {AGENT: card}}
        breakwater = Breakwater(home / "breakwater", document, {CREDENTIAL_ENV: CREDENTIAL})
        key = breakwater.mint(AGENT)
        stack.callback(breakwater.terminate)
        with on(cores.subject):
            bare = _url(stack.enter_context(_process(home, "loadtest.bare_proxy", upstream)))
            breakwater.start()
        roads = {
            DIRECT: (upstream, CREDENTIAL),
            BARE: (bare, CREDENTIAL),
            GOVERNED: (breakwater.doors["stripe"], key),
        }
        assert all(urlsplit(url).hostname == "127.0.0.1" for url, _ in roads.values())
        yield Stage(roads, generator, upstream, breakwater)
