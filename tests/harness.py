"""
What the slow tests stand on: upstreams and Breakwater itself, each started for a test and stopped after it.

Everything listens on a free loopback port, keeps its files below the folder it is given and has its `HOME` there. The
contract with the program is in `loadtest/installation.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from loadtest.installation import ROOT, START_S, STOP_S, Breakwater, agent, environment, stripe_api
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli.client import find_running
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.unbroken import unbroken

AnySandbox = TypeVar("AnySandbox", bound=Sandbox)


@contextlib.contextmanager
def sdk_environment(home: Path) -> Iterator[None]:
    """
    Keep an SDK in this process out of the user's home and off any proxy.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@contextlib.contextmanager
def in_thread(sandbox: AnySandbox) -> Iterator[AnySandbox]:
    """
    Run a sandbox on an event loop of its own, so that a blocking SDK can talk to it.
    """
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with sandbox:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="sandbox")
    thread.start()
    try:
        assert ready.wait(START_S), "the sandbox did not start"
        yield sandbox
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(STOP_S)


@dataclass(frozen=True, slots=True)
class Localstripe:
    """
    A running localstripe: where it listens, and the file in which it writes down what it was sent.
    """

    url: str
    seen: Path

    def reset(self) -> None:
        """
        Forget every object.
        """
        request = urllib.request.Request(f"{self.url}/_config/data", method="DELETE")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(request, timeout=START_S).close()


@contextlib.contextmanager
def localstripe(folder: Path) -> Iterator[Localstripe]:
    """
    Run localstripe through its launcher.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder / "seen.jsonl"
    # What an upstream is sent has the credential in it.
    watch.may_hold(seen)
    script = str(ROOT / "tests" / "clients" / "localstripe_launcher.py")
    with subprocess.Popen(
        [sys.executable, script, str(seen)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(folder),
        cwd=folder,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Localstripe(json.loads(process.stdout.readline())["url"], seen)
        finally:
            process.stdin.close()
            process.wait(STOP_S)


@contextlib.contextmanager
def running(
    folder: Path, document: Mapping[str, object], secrets: Mapping[str, str], agents: Sequence[str] = ()
) -> Iterator[tuple[Breakwater, dict[str, str]]]:
    """
    Run Breakwater, with a key for each agent named, and breakers only where the configuration says so.
    """
    installation = Breakwater(folder, unbroken(document), secrets)
    try:
        installation.start()
        yield installation, {name: minted(installation, name) for name in agents}
    finally:
        installation.terminate()


def minted(installation: Breakwater, name: str) -> str:
    """
    Have a running process mint an agent's key, as `key mint` does and without a process of its own.
    """
    process = find_running(installation.state)
    assert process is not None
    return str(process.insist("POST", "/v1/keys", {"agent": name})["key"])


@dataclass(frozen=True, slots=True)
class Stand:
    """
    Breakwater in front of one sandbox, with one agent's key.
    """

    breakwater: Breakwater
    upstream: StripeSandbox
    key: str

    @property
    def door(self) -> str:
        """
        Return the address that an SDK's `api` base is set to.
        """
        return self.breakwater.doors["stripe"]


REFUNDER = agent(
    {"stripe": {"customers.*": {}, "charges.*": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}}}
)


@pytest.fixture
def breakwater(tmp_path: Path) -> Iterator[Stand]:
    """
    Give a running Breakwater before a fresh sandbox, and an agent that may read charges and refund up to 100 USD.
    """
    given = secret("harness")
    with in_thread(StripeSandbox(secret=given)) as upstream:
        document = {"apis": {"stripe": stripe_api(upstream.url)}, "agents": {"refund_agent": REFUNDER}}
        with running(tmp_path, document, {"STRIPE_SECRET": given}, ["refund_agent"]) as (installation, keys):
            yield Stand(installation, upstream, keys["refund_agent"])
