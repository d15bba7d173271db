"""A configuration in a folder of its own, and a `serve` that is expected to refuse, run in this process."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import agent, stripe_api
from proxy.cli import main
from tests.canary.forms import secret

SECRET = secret("installed")
CARD = agent({"stripe": {"customers.*": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}}})

# How full the disk is that a test happens to run on is not what these tests ask.
LEDGER: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}


@dataclass(frozen=True)
class Refusal:
    """How a command ended that refused: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """
        Return the lines that say what is wrong.
        """
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def hint(self) -> str:
        """
        Return the last line that says what to do.
        """
        hints = [line.removeprefix("hint: ") for line in self.err.splitlines() if line.startswith("hint: ")]
        return hints[-1] if hints else ""


@dataclass
class Installed:
    """An installation on free ports whose `serve` and other commands run in this process."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config, self.state = self.folder / "breakwater.yaml", self.folder / "state"
        self.ports = dict(zip(("admin", "stripe", "shared"), free_ports(3), strict=True))
        self.write(self.document())

    def document(self, **changes: Any) -> dict[str, Any]:
        """
        Return a good configuration, changed as asked.
        """
        good = {
            "state": str(self.state),
            "admin": f"127.0.0.1:{self.ports['admin']}",
            "doors": {"stripe": f"127.0.0.1:{self.ports['stripe']}"},
            "shared": f"127.0.0.1:{self.ports['shared']}",
            "ledger": LEDGER,
            "apis": {"stripe": stripe_api("http://127.0.0.1:9")},
            "agents": {"support": CARD},
        }
        return {**good, **changes}

    def write(self, document: Mapping[str, object] | str) -> None:
        """
        Write the configuration.
        """
        self.config.write_text(document if isinstance(document, str) else json.dumps(document, indent=1))

    def run(self, *words: str) -> Refusal:
        """
        Run a command in this process.
        """
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            code = main(["--config", str(self.config), *words])
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        out, err = self.capsys.readouterr()
        return Refusal(code, out, err)

    def refused(self, *words: str) -> Refusal:
        """
        Run `serve`, which must refuse: exit 1, nothing on standard output, and nobody listening.
        """
        no = self.run("serve", *words)
        assert no.code == 1
        assert no.out == ""
        assert no.errors
        assert "Traceback" not in no.err
        assert SECRET not in no.err
        assert [port for port in self.ports.values() if listens(port)] == []
        return no


def listens(port: int) -> bool:
    """
    Tell whether somebody listens on a loopback port.
    """
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    """
    Return ports on which nobody listens.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    """
    Listen on a port, as another program would.
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """
    Return every file below a folder with its time of change and its bytes.
    """
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
