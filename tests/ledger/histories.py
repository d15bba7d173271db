"""Whatever may come to stand in a log, in any order: records of every kind, seals, stops, crashes, new logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from breakers.baseline import Kind
from breakers.call import Applied
from breakers.drift import Alarm
from breakers.known import State
from breakers.spend import CALLS, Alert, Charge, Notice
from breakers.store.events import Event, IntentDelivered, IntentEnded
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.task import Above, Closed, Task
from config.caps import Caps
from config.money import Money
from proxy.ledger import records, repeats
from proxy.ledger.book import Ledger
from proxy.ledger.changed import interrupted
from proxy.ledger.doubts import opened_draft
from proxy.ledger.drafts import Draft, stamp, system
from proxy.ledger.drifted import Drifted
from proxy.ledger.drifts import alarm_draft
from proxy.ledger.enveloped import task_fields
from proxy.ledger.fleet import How
from proxy.ledger.layout import LEDGER, epochs
from proxy.ledger.reads import lease_ended, lease_taken
from proxy.ledger.records import read_held
from tests.ledger.memory_disk import MemoryDisk
from tests.ledger.test_owed_changes import touching
from tests.ledger.test_remembered import names
from tests.ledger.world import (
    Answered,
    World,
    close_now,
    commit_now,
    delivered,
    outcome,
    read,
    small_segments,
    wire,
    write,
)
from tests.ledger.world import call as a_call

HOUR = timedelta(hours=1)

STEPS = (
    "intent", "intent", "charged", "touching", "applied", "applied", "refused", "unknown", "missed", "reached",
    "doubted", "found", "absent", "parked", "changed", "read", "read ended", "key", "revoked", "operator",
    "leased", "given back",
    "operator gone", "credential", "stopped", "resumed", "drifted", "looked at", "task", "task over", "token", "alert",
    "alert told", "other", "fleet", "fleet",
)  # fmt: skip
"""Records; those of an intent, a read, a task, an alert are of one that there is, if there is any."""

PAUSES = ("snapshots", "closed", "closed", "killed", "lost power", "moved", "an hour", "a while")
"""What comes between them."""

HISTORIES = st.lists(st.tuples(st.sampled_from(STEPS + PAUSES), st.integers(0, 5)), min_size=15, max_size=60)

CAPS = Caps(moved=(Money.parse("200 USD"),), calls=6, alert=(10, 90))


def no_pause() -> None:
    """Go on at once."""


def close(ledger: Ledger) -> None:
    """Stop cleanly, without the writer's thread."""
    close_now(ledger)
    ledger._state.snapshots.close(whole=True)
    ledger._state.close(ledger._disk)


