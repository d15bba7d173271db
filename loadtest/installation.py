"""
One installation of Breakwater as whoever runs it sees it: a configuration, a state folder, commands, a process.

What is asked of the program is small: `key mint AGENT --json` prints a key, `serve` writes `run.json` once it is ready,
SIGTERM ends it. Everything is kept below one folder, and every port is a free one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# A start takes about a second, one with workers three of them; a machine that does everything else at once needs many.
START_S = 50.0
STOP_S = 40.0
_STEP_S = 0.02

# Where programs are, and how text is written; nothing else of whoever runs us reaches a child.
_KEPT = frozenset({"PATH", "LANG", "LC_ALL"})

# A file of a configuration has a MiB at most; more agents than this stand in several.
AGENTS_A_FILE = 2_000

# How the program is run.
PROGRAM = (sys.executable, "-m", "proxy")

OWNERS = {"business": "a", "technical": "b", "model": "c"}


class NotStartedError(RuntimeError):
    """
    A process did not become ready, or a command failed that must not.
    """


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return a child's environment: its home in a folder of ours, no proxy on the way to loopback.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("COVERAGE_")}
    ours = {"HOME": str(home), "NO_PROXY": "127.0.0.1"}
    return kept | ours | dict(more or {})


@dataclass(frozen=True, slots=True)
class Command:
    """
    How one command ended.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """
        Return what it printed as JSON.
        """
        return json.loads(self.out)


def _configured(folder: Path, document: Mapping[str, object]) -> Path:
    """
    Write a configuration and return where it stands: a file, or a folder of several where it names more agents than one
    file takes.
    """
    agents = document.get("agents")
    if not isinstance(agents, Mapping) or len(agents) <= AGENTS_A_FILE:
        return _put(folder / "breakwater.yaml", document)
    whole = folder / "breakwater"
    whole.mkdir(exist_ok=True)
    _put(whole / "breakwater.yaml", {**document, "agents": {}})
    names = list(agents)
    for number, first in enumerate(range(0, len(names), AGENTS_A_FILE)):
        some = {name: agents[name] for name in names[first : first + AGENTS_A_FILE]}
        _put(whole / f"agents-{number}.yaml", {"agents": some})
    return whole


def _put(path: Path, document: Mapping[str, object]) -> Path:
    # JSON is YAML too, and has no anchors, which the configuration refuses.
    path.write_text(json.dumps(document, indent=2))
    return path


class Breakwater:
    """
    One installation: its configuration, its state folder, and the process while it runs.
    """

    def __init__(
        self,
        folder: Path,
        document: Mapping[str, object],
        secrets: Mapping[str, str],
        *,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.config = _configured(folder, {"state": str(self.state), "admin": "127.0.0.1:0", **document})
        self.log = folder / "serve.log"
        self._environment = environment(folder, secrets)
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.doors: dict[str, str] = {}

    def cli(self, *arguments: str) -> Command:
        """
        Run one command against this installation.
        """
        ended = subprocess.run(
            [*self._program, *arguments, "--config", str(self.config)],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        return Command(ended.returncode, ended.stdout, ended.stderr)

    def mint(self, agent: str) -> str:
        """
        Mint an agent's key.
        """
        made = self.cli("key", "mint", agent, "--json")
        if made.code != 0:
            raise NotStartedError(made.err)
        return str(made.json["key"])

    def start(self, *arguments: str) -> None:
        """
        Serve, and wait until it is ready.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program, "serve", "--config", str(self.config), *arguments],
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        run, until = self.state / "run.json", time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError):
                written = json.loads(run.read_text())
                if written["pid"] == self.process.pid:
                    self.doors = written["doors"]
                    return
            time.sleep(_STEP_S)
        self.kill()
        raise NotStartedError(f"serve is not ready ({self.process.returncode}):\n{self.log.read_text()}")

    def terminate(self) -> int:
        """
        Ask it to stop, wait, and return its exit code.
        """
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """
        Kill it where it stands.
        """
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_S)


def agent(allow: Mapping[str, object], **more: object) -> dict[str, object]:
    """
    Return an agent's card that allows this.
    """
    return {
        "purpose": "test",
        "owners": OWNERS,
        "environment": "test",
        "tier": "auto",
        "allow": dict(allow),
        **more,
    }


def stripe_api(url: str, credential: str = "STRIPE_SECRET") -> dict[str, object]:
    """
    Return an API account of Stripe's catalogue whose every base is one upstream.
    """
    bases = ("api", "files", "meter_events")
    return {"catalog": "stripe", "upstream": dict.fromkeys(bases, url), "credential": {"env": credential}}
