"""What people are told of beside caps: at least once, under one id, offered ever more rarely, again after a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from breakers.breaker import Breaker, State
from proxy.announcing import WAITING_MAX, Announcer
from proxy.errors import LedgerUnavailable
from proxy.ledger.noticed import UNTOLD_MAX, Notice, Noticed
from proxy.turns import AGAIN_AFTER_S
from tests.ledger.world import START, StillClock
from tests.proxy.ailing import WRITES, ailing
from tests.proxy.road import Lines, soon

OLD = Notice("api:shop/write#3", "breaker", START, {"breaker": "api:shop/write", "state": "suggest_only"})


@dataclass
class Records:
    """A record that can be full."""

    untold: tuple[Notice, ...] = ()
    said: list[str] = field(default_factory=list)
    full: bool = False

    async def told(self, notice: str) -> None:
        """
        Take note that one was told.
        """
        if self.full:
            raise LedgerUnavailable("the disk is full")
        self.said.append(notice)


@dataclass
class Hook:
    """A webhook that takes nothing until it is told to."""

    taking: bool = False
    posted: list[Mapping[str, object]] = field(default_factory=list)

    async def post(self, message: dict[str, object]) -> str | None:
        """
        Take a message, or not.
        """
        self.posted.append(message)
        return None if self.taking else "it answered 503"


@dataclass
class World:
    """What an announcement passes through."""

    records: Records = field(default_factory=Records)
    log: Lines = field(default_factory=Lines)
    hook: Hook = field(default_factory=Hook)
    counted: list[str] = field(default_factory=list)

    def announcer(self) -> Announcer:
        """
        Return what announces.
        """
        made = Announcer(self.log, self.counted.append, self.records, StillClock())
        made.post = self.hook.post
        return made


async def test_told_once() -> None:
    """What is said is in the log and counted at once, posted under its id, and on record as told."""
    world = World(hook=Hook(taking=True))
    announcer = world.announcer()
    announcer.say("stop", "all#2", {"scope": "all", "by": None})
    said = {"scope": "all", "id": "all#2", "at": START.isoformat()}
    assert world.log.lines == [{"event": "stop", **said}]
    assert world.counted == ["stop"]
    await announcer.look(0.0)
    await announcer.look(1.0)
    assert world.hook.posted == [{**said, "kind": "stop"}]
    assert world.records.said == ["all#2"]


async def test_without_webhook() -> None:
    """Without a webhook the log is whoever there is to tell."""
    world = World()
    announcer = world.announcer()
    announcer.post = None
    announcer.say("stop", "all#2", {})
    await announcer.look(0.0)
    assert world.records.said == ["all#2"]


async def test_offered_again() -> None:
    """What the webhook does not take is offered again, ever more rarely, and holds up nothing else."""
    world = World()
    announcer = world.announcer()
    announcer.say("stop", "first", {})
    at = 0.0
    for pause in AGAIN_AFTER_S:
        await announcer.look(at)
        await announcer.look(at + pause - 0.1)
        at += pause
    assert len(world.hook.posted) == len(AGAIN_AFTER_S)
    world.hook.taking = True
    announcer.say("stop", "second", {})
    await announcer.look(at - 0.1)
    assert world.records.said == ["second"]
    await announcer.look(at)
    assert world.records.said == ["second", "first"]


async def test_full_record() -> None:
    """What was told and could not be recorded as told is not told a second time by this process."""
    world = World(Records(full=True), hook=Hook(taking=True))
    announcer = world.announcer()
    announcer.say("stop", "all#2", {})
    await announcer.look(0.0)
    await announcer.look(10.0)
    assert len(world.hook.posted) == 1
    assert world.log.of("untold")


async def test_told_again() -> None:
    """What the record has untold is announced by the next process, as it was then."""
    world = World(Records((OLD,)), hook=Hook(taking=True))
    announcer = world.announcer()
    announcer.begin()
    await announcer.look(0.0)
    message = {**OLD.fields, "id": OLD.id, "kind": "breaker", "at": START.isoformat()}
    assert world.hook.posted == [message]
    assert world.records.said == [OLD.id]


async def test_bounded() -> None:
    """A receiver that is away for ever costs no more memory than the newest it was not told of."""
    world = World()
    announcer = world.announcer()
    for number in range(WAITING_MAX + 5):
        announcer.say("stop", f"{number}", {})
    world.hook.taking = True
    await announcer.look(0.0)
    assert len(world.records.said) == WAITING_MAX
    assert world.records.said[0] == "5"


def test_fold_bounded() -> None:
    """The record has in mind as much as one process tells, the newest, and nothing that was told."""
    noticed = Noticed()
    entry = {"k": "drift.noticed", "ts": "2026-11-21T12:00:00.000000Z"}
    for number in range(UNTOLD_MAX + 5):
        noticed.see({**entry, "notice": {"kind": "drift", "id": f"{number}"}})
    assert len(noticed.untold) == UNTOLD_MAX
    noticed.see({"k": "notice.told", "ts": entry["ts"], "notice": "7"})
    assert "7" not in noticed.untold
    noticed.see({**entry, "ts": "2027-01-01T12:00:00.000000Z", "notice": {"kind": "drift", "id": "new"}})
    assert list(noticed.untold) == ["new"]


async def test_across_stops(tmp_path: Path) -> None:
    """A breaker that moved is announced after a restart, by what its record says, unless it was told before."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await soon(lambda: one.on.log.of("breaker"))
    async with ailing(tmp_path) as one:
        (untold,) = one.on.rooms.ledger.notices.untold
        assert untold.id.startswith(f"{WRITES}#1.")
        assert (untold.kind, untold.fields["state"]) == ("breaker", "suggest_only")
        one.on.rooms.announcer.begin()
        await one.on.rooms.announcer.look(0.0)
    async with ailing(tmp_path) as one:
        assert one.on.rooms.ledger.notices.untold == ()
        await one.look()
        assert one.of(WRITES).state is State.SUGGEST_ONLY
        assert isinstance(one.of(WRITES), Breaker)
