"""A newcomer's walk: the README's five commands, as they stand there, from a checkout to a governed call of an SDK."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.installation import ROOT, START_S, STOP_S, environment
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import last_records, ledger_in
from tests.canary.forms import secret
from tests.docs.pages import section, walk
from tests.harness import in_thread

README = (ROOT / "README.md").read_text("utf-8")
WALK = walk(README)
POLICY = "deploy/policies/support-refunds/breakwater.yaml"
SECRET = secret("walk")
SETTING = "# upstream: http://127.0.0.1:12111"

COMMANDS_MAX = 5
STEP_S = 0.02

# What make looks at before it builds anything.
LOCKS = (
    "requirements/build.txt",
    "requirements/dev.txt",
    "pyproject.toml",
    "tests/clients/node/package.json",
    "tests/clients/node/package-lock.json",
)


class Terminal:
    """
    A checkout whose environment is built, and what was exported in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._door = folder, "127.0.0.1:8001"
        self._exported: dict[str, str] = {}
        self._serving: subprocess.Popen[bytes] | None = None

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        """
        Type one command; one that serves goes on beside, and what one exports is there for the next.
        """
        typed = command.replace("…", SECRET).replace("127.0.0.1:8001", self._door)
        if typed.endswith("breakwater serve"):
            return self._serves(typed)
        name = typed.split("=")[0].removeprefix("export ") if typed.startswith("export ") else ""
        script = f"set -e\n{typed}\n" + (f'printf %s "${name}"' if name else "")
        ran = subprocess.run(
            ["sh", "-c", script],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        if name:
            assert ran.stdout, ran.stderr
            self._exported[name] = ran.stdout
        return ran

    def _serves(self, typed: str) -> subprocess.CompletedProcess[str]:
        with (self.folder / "serve.log").open("wb") as log:
            self._serving = subprocess.Popen(
                ["sh", "-c", f"exec env {typed}"], env=self._environment(), cwd=self.folder, stdout=log, stderr=log
            )
        ready, until = self.folder / "breakwater-state" / "run.json", time.monotonic() + START_S
        while not ready.exists():
            assert self._serving.poll() is None, (self.folder / "serve.log").read_text("utf-8")
            assert time.monotonic() < until
            time.sleep(STEP_S)
        self._door = json.loads(ready.read_text("utf-8"))["doors"]["stripe"].removeprefix("http://")
        return subprocess.CompletedProcess(typed, 0, "", "")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name == "PYTHONDONTWRITEBYTECODE"}
        return environment(self.folder, {**kept, "PYTHONPATH": str(ROOT), **self._exported})

    def leave(self) -> None:
        """
        Stop what serves.
        """
        if self._serving is not None and self._serving.poll() is None:
            self._serving.terminate()
            self._serving.wait(STOP_S)


def checkout(folder: Path, upstream: str) -> None:
    """
    Lay out what the walk finds: make and its locks, an environment that is built, and the policy.

    It is the policy as it stands but for the one setting that leads to a sandbox, and for a door at any free port.
    """
    for name in ("Makefile", *LOCKS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, words in (("python", ""), ("breakwater", " -m proxy")):
        (binaries / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{words} "$@"\n', "utf-8")
        (binaries / name).chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    policy = (ROOT / POLICY).read_text("utf-8")
    assert policy.count(SETTING) == 1
    assert policy.count('"127.0.0.1:8001"') == 1
    policy = policy.replace(SETTING, f"upstream: {upstream}").replace("127.0.0.1:8001", "127.0.0.1:0")
    policy += "admin: 127.0.0.1:0\nledger: {disk: {min_free_bytes: 0, min_free_pct: 0, reserve_bytes: 0}}\n"
    (folder / POLICY).parent.mkdir(parents=True)
    (folder / POLICY).write_text(policy, "utf-8")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Terminal, StripeSandbox]]:
    """
    Give a terminal in a checkout, and the sandbox that stands for Stripe.
    """
    with in_thread(StripeSandbox(secret=SECRET)) as upstream:
        checkout(tmp_path, upstream.url)
        terminal = Terminal(tmp_path)
        with contextlib.ExitStack() as stack:
            stack.callback(terminal.leave)
            yield terminal, upstream


@pytest.mark.slow
def test_walk(there: tuple[Terminal, StripeSandbox]) -> None:
    """The README's commands lead to a call that passes, and to one that the SDK raises its own error for."""
    terminal, upstream = there
    assert len(WALK) <= COMMANDS_MAX
    *before, last = WALK
    for command in before:
        ran = terminal.types(command)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    ran = terminal.types(last)
    assert ran.returncode == 1
    assert ran.stdout == "[]\n"
    assert re.search(r"PermissionError: .*Nothing was sent to Stripe\.", ran.stderr), ran.stderr
    assert [(seen.method, seen.path) for seen in upstream.wiretap.requests] == [("GET", "/v1/charges")]
    assert set(upstream.wiretap.credentials) == {SECRET}
    terminal.leave()
    disk = RealDisk()
    record = [each.entry for each in last_records(disk, ledger_in(disk, terminal.folder / "breakwater-state"), 20)]
    assert {entry["op"] for entry in record if "op" in entry} == {"charges.list", "payouts.create"}


def test_walk_is_short() -> None:
    """The walk is done by line 35."""
    assert README[: README.index(WALK[-1])].count("\n") + WALK[-1].count("\n") < 35


def test_sandbox_is_there(tmp_path: Path) -> None:
    """The sandbox that the README starts says where it is, and takes the key that the README names."""
    (command,) = re.findall(r"`(\S+ -m loadtest\.upstreams\.stripe --port 12111)`", section(README))
    assert f"{SETTING}\n" in (ROOT / POLICY).read_text("utf-8")
    assert "`sandbox-secret`" in section(README)
    words = shlex.split(command.replace("12111", "0"))[1:]
    with subprocess.Popen(
        [sys.executable, *words], env=environment(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert '"url"' in process.stdout.readline()
        finally:
            process.terminate()
            process.wait(STOP_S)
    assert StripeSandbox().secret == "sandbox-secret"
