"""
A deployment in one thread: two processes with a disk each, a Redis, an upstream, agents, an operator, and what befalls
them, all drawn from one seed.

`simulated(seed)` runs one seed to its end and returns what came of it. The same seed gives the same `trace`, whatever
the machine, the process and the order of its hashes are: nothing here waits, dials, reads a clock or draws on its own.

| seconds | what happens |
|---|---|
| 0 | both processes begin, on empty disks and an empty Redis |
| to `WORKS_S` | agents work, an operator stops and resumes, faults come and go |
| then | every fault is over, what died begins again, writes are let pass |
| to `OVER_S` | a write of an agent without caps passes at both doors, nothing is in flight any more |
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from proxy.ledger.keyring import make_ring
from tests.sim import checks
from tests.sim.agents import NOTES, PAYOUTS, Agent
from tests.sim.deployment import CAPPED, DAY_CAP, TASK_CAP, configuration, keys
from tests.sim.faults import Faults
from tests.sim.loop import ProcessLoop, Scheduler, StuckError
from tests.sim.messages import Server
from tests.sim.network import Shore
from tests.sim.operating import Operator
from tests.sim.process import BEGAN, Life, Machine
from tests.sim.redis_data import Sorted
from tests.sim.redis_model import RedisModel
from tests.sim.upstream import Arrived, Mood, Till
from tests.sim.wire import Pipe, connected

WORKS_S, OVER_S = 6.5, 75.0
THINGS_MAX = 5
"""What each agent does at most on each of its two lanes."""

LOOKS_S = 0.5
"""Between two looks at what must hold at every moment."""

NOTICED_S = 2.1
"""A failover that has begun takes no longer, nor do two looks at whether it is the same Redis."""

TURNS_MAX = 200_000
"""Twenty times what a seed needs."""


class World:
    """
    Everything that one seed decides.
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.scheduler = seed, Scheduler(seed)
        self.rng = Random(f"world/{seed}")
        self.loop = ProcessLoop.of(self.scheduler, "world")
        self.lines: list[str] = []
        self.counted: Counter[str] = Counter()
        self.shore = Shore(self.scheduler, self.loop, RedisModel(self.micros, "run-0"))
        self.shore.on_run = self._ran
        self.moods: Callable[[bool], Mood] = self.mostly_well
        # Which mood it is in changes.
        self.till = Till(self.loop, lambda writes: self.moods(writes), self.stamp)  # noqa: PLW0108
        self.till.on_arrival = self._arrived
        self.pipes: list[Pipe] = []
        self.machines = tuple(self._machine(name) for name in ("a", "b"))
        self.agents = tuple(
            Agent(*(key.agent, text, self.loop, self.machines, Random(f"{seed}/{key.agent}"), self.told, self.pipes))
            for key, text in keys()
        )
        self.faults = Faults(self, Random(f"faults/{seed}"))
        self.operator = Operator(self, Random(f"operator/{seed}"))
        self.is_healed = self.is_over = False
        self.noticed_at = 0.0
        self.waits_for = ""
        self.failed: checks.Broken | None = None

    def __repr__(self) -> str:
        return f"<World seed={self.seed} {self.scheduler!r}>"

    def _machine(self, name: str) -> Machine:
        state = Path(f"/sim/{name}")
        own = dataclasses.replace(
            configuration(), settings=configuration().settings.model_copy(update={"state": state})
        )
        agents = tuple(key for key, _ in keys())
        made = Machine(name, self.seed, self.scheduler, own, self.shore, self.connect, self.told, agents)
        made.disk.make_folder(state)
        make_ring(made.disk, state / "keyring", Random("ring").randbytes)
        made.on_death, made.on_hiccup = self._died, self._hiccup
        return made

    def caps(self) -> dict[str, int]:
        """
        Return what each agent may move at most, in cents.
        """
        return dict.fromkeys(CAPPED, 100 * min(TASK_CAP, DAY_CAP))

    def mostly_well(self, writes: bool) -> Mood:
        """
        Return how an upstream is on a day like any other: a few requests are slow, of a few the answer is lost.
        """
        draw = self.scheduler.rng.random() if writes and not self.is_healed else 1.0
        return Mood.SLOW if draw < 0.05 else Mood.ANSWER_LOST if draw < 0.08 else Mood.WELL

    def herd(self, over_s: float = 1.3) -> None:
        """
        Have agents send their last writes once more, at either door, over so many seconds from now.
        """
        for one in self.agents[: len(CAPPED)]:
            for _ in range(4):
                self.loop.call_later(self.rng.uniform(0.0, over_s), self._again, one)

    def _hiccup(self) -> None:
        self.told("disk", "stands-still")
        self.counted["disk stands still"] += 1
        self.herd(2.2)

    def _again(self, one: Agent) -> None:
        if one.sent:
            self.loop.create_task(one.repeats())

    # --------------------------------------------------------------------------------------------------- time and wires

    def micros(self) -> int:
        """
        Return the microseconds of Redis' clock.
        """
        return int(BEGAN.timestamp()) * 1_000_000 + round(self.scheduler.now * 1_000_000)

    def monotonic(self) -> float:
        """
        Return the seconds since the beginning.
        """
        return self.scheduler.now

    def stamp(self) -> str:
        """
        Return the time as the upstream says it.
        """
        at = BEGAN + timedelta(seconds=self.scheduler.now)
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def told(self, who: str, what: str, *more: object) -> None:
        """
        Note what happened.
        """
        self.lines.append(f"{self.scheduler.now:.6f} {who} {what} {' '.join(map(str, more))}")

    def _ran(self, process: str, what: str, said: object) -> None:
        self.told(process, "redis", what, _short(said))
        if what == "giveup" and said == 1:
            self.counted["claims given up"] += 1
        if what == "dispatch":
            self.operator.dispatched(process, said)

    def _arrived(self, arrived: Arrived) -> None:
        self.told("till", "done" if arrived.was_done else "not-done", arrived.process, arrived.write)
        try:
            checks.once(self)
        except checks.Broken as broken:
            self.breaks(broken)

    async def connect(self, here: ProcessLoop, factory: Any, path: str) -> tuple[Pipe, Any]:
        """
        Connect a process to the upstream.
        """
        protocol = factory()
        one, _ = connected(
            here,
            protocol,
            self.loop,
            lambda: Server(functools.partial(self.till.serve, here.name)),
            lambda: self.scheduler.rng.uniform(0.000_1, 0.001),
        )
        one.on_write = functools.partial(self._left, here.name)
        self.pipes.append(one)
        return one, protocol

    def _left(self, process: str, data: bytes) -> None:
        if data.startswith(b"POST"):
            self.told(process, "sends")
            self.operator.left(process)

    # ------------------------------------------------------------------------------------------------------- the course

    def run(self) -> checks.Records:
        """
        Run all of it. Raise `checks.Broken` where something does not hold.
        """
        loop = self.loop
        self.machines[0].start()
        loop.call_later(self.rng.choice((0.0, 0.0, 0.004, 0.4)), self.machines[1].start)
        for one in self.agents[: len(CAPPED)]:
            for _ in range(2):
                loop.call_later(0.3, lambda who=one: loop.create_task(who.works(THINGS_MAX, WORKS_S)))
        self.faults.plan(WORKS_S)
        self.operator.plan(WORKS_S)
        loop.call_at(WORKS_S, self._heal)
        loop.call_later(LOOKS_S, self._look)
        try:
            self.scheduler.run(OVER_S, TURNS_MAX, lambda: self.is_over)
        except StuckError as stuck:
            raise checks.Broken(checks.ALIVE, str(stuck)) from None
        self._raise_failed()
        checks.held(self.is_over, checks.ALIVE, self.waits_for or self._why_not())
        return checks.all_hold(self)

    def _raise_failed(self) -> None:
        if self.failed is not None:
            raise self.failed

    def breaks(self, broken: checks.Broken) -> None:
        """
        End the run, because something does not hold.
        """
        self.told("check", str(broken))
        self.failed = self.failed or broken
        self.is_over = True

    def _look(self) -> None:
        try:
            checks.within_caps(self)
        except checks.Broken as broken:
            self.breaks(broken)
        self.loop.call_later(LOOKS_S, self._look)

    def _died(self, life: Life) -> None:
        machine = life.machine
        self.loop.call_later(self.rng.choice((0.05, 0.4, 1.5)), self._revive, machine)

    def _revive(self, machine: Machine) -> None:
        if machine.life is None:
            machine.start()

    def _heal(self) -> None:
        self.told("world", "heals")
        self.faults.heal()
        self.operator.waits = False
        for machine in self.machines:
            machine.hiccups = False
        self.is_healed = True
        self.answers_anew()
        self.loop.create_task(self._recovers())

    def answers_anew(self) -> None:
        """
        Note that another Redis answers, or may do so yet: for a moment nobody has noticed.
        """
        self.noticed_at = self.scheduler.now + NOTICED_S

    async def _recovers(self) -> None:
        """
        See that all goes on by itself: a fresh write passes at each door, and nothing is in flight any more.
        """
        self.waits_for = "nobody can resume"
        await self.operator.resumes_for_good()
        probe = self.agents[-1]
        for machine in self.machines:
            self.waits_for = f"no write passes at {machine.name}"
            while not await self._passes(probe, machine):  # noqa: ASYNC110 a client tries again
                await asyncio.sleep(1.0)
        self.waits_for = ""
        while not self._is_quiet():  # noqa: ASYNC110 nobody says that all is quiet
            await asyncio.sleep(0.5)
        self.is_over = True

    async def _passes(self, probe: Agent, machine: Machine) -> bool:
        write = f"{probe.name}/{len(probe.meant)}"
        probe.meant.append(write)
        path = self.rng.choice((NOTES, PAYOUTS))
        seen = await probe.asks(machine, "POST", path, {}, probe.body(path, write), write)
        if seen is not None and seen.reason in {"suggest-only", "killed"}:
            # A process that found out that its clock had jumped stopped by itself: an operator looks, and resumes.
            await self.operator.resumes_for_good()
        return seen is not None and seen.status == 201

    def _is_quiet(self) -> bool:
        return not self._why_not()

    def _why_not(self) -> str:
        """
        Return what is not as it should be by now, or nothing.
        """
        if self.scheduler.now < self.noticed_at:
            return "another Redis may answer, and nobody has noticed"
        if any(one.waiting for one in self.agents):
            return "somebody waits for an answer"
        for machine in self.machines:
            life = machine.life
            if life is None or not life.is_ready:
                return f"{machine.name} does not listen"
            rooms = life.rooms
            if rooms.standing.fault is not None:
                return f"{machine.name} refuses writes: {rooms.standing.fault}"
            # What is found out of a doubt is on record a moment before the store is told.
            doubts = 0 if life.program is None else len(life.program.doubts._busy)
            reads = len(life.store._charged._held)
            busy = (len(rooms.settling), len(rooms.inflight), len(rooms.pending), rooms.ledger.pending, reads, doubts)
            if any(busy):
                return f"{machine.name} has something under way: {busy}"
        for key, value in self.shore.model.keys.values.items():
            if key.endswith(b"}:open") and isinstance(value, dict):
                flying = [intent.decode() for intent, record in value.items() if record[:1] in {b"c", b"d"}]
                if flying:
                    return f"in flight: {flying}"
            if key.endswith(b"}:lapsing") and isinstance(value, Sorted):
                soon = [call.decode() for due, call in value.order if due < self.micros() / 1000 + 1000 * OVER_S]
                if soon:
                    return f"holds that have not lapsed: {soon}"
        return ""


def _short(said: object) -> str:
    if isinstance(said, list):
        return f"[{','.join(_short(one) for one in said[:2])}]"
    return str(said)[:40]
