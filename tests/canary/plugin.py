"""
The canary in every test: what clients receive, commands print and folders hold is searched when the test has ended.

Sockets, `Breakwater`, captured output and temporary folders are tapped where all tests pass, so that a new test has to
do nothing; the metrics of each process are asked for before it ends. What a test lets out in another way, it tells to
`watch`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import Breakwater, Command
from tests.canary.forms import MARK, forms, issued
from tests.canary.watch import Watch

watch = Watch()
totals: Counter[str] = Counter()
"""What was searched in this process and in its workers, complete when the run ends."""

_MARKS = tuple(forms(MARK.encode()))

# A process that is made to hang answers nobody.
_SCRAPE_S = 2.0


def pytest_configure(config: pytest.Config) -> None:
    """
    Tap.
    """
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for tap in (_tap_sockets, _tap_installations, _tap_pytest):
        tap(patch)


def _tap_sockets(patch: pytest.MonkeyPatch) -> None:
    of = socket.socket
    recv, recv_into = of.recv, of.recv_into

    def dialling(name: str) -> None:
        connect = getattr(of, name)

        def dialled(sock: socket.socket, address: Any) -> Any:
            watch.dialled(sock, address)
            return connect(sock, address)

        patch.setattr(of, name, dialled)

    def received(sock: socket.socket, *more: int) -> bytes:
        data = recv(sock, *more)
        watch.received(sock, data)
        return data

    def received_into(sock: socket.socket, buffer: Any, *more: int) -> int:
        count = recv_into(sock, buffer, *more)
        watch.received(sock, memoryview(buffer)[:count])
        return count

    dialling("connect")
    dialling("connect_ex")
    patch.setattr(of, "recv", received)
    patch.setattr(of, "recv_into", received_into)


def _tap_installations(patch: pytest.MonkeyPatch) -> None:
    cli, start, terminate = Breakwater.cli, Breakwater.start, Breakwater.terminate

    def told(here: Breakwater, *arguments: str) -> Command:
        ended = cli(here, *arguments)
        watch.shown(f"the output of {arguments}", ended.out + ended.err, mints=True)
        return ended

    def started(here: Breakwater, *arguments: str) -> None:
        start(here, *arguments)
        watch.follow(here.doors, here.state)

    def ended(here: Breakwater) -> int:
        if here.process is not None and here.process.poll() is None:
            _scrape(here.doors.get("admin", ""))
        code = terminate(here)
        watch.leave(here.doors)
        return code

    patch.setattr(Breakwater, "cli", told)
    patch.setattr(Breakwater, "start", started)
    patch.setattr(Breakwater, "terminate", ended)


def _scrape(admin: str) -> None:
    """
    Ask for the metrics of a process that is about to end, so that they are searched though no test read them.
    """
    host, _, port = admin.removeprefix("http://").rpartition(":")
    if not port.isdecimal():
        return
    connection = http.client.HTTPConnection(host, int(port), timeout=_SCRAPE_S)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/metrics")
        connection.getresponse().read()


def _tap_pytest(patch: pytest.MonkeyPatch) -> None:
    read, made = pytest.CaptureFixture.readouterr, pytest.TempPathFactory.mktemp

    def printed(capture: pytest.CaptureFixture[Any]) -> Any:
        out, err = result = read(capture)
        watch.shown("what was printed", str(out) + str(err), mints=True)
        return result

    def folder(factory: pytest.TempPathFactory, *names: Any, **more: Any) -> Path:
        watch.folder(path := made(factory, *names, **more))
        return path

    patch.setattr(pytest.CaptureFixture, "readouterr", printed)
    patch.setattr(pytest.TempPathFactory, "mktemp", folder)


def _searched(*, forget: bool) -> Iterator[None]:
    since = watch.since()
    yield
    hits = watch.search(*since, forget=forget)
    assert not hits, "a secret slipped out:\n" + "\n".join(hits)


# A fixture that everyone has comes first and goes last: what others run has ended when these look.


@pytest.fixture(scope="session", autouse=True)
def _canary_of_the_run() -> Iterator[None]:
    yield from _searched(forget=False)


@pytest.fixture(scope="module", autouse=True)
def _canary_of_the_module() -> Iterator[None]:
    yield from _searched(forget=False)


@pytest.fixture(autouse=True)
def _canary() -> Iterator[None]:
    yield from _searched(forget=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """
    Take what a test printed and logged and did not ask for.
    """
    report: Any = yield
    for name, text in report.sections:
        if name.endswith(report.when):
            watch.shown(f"{name} of {item.nodeid}", text, mints=True)
    return report  # type: ignore[no-any-return] # as it came


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """
    Name a parameter that holds a secret by its argument: each worker has another secret, and all must agree on names.
    """
    raw = val.encode("utf-8", "surrogatepass") if isinstance(val, str) else val
    return argname if isinstance(raw, bytes) and any(mark in raw for mark in _MARKS) else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """
    Count, and tell whoever started this worker.
    """
    totals.update(watch.counts, secrets=len(issued))
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["canary"] = dict(totals)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """
    Add what a worker searched.
    """
    totals.update(getattr(node, "workeroutput", {}).get("canary", {}))