@dataclass
class History:
    """A log that is written to, and what may still be said of what stands in it."""

    world: World = field(default_factory=lambda: World(settings=small_segments(4000)))
    ledger: Ledger = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.ledger = self.world.open()
        self.intents: list[tuple[str, int, str]] = []
        self.reads: list[HeldRead] = []
        self.tasks: list[Task] = []
        self.alerts: list[Alert] = []

    def take(self, step: str, which: int) -> None:
        """Let something happen."""
        if step in PAUSES:
            self._pause(step)
        elif draft := self._draft(step, which):
            self.world.clock.move(0.5)
            (at,) = commit_now(self.ledger, draft)
            if draft.kind == "call.intent":
                assert draft.call is not None
                self.intents.append((draft.call, at.index, self.ledger.origin))

    def _pause(self, step: str) -> None:
        match step:
            case "an hour":
                self.world.clock.move(3600)
            case "a while":
                self.world.clock.move(20)
            case "snapshots":
                self.ledger._state.snapshots.make(no_pause)
            case _:
                if step in {"closed", "moved"}:
                    close(self.ledger)
                disk = self.world.disk.after_power_loss() if step == "lost power" else self.world.disk.after_kill()
                self.world = replace(self.world, disk=disk)
                self.ledger = self.world.open(new_epoch="moved" if step == "moved" else None)

    def _draft(self, step: str, which: int) -> Draft | None:
        self.count += 1
        if step in {"intent", "charged", "touching"}:
            return records.intent(self._write(step), wire(), self.ledger.ring, b"r" * 32)
        if step in {"read", "read ended", "leased", "given back"}:
            return self._read(step, which)
        if step in {"task", "task over", "token", "alert", "alert told"}:
            return self._enveloped(step, which)
        if step in {"key", "revoked", "operator", "operator gone", "credential", "stopped", "resumed", "other"}:
            return self._operator(step, which)
        if step in {"drifted", "looked at"}:
            return self._drifted(step, which)
        if step == "fleet":
            return self._fleet(which)
        return self._of_intent(step, which)

    def _write(self, step: str) -> HeldWrite:
        if step == "touching":
            return touching(self.count)
        held = write(self.count, names=names(self.count))
        return held if step == "intent" else HeldWrite(replace(held.go, charges=self._charges(self.count)))

    def _charges(self, number: int) -> tuple[Charge, ...]:
        until = self.world.clock.now() + HOUR
        return Charge("agent:a", "2026-11", "moved:USD", number, 9, until, (50,)), Charge("task:a/1", "life", CALLS, 1)

    def _read(self, step: str, which: int) -> Draft | None:
        if step in {"read", "leased"}:
            held = read(self.count)
            self.reads.append(HeldRead(replace(held.go, charges=self._charges(0)[1:]), lease=step))
            return lease_taken(self.reads[-1]) if step == "leased" else read_held(self.reads[-1].go, self.ledger.ring)
        if not self.reads:
            return None
        held = self.reads.pop(which % len(self.reads))
        if held.lease == "leased":
            return lease_ended(held, (which % 2,))
        return records.read_outcome(held, outcome(), delivered(), self.ledger.ring, (which % 2,))

    def _of_intent(self, step: str, which: int) -> Draft | None:
        views = self._views()
        if step == "doubted":
            unnamed = views.unnamed()
            return opened_draft(unnamed[which % len(unnamed)]) if unnamed else None
        if step == "changed":
            owed = list(views.owed.values())
            return interrupted(owed[which % len(owed)]) if owed else None
        if not self.intents:
            return None
        intent, index, origin = self.intents[-1 - which % len(self.intents)]
        call = a_call(int(intent.removeprefix("CALL")))
        if step == "missed":
            return repeats.delivery_aborted(call, 0)
        if step == "reached":
            return repeats.delivered(a_call(9_000 + self.count), intent)
        if step in {"applied", "refused", "unknown"}:
            if origin != self.ledger.origin:
                return None
            applied = {"applied": Applied.APPLIED, "refused": Applied.NOT_APPLIED}.get(step, Applied.UNKNOWN)
            ended = replace(outcome(applied), status=429 if which == 3 else 402 if step == "refused" else 200)
            return records.write_outcome(call, index, ended, Answered(), 99, (1, 1) if which % 2 else ())
        former = origin if origin != self.ledger.origin else None
        eff = {"found": Applied.APPLIED, "absent": Applied.NOT_APPLIED}.get(step, Applied.UNKNOWN)
        said = {"eff": str(eff), "state": "parked" if step == "parked" else "completed", "keeps": step == "found"}
        return replace(
            system("recovery.resolved", intent=index, of=former, by="operator", why="said", **said), call=intent
        )

    def _views(self) -> Any:
        from proxy.ledger.fold import fold

        return fold(self.world.disk, epochs(self.world.disk, self.world.folder / LEDGER)[-1]).views

    def _enveloped(self, step: str, which: int) -> Draft | None:
        now = self.world.clock.now()
        match step:
            case "task":
                above = (Above("a/0", Caps(), now + HOUR),) if which % 2 else ()
                self.tasks.append(Task(f"a/{self.count}", "a", now, now + HOUR, CAPS, model="m-7", above=above))
                return Draft("task.opened", self.tasks[-1].id, task_fields(self.tasks[-1]))
            case "task over" if self.tasks:
                task = self.tasks[which % len(self.tasks)]
                return Draft("task.closed", task.id, {"agent": "a", "why": str([*Closed][which % len(Closed)])})
            case "token":
                return system("token.revoked", tid=f"tid{self.count}", until=stamp(now + HOUR))
            case "alert":
                alert = Alert([*Notice][which % len(Notice)], "agent:a", "2026-11", "calls", which, 9, which, now)
                self.alerts.append(alert)
                said = {"node": alert.node, "period": alert.period, "measure": alert.measure}
                counted = {
                    "kind": str(alert.kind),
                    "threshold": alert.threshold,
                    "cap": "9",
                    "settled": str(alert.settled),
                }
                return system("budget.alerted", alert=alert.id, at=stamp(now), **said, **counted)
            case "alert told" if self.alerts:
                return system("budget.told", alert=self.alerts[which % len(self.alerts)].id)
            case _:
                return None

    def _drifted(self, step: str, which: int) -> Draft:
        agent = f"a{which % 2}"
        if step == "looked at":
            return system("drift.reset", agent=agent, by="ada", learn=bool(which % 3))
        alarm = Alarm([*Kind][which % len(Kind)], "shop/refund", "", which, which, 9)
        return alarm_draft(Drifted(agent, f"d{self.count}", self.world.clock.now(), alarm))

    def _fleet(self, which: int) -> Draft:
        how, name = [*How][which], f"r{self.count % 4}"
        said = {"names": [name], "was": f"r{self.count % 3}", "by": "ada" if self.count % 2 else None}
        return system("fleet.changed", how=str(how), **said)

    def _operator(self, step: str, which: int) -> Draft:
        match step:
            case "key":
                return system("key.minted", agent="a", kid=f"k{which}", hash=f"h{self.count}")
            case "revoked":
                return system("key.revoked", kid=f"k{which}")
            case "operator":
                return system("operator.minted", name="ada", kid=f"k{which}", hash=f"h{self.count}", by="admin")
            case "operator gone":
                return system("operator.revoked", kid=f"k{which}", by="admin")
            case "credential":
                return system("credential.changed", name=f"n{which}", ver=self.count, how="put")
            case "stopped" | "resumed":
                mode = "stop-writes" if step == "stopped" else "run"
                return system("kill.changed", scope="all", mode=mode, epoch=self.count)
            case _:
                return system("test.other", text="x" * 100 * which)


