"""The stop without an operator: the file, the signal, what is found out, and time that passes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from breakers.stops import ALL, RUNNING, Mode, Stop, Stops
from breakers.store.events import KillChanged
from breakers.store.protocol import Permit
from proxy.errors import StartRefused
from proxy.killing import LEASE_S
from tests.breakers.stopping import running
from tests.ledger.world import StillClock
from tests.proxy.stoppable import READ, Process, Shared, may, pair

HOUR = timedelta(hours=1)


@pytest.fixture
def one() -> Process:
    """
    Give a process whose record begins with everything running.
    """
    return Process()


WRITTEN = {
    "": Mode.STOP_WRITES,
    "\n": Mode.STOP_WRITES,
    "suggest\n": Mode.SUGGEST,
    "stop-writes": Mode.STOP_WRITES,
    " stop-all \n": Mode.STOP_ALL,
    "STOP-WRITES": Mode.STOP_ALL,
    "off": Mode.STOP_ALL,
    "x" * 100_000: Mode.STOP_ALL,
    "stop-writes\x00": Mode.STOP_ALL,
}


@pytest.mark.parametrize("word", WRITTEN, ids=lambda word: repr(word[:12]))
async def test_file(word: str, tmp_path: Path) -> None:
    """The file's word is a mode, nothing is `stop-writes` and anything else `stop-all`: for the very next write."""
    one = Process(folder=tmp_path)
    assert may(one)
    (tmp_path / "KILL").write_text(word)
    one.clock.move(0.01)
    assert one.switch.here.mode(ALL) is WRITTEN[word]
    assert not may(one)
    await one.switch.drain(1.0)
    assert [(stop.mode, stop.actor) for stop in one.paper.stops] == [(WRITTEN[word], "file:KILL")]


@pytest.mark.parametrize("kind", ["folder", "link", "unreadable"])
async def test_no_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there and cannot be read as a file stops everything."""
    one, path = Process(folder=tmp_path), tmp_path / "KILL"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "nothing")
    else:
        path.touch()
        monkeypatch.setattr("proxy.ledger.disk.RealDisk.read_part", _unreadable)
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL
    await one.switch.drain(1.0)


def _unreadable(*_: object) -> bytes:
    raise PermissionError


async def test_file_stays(tmp_path: Path) -> None:
    """As long as the file is there nothing resumes; deleting it does not resume either; then a person may."""
    one, path = Process(folder=tmp_path), tmp_path / "KILL"
    path.touch()
    one.switch.tick()
    await one.switch.drain(1.0)
    with pytest.raises(StartRefused, match="file KILL"):
        await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    path.unlink()
    one.switch.tick()
    assert not may(one)
    await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7")
    assert may(one)
    assert len(one.paper.stops) == 2


async def test_file_over_others(tmp_path: Path) -> None:
    """What another process resumes, and an open glass, are less than what the file says here."""
    clock = StillClock()
    store = Shared(clock)
    one = Process(folder=tmp_path, clock=clock, store=store)
    (tmp_path / "KILL").touch()
    one.switch.tick()
    await one.switch.drain(1.0)
    await store.apply(running(50))
    await one.switch.poll()
    assert not may(one)
    assert one.switch.here.over(await store.stops()).by_scope[ALL].mode is Mode.STOP_WRITES
    await store.apply(KillChanged(Stop(ALL, Mode.RUN, 60, until=clock.now() + HOUR, back=Mode.STOP_WRITES)))
    await one.switch.poll()
    assert not may(one)
    await one.switch.drain(1.0)


async def test_looked_at_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at at most every ten milliseconds, however many writes pass, and at every tick."""
    one, looks = Process(folder=tmp_path), 0
    mode = one.switch.here._file.mode

    def counted() -> Mode | None:
        nonlocal looks
        looks += 1
        return mode()

    monkeypatch.setattr(one.switch.here._file, "mode", counted)
    for _ in range(100):
        assert may(one)
        one.clock.move(0.001)
    assert 9 <= looks <= 11
    one.switch.tick()
    assert looks <= 12


async def test_signal(one: Process) -> None:
    """The signal stops writes at once, and what was stopped more strictly stays so."""
    one.switch.signalled()
    assert one.switch.here.mode(ALL) is Mode.STOP_WRITES
    await one.switch.drain(1.0)
    assert [(stop.mode, stop.actor) for stop in one.paper.stops] == [(Mode.STOP_WRITES, "signal")]
    one.switch.signalled()
    await one.switch.order(ALL, Mode.STOP_ALL, "ana")
    one.switch.signalled()
    await one.switch.drain(1.0)
    assert len(one.paper.stops) == 2
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL


async def test_signal_ends_glass(one: Process) -> None:
    """The signal and the file end what was lifted for a time."""
    await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7", until=one.clock.now() + HOUR)
    assert may(one)
    one.switch.signalled()
    assert not may(one)
    await one.switch.drain(1.0)


