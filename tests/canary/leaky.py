"""Tests that leak, each in another way: run by test_canary.py with a mark of their own, and not by the suite."""

from __future__ import annotations

import http.client
import http.server
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtest.installation import Breakwater
from proxy.clock import system_randomness
from proxy.keys import make_key
from proxy.ledger.keyring import KeyRing
from proxy.tokens import Tokens
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.ledger.memory_disk import MemoryDisk

SECRET = secret("leaky", '/"+')
TOKEN = "a-token-that-only-its-own-file-may-hold"


def new_key() -> str:
    """Return an agent's key that nobody has seen yet."""
    return make_key("support", system_randomness)[1]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[http.client.HTTPConnection]:
    """Give a connection to a door that answers what it is asked to, and that is kept from test to test."""

    class Echo(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(SECRET)))
            self.end_headers()
            self.wfile.write(SECRET.encode())

        def log_message(self, *said: object) -> None: ...

    state = tmp_path_factory.mktemp("module") / "state"
    state.mkdir()
    (state / "admin.token").write_text(TOKEN)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        watch.follow({"stripe": f"http://127.0.0.1:{server.server_port}"}, state)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        yield connection
        connection.close()
        server.shutdown()
        thread.join()


def ask(door: http.client.HTTPConnection, body: str) -> None:
    door.request("POST", "/", body.encode())
    assert door.getresponse().read() == body.encode()


def test_clean(door: http.client.HTTPConnection, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test in which nothing leaks passes."""
    ask(door, "nothing")
    (tmp_path / "source").write_text(SECRET)
    watch.may_hold(tmp_path / "source")
    (tmp_path / "admin.token").write_text("another-token-in-its-own-file")
    sys.stdout.write(json.dumps({"key": new_key()}))
    capsys.readouterr()


def test_answer(door: http.client.HTTPConnection) -> None:
    """An answer shows a secret."""
    ask(door, SECRET.encode().hex())


def test_token(door: http.client.HTTPConnection) -> None:
    """An answer shows the operator's token."""
    ask(door, TOKEN)


def test_key(door: http.client.HTTPConnection) -> None:
    """An answer shows an agent's key."""
    ask(door, new_key())


def test_task_token(door: http.client.HTTPConnection) -> None:
    """An answer shows a task's token."""
    tokens = Tokens(KeyRing({1: system_randomness(32)}, 1), system_randomness)
    until = datetime(2026, 11, 21, tzinfo=UTC)
    ask(door, tokens.mint("support/01M7YZDQY12XJKES0GC4ZSQHB4", until, (), "rk_").spelled())


def test_key_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A key is printed a second time."""
    key = new_key()
    for _ in range(2):
        sys.stdout.write(key)
        capsys.readouterr()


def test_metrics(door: http.client.HTTPConnection, tmp_path: Path) -> None:
    """The metrics of a process show a secret, and nobody reads them."""
    here = Breakwater(tmp_path / "here", {}, {})
    here.doors = {"admin": f"http://{door.host}:{door.port}"}
    here.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with here.process:
        here.terminate()


def test_file(tmp_path: Path) -> None:
    """A file holds a secret."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "index.db").write_bytes(bytes(5000) + SECRET.encode() + bytes(5000))


def test_memory() -> None:
    """A file of a disk in memory holds a secret."""
    disk = MemoryDisk()
    disk.append(disk.create(Path("/file")), [SECRET.encode()])
    test_memory.disk = disk  # type: ignore[attr-defined] # it must not be collected before it is searched


def test_ring(tmp_path: Path) -> None:
    """The secret of a key ring stands outside its file."""
    ring = "cmFuZG9tLXJhbmRvbS1yYW5kb20tcmFuZG9tLXJhbg=="
    (tmp_path / "keyring").write_text(json.dumps({"v": 1, "current": 1, "secrets": {"1": ring}}))
    (tmp_path / "blob").write_text("random-random-random-random-ran")


def test_printed() -> None:
    """A secret is printed where nobody reads it."""
    sys.stdout.write(SECRET)


def test_logged() -> None:
    """A secret is logged."""
    logging.getLogger().warning("the secret is %s", SECRET)
