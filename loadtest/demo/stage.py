"""
What the scenes share: three sandboxes, Breakwater in front of them, one agent's key.

GitHub and Jira name themselves by their public addresses in everything that they answer, as the real ones do; only
Breakwater knows that they are on loopback. So a client that follows such an address works only if it leads to a door.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.demo.card import AGENT, APPROVER, OWNER, REPOSITORY, card
from loadtest.demo.record import Record, expect
from loadtest.demo.shop import Sold, sell
from loadtest.installation import ROOT, STOP_S, Breakwater, NotStartedError, environment, stripe_api

SECRET = "demo-upstream-secret"
_VARIABLE = "DEMO_SECRET"

# Whose the Jira token is: a site takes it with an address only.
_USER = "bot@shop.test"

_GITHUB = "https://api.github.com"
_UPLOADS = "https://uploads.github.com"
_JIRA = "https://shop.jira.example"

_SANDBOXES: Mapping[str, tuple[str, ...]] = {
    "stripe": (),
    "github": (
        *("--repo", f"{OWNER}/{REPOSITORY}", "--repo", "looms/site"),
        *("--base-url", _GITHUB, "--link-url", _GITHUB, "--uploads-url", _UPLOADS),
    ),
    "jira": ("--base-url", _JIRA, "--user", _USER),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """
    The installation and its record, the agent's key, the token of a task that may move 30 USD, the sandboxes' addresses
    by API, and what a shop sold before. `approver` is the file with an approver's own token.
    """

    breakwater: Breakwater
    record: Record
    key: str
    token: str
    sandboxes: Mapping[str, str]
    sold: Sold
    approver: Path

    def door(self, api: str) -> str:
        """
        Return the address that an SDK is given instead of the API's own.
        """
        return self.breakwater.doors[api]

    def effects(self, api: str) -> dict[str, int]:
        """
        Return how often each effect happened at a sandbox.
        """
        counted: dict[str, int] = self._asked(api, "effects")
        return counted

    def expect_on_record(self, api: str) -> None:
        """
        Fail unless each request that a sandbox was sent is on record and came with the real credential: nothing went
        round Breakwater.
        """
        shown = set(self._asked(api, "credentials"))
        expect(shown == {SECRET}, f"{api} was shown {len(shown)} credentials, of which one is its own")
        self.record.expect_sent(api, lambda: len(self._asked(api, "requests")))

    def strike(self, api: str, fault: Mapping[str, object]) -> None:
        """
        Put a failure in force at a sandbox.
        """
        self._asked(api, "faults", "POST", json.dumps(fault).encode())

    def relieve(self, api: str) -> None:
        """
        Lift every failure of a sandbox.
        """
        self._asked(api, "faults", "DELETE")

    def _asked(self, api: str, what: str, method: str = "GET", body: bytes | None = None) -> Any:
        # Not through whatever proxy the machine has.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{self.sandboxes[api]}/_sandbox/{what}", body, method=method)
        with opener.open(request, timeout=STOP_S) as answer:
            return json.load(answer)[what]


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """
    Make a folder in the checkout for everything, this process's home included, and remove it.
    """
    # `.tmp/` is ignored by git and emptied by `make clean`, should this process be killed outright.
    room = ROOT / ".tmp"
    room.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="demo-", dir=room))
    before = dict(os.environ)
    # Either spelling wins with some library.
    os.environ.update({"HOME": str(made), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
    try:
        yield made
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def sandbox(home: Path, api: str) -> Iterator[str]:
    """
    Run a sandbox as a process and give its address.
    """
    with subprocess.Popen(
        [sys.executable, "-m", f"loadtest.upstreams.{api}", "--secret-env", _VARIABLE, *_SANDBOXES[api]],
        env=environment(home, {_VARIABLE: SECRET}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise NotStartedError(f"the sandbox of {api} did not start")
            yield json.loads(line)["url"]
        finally:
            process.terminate()
            process.wait(STOP_S)


def document(sandboxes: Mapping[str, str]) -> dict[str, object]:
    """
    Return the configuration: three APIs, and the agent's card.
    """
    credential = {"env": _VARIABLE}
    github = {"catalog": "github", "upstream": sandboxes["github"], "credential": credential}
    jira = {
        "catalog": "jira",
        "upstream": sandboxes["jira"],
        "aliases": [_JIRA],
        "credential": {**credential, "user": _USER},
    }
    apis = {"stripe": stripe_api(sandboxes["stripe"], _VARIABLE), "github": github, "jira": jira}
    return {"apis": apis, "agents": {AGENT: card()}, "operators": {APPROVER: {"roles": ["approver"]}}}


@contextlib.contextmanager
def build() -> Iterator[Stage]:
    """
    Start the sandboxes and Breakwater, mint the agent's key, open a task for it; stop everything after.
    """
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        sandboxes = {api: stack.enter_context(sandbox(home, api)) for api in _SANDBOXES}
        sold = sell(sandboxes["stripe"], SECRET)
        breakwater = Breakwater(home / "breakwater", document(sandboxes), {_VARIABLE: SECRET})
        key = breakwater.mint(AGENT)
        stack.callback(breakwater.terminate)
        opened = breakwater.cli("task", "open", "--agent", AGENT, "--cap", "moved=30USD", "--for", "stripe", "--json")
        expect(opened.code == 0, opened.err)
        minted = breakwater.cli("operator", "mint", APPROVER, "--json")
        expect(minted.code == 0, minted.err)
        approver = home / "approver.token"
        approver.write_text(minted.json["token"])
        breakwater.start()
        yield Stage(breakwater, Record(breakwater), key, opened.json["token"], sandboxes, sold, approver)