def history(steps: Iterable[tuple[str, int]], **more: Any) -> History:
    """All of it, one step after the other."""
    made = History(World(settings=small_segments(4000), **more))
    for step, which in steps:
        made.take(step, which)
    return made


def snapshots_in(disk: MemoryDisk) -> list[str]:
    """The names of all snapshots on a disk."""
    return sorted(path for path in disk.tree() if path.endswith(".bws"))


def said_by(ledger: Ledger, *, since: bool = False) -> dict[str, Any]:
    """All that a start knows; with `since`, of events only those that a store can do something with."""
    state, recovered = ledger._state, ledger.recovered
    segment = state.log.segment
    at_start, anew = list(recovered.events), ledger.events()
    keep: Callable[[list[Event]], list[Event]] = _of_known if since else lambda events: events
    assert sorted(map(repr, keep(at_start))) == sorted(map(repr, keep(anew)))
    return {
        "views": state.views,
        "tree": (state.log.tree.size, state.log.tree.root()),
        "chains": state.log.chains,
        "at": (state.log.last_ts, state.log.last_now, state.log.origin),
        "segment": (segment.first, segment.size, segment.blob_size, segment.digest.hexdigest()) if segment else None,
        "events": sorted(map(repr, keep(at_start))),
        "recovered": replace(recovered, events=()),
    }


def _of_known(events: list[Event]) -> list[Event]:
    """Leave out that an answer arrived, or not, where that is told of what has not ended by then: nobody takes it."""
    ended: set[str] = set()
    kept: list[Event] = []
    for event in events:
        match event:
            case IntentEnded(intent, end) if end.state is State.COMPLETED:
                ended.add(intent)
            case IntentDelivered(intent) if intent not in ended:
                continue
        kept.append(event)
    return kept