async def test_by_itself(one: Process) -> None:
    """What the program finds out has writes suggested, never more, never less, and never lifts anything."""
    one.switch.auto("api:shop", "duplicate", "the write 01A was made more than once")
    assert one.switch.here.mode("api:shop") is Mode.SUGGEST
    await one.switch.drain(1.0)
    assert one.kinds == ["auto-kill"]
    for mode in (Mode.SUGGEST, Mode.STOP_WRITES, Mode.STOP_ALL):
        await one.switch.order(ALL, mode, "ana")
        one.switch.auto("api:other", "duplicate", "again")
        one.switch.auto(ALL, "clock", "again")
        assert one.switch.here.mode(ALL) is mode
    await one.switch.drain(1.0)
    assert "api:other" not in one.switch.stops.by_scope


async def test_not_by_itself(one: Process) -> None:
    """Where the configuration says so, only people stop."""
    one.switch.heeds_itself = False
    one.switch.auto("api:shop", "duplicate", "again")
    assert may(one)


JUMPS = [(3600, True), (-3600, True), (5.5, True), (4.5, False), (-4.5, False)]


@pytest.mark.parametrize(("jump_s", "suggests"), JUMPS)
async def test_clock_jumps(jump_s: float, suggests: bool, one: Process) -> None:
    """A clock that jumps by more than five seconds, to either side, has writes suggested; a corrected one does not."""
    one.clock.move(30)
    one.switch.tick()
    one.clock.at += timedelta(seconds=jump_s)
    one.switch.tick()
    assert one.switch.here.mode(ALL) is (Mode.SUGGEST if suggests else Mode.RUN)
    one.switch.tick()
    await one.switch.drain(1.0)
    assert len(one.paper.stops) == int(suggests)


async def test_glass(one: Process) -> None:
    """What was lifted for a time is stopped again in the middle of a burst, and people are told both times."""
    await one.switch.order(ALL, Mode.STOP_ALL, "ana")
    until = one.clock.now() + timedelta(minutes=20)
    await one.switch.order(ALL, Mode.RUN, "ana+ben", "OPS-7", until=until, back=Mode.STOP_ALL)
    left = 0
    for _ in range(30):
        left += may(one)
        one.clock.move(60)
    assert left == 20
    assert one.switch.here.mode(ALL) is Mode.STOP_ALL
    assert one.kinds == ["stop", "break-glass", "break-glass"]


@pytest.mark.parametrize("began", ["here", "before the start"])
async def test_glass_and_clock(began: str) -> None:
    """A wall clock that is set back makes nothing last longer that was lifted for a time, and lifts no stop."""
    clock = StillClock()
    glass = Stop(ALL, Mode.RUN, 5, until=clock.now() + HOUR, back=Mode.STOP_WRITES)
    one = Process(clock=clock, begins=RUNNING.changed(glass) if began == "before the start" else RUNNING)
    one.switch.heeds_itself = False
    if began == "here":
        await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
        await one.switch.order(ALL, Mode.RUN, "ana", "OPS-7", until=glass.until)
    clock.at -= HOUR
    clock.move(3599)
    assert may(one)
    clock.move(1)
    assert not may(one)
    clock.at -= 2 * HOUR
    assert not may(one)


async def test_clock_set_back(one: Process) -> None:
    """A wall clock that is set back by an hour lifts nothing."""
    await one.switch.order(ALL, Mode.STOP_WRITES, "ana")
    one.clock.at -= HOUR
    one.switch.tick()
    assert not may(one)
    assert (await one.switch.order(ALL, Mode.STOP_ALL, "ana")).stop.epoch == 3


async def test_lease() -> None:
    """A process that hears nothing of the shared state writes no more after five seconds, and reads on."""
    here, _, store = pair()
    assert not may(here)
    assert await here.switch.poll()
    here.clock.move(LEASE_S)
    assert may(here)
    store.away = True
    assert not await here.switch.poll()
    assert may(here)
    here.clock.move(0.001)
    assert not may(here)
    assert here.switch.here.read_permit(READ) is Permit.GRANTED
    store.away = False
    assert await here.switch.poll()
    assert may(here)
    assert [event for event, _ in here.heard.lines] == ["stop-unheard", "stop-heard"]


async def test_lease_from_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was heard is as old as the question, not as the answer: a process that was blocked between is not fresh."""
    here, _, store = pair()
    stops = store.stops

    async def late() -> Stops:
        found = await stops()
        here.clock.move(LEASE_S + 1)
        return found

    monkeypatch.setattr(store, "stops", late)
    assert await here.switch.poll()
    assert not may(here)


async def test_lease_and_wall_clock() -> None:
    """Freshness is measured in time that only grows: the wall clock can do what it likes."""
    here, _, _ = pair()
    here.switch.heeds_itself = False
    await here.switch.poll()
    for jump in (HOUR, -3 * HOUR):
        here.clock.at += jump
        assert may(here)
    here.clock.seconds += LEASE_S + 1
    assert not may(here)


async def test_alone_needs_no_lease(one: Process) -> None:
    """A process that shares nothing writes without hearing of anyone."""
    one.clock.move(10_000)
    assert may(one)
