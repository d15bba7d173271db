"""A process whose every door is a unix socket, from outside: commands, calls, a second one, a kill, a stop."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.installation import Breakwater, stripe_api
from loadtest.upstreams.stripe import StripeSandbox
from tests.harness import in_thread
from tests.starts.installed import CARD, LEDGER, SECRET

DOORS = ("stripe", "stripe.files", "stripe.meter_events")


@pytest.fixture
def breakwater(tmp_path: Path) -> Iterator[Breakwater]:
    """
    Give an installation that is not running and takes no port.
    """
    with in_thread(StripeSandbox(secret=SECRET)) as upstream:
        document = {
            "ledger": LEDGER,
            "apis": {"stripe": stripe_api(upstream.url)},
            "agents": {"support": CARD},
            "doors": {name: f"unix:{name}.sock" for name in DOORS},
            "shared": "unix:shared.sock",
            "admin": "unix:admin.sock",
        }
        made = Breakwater(tmp_path, document, {"STRIPE_SECRET": SECRET})
        yield made
        made.kill()


def ask(path: Path, host: str, target: str, key: str) -> bytes:
    """
    Make one call through a socket and return the answer.
    """
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        shown = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        peer.sendall(shown.encode())
        pieces = []
        while piece := peer.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def test_life(breakwater: Breakwater) -> None:
    """It answers calls and commands, a second one is refused, a kill leaves files that the next start replaces."""
    folder = breakwater.folder
    breakwater.start()
    names = (*DOORS, "shared", "admin")
    assert breakwater.doors == {name: f"unix:{folder / f'{name}.sock'}" for name in names}
    modes = {stat.S_IMODE((folder / f"{name}.sock").lstat().st_mode) for name in names}
    assert modes == {0o600}
    assert breakwater.cli("healthcheck").code == 0
    assert f"unix:{folder}/stripe.sock" in breakwater.cli("status").out
    second = breakwater.cli("serve")
    assert (second.code, second.err.splitlines()[0]) == (
        1, f"error: door 'admin' cannot have unix:{folder}/admin.sock: somebody listens there",
    )  # fmt: skip
    key = breakwater.mint("support")
    for sock, host, target in (
        ("stripe", "localhost", "/v1/customers"),
        ("shared", "stripe.localhost", "/v1/customers"),
        ("shared", "anything", "/stripe/v1/customers"),
    ):
        assert ask(folder / f"{sock}.sock", host, target, key).startswith(b"HTTP/1.1 200 OK")
    breakwater.kill()
    assert (folder / "stripe.sock").is_socket()
    breakwater.start()
    assert ask(folder / "stripe.sock", "localhost", "/v1/customers", key).startswith(b"HTTP/1.1 200 OK")
    assert breakwater.terminate() == 0
    assert [found.name for found in folder.iterdir() if found.is_socket()] == []
    assert breakwater.cli("healthcheck").code == 1


def test_refused_start(breakwater: Breakwater) -> None:
    """A start that is refused leaves no socket behind."""
    (breakwater.folder / "shared.sock").write_text("kept")
    no = breakwater.cli("serve")
    assert no.code == 1
    assert "something that is no socket is there" in no.err
    assert [found.name for found in breakwater.folder.iterdir() if found.is_socket()] == []
    assert (breakwater.folder / "shared.sock").read_text() == "kept"
