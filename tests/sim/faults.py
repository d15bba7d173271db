"""
What befalls a deployment: drawn from the seed, begun at a moment, over after a while; in the end all of it is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.sim.network import Way
from tests.sim.process import Machine
from tests.sim.redis_data import Keyspace
from tests.sim.upstream import Mood

if TYPE_CHECKING:
    from tests.sim.world import World

QUIET = Way()

Undo = Callable[[], None]


@dataclass(slots=True)
class Faults:
    """
    The faults of one seed. `undone` are those that are still on, with what ends each.
    """

    world: World
    rng: Random
    runs: int = 0
    undone: list[Undo] = field(default_factory=list)

    def plan(self, until: float) -> None:
        """
        Draw what happens, and when.
        """
        loop = self.world.loop
        for _ in range(self.rng.choice((1, 2, 2, 3, 3, 4, 5))):
            fault = self.rng.choice(KINDS)
            loop.call_at(self.rng.uniform(0.6, until - 0.5), self._begin, fault)

    def _begin(self, fault: Callable[[Faults], Undo | None]) -> None:
        name = fault.__name__
        self.world.told("fault", name)
        self.world.counted[f"fault {name}"] += 1
        undo = fault(self)
        if self.rng.random() < 0.6:
            # Whoever hears of a disturbance starts jobs again.
            self.world.herd()
        if undo is not None:
            self._ends(undo, self.rng.choice((0.2, 0.7, 1.5, 3.0, 6.5)))

    def _ends(self, undo: Undo, after_s: float) -> None:
        self.undone.append(undo)

        def over() -> None:
            if undo in self.undone:
                self.undone.remove(undo)
                undo()

        self.world.loop.call_later(after_s, over)

    def heal(self) -> None:
        """
        End whatever is on.
        """
        while self.undone:
            self.undone.pop()()

    def machine(self) -> Machine:
        """
        Return one of the machines.
        """
        return self.rng.choice(self.world.machines)

    def next_run(self) -> str:
        """
        Return the id of the next run of Redis.
        """
        self.runs += 1
        return f"run-{self.runs}"


# ----------------------------------------------------------------------------------------------------- the way to Redis


def redis_slow(faults: Faults) -> Undo:
    """
    Commands take long, some longer than anyone waits.
    """
    ways = [one.way for one in faults.world.machines if faults.rng.random() < 0.7]
    for way in ways:
        way.least_s, way.most_s = 0.005, faults.rng.choice((0.05, 0.12, 0.3))

    def undo() -> None:
        for way in ways:
            way.least_s, way.most_s = QUIET.least_s, QUIET.most_s

    return undo


def redis_lossy(faults: Faults) -> Undo:
    """
    Requests and answers get lost.
    """
    ways, share = [one.way for one in faults.world.machines], faults.rng.choice((0.08, 0.25, 0.5))
    there = faults.rng.random() < 0.5
    for way in ways:
        way.lost_there, way.lost_back = (share, 0.0) if there else (0.0, share)

    def undo() -> None:
        for way in ways:
            way.lost_there = way.lost_back = 0.0

    return undo


def partition(faults: Faults) -> Undo:
    """
    One process cannot reach Redis.
    """
    way = faults.machine().way
    way.cut = True

    def undo() -> None:
        way.cut = False

    return undo


# ------------------------------------------------------------------------------------------------------- Redis itself


def _restarts(faults: Faults, keys: Keyspace | None, down_s: float) -> None:
    world, run = faults.world, faults.next_run()
    before = world.shore.model
    world.shore.is_up = False
    before.role = "gone"

    def up() -> None:
        world.shore.model = before.restarted(run, keys)
        world.shore.is_up = True
        world.answers_anew()
        world.told("redis", "answers", run)
        _unseen(faults)

    world.loop.call_later(down_s, up)


def _unseen(faults: Faults) -> None:
    """
    Have jobs started again while one process, perhaps, sees nothing of what happened.
    """
    faults.world.herd()
    if faults.rng.random() < 0.5:
        _stands_still(faults, 1.4)


def redis_crash(faults: Faults) -> None:
    """
    Redis dies, and comes up without the last of what it had acknowledged.
    """
    kept = faults.world.shore.model.keys.copied()
    loss_s = faults.rng.choice((0.02, 0.2, 0.8))
    faults.world.loop.call_later(loss_s, _restarts, faults, kept, faults.rng.choice((0.05, 0.4, 1.2)))


def redis_restart(faults: Faults) -> None:
    """
    Redis dies, and comes up empty.
    """
    _restarts(faults, None, faults.rng.choice((0.05, 0.4, 1.2)))


def redis_failover(faults: Faults) -> None:
    """
    A copy that lags takes Redis' place.
    """
    kept = faults.world.shore.model.keys.copied()
    faults.world.loop.call_later(faults.rng.choice((0.02, 0.2, 0.8)), _restarts, faults, kept, 0.0)


def flushed(faults: Faults) -> None:
    """
    Somebody throws away what Redis holds.
    """
    faults.world.shore.model.flush()
    _unseen(faults)


def scripts_forgotten(faults: Faults) -> None:
    """
    Redis forgets its scripts.
    """
    faults.world.shore.model.texts.clear()


def out_of_memory(faults: Faults) -> Undo:
    """
    Redis takes nothing more.
    """
    model = faults.world.shore.model
    model.memory_left = False

    def undo() -> None:
        model.memory_left = True

    return undo


def evicting(faults: Faults) -> Undo:
    """
    Somebody has Redis throw away what it holds when memory is short.
    """
    faults.world.shore.model.policy = "allkeys-lru"

    def undo() -> None:
        faults.world.shore.model.policy = "noeviction"

    return undo


def loading(faults: Faults) -> Undo:
    """
    Redis answers that it is loading.
    """
    model = faults.world.shore.model
    model.loading = True

    def undo() -> None:
        model.loading = False

    return undo


def read_only(faults: Faults) -> Undo:
    """
    Redis has become a replica of another.
    """
    model = faults.world.shore.model
    if model.role != "master":
        return lambda: None
    model.role = "slave"

    def undo() -> None:
        model.role = "master" if model.role == "slave" else model.role

    return undo


# -------------------------------------------------------------------------------------------------------- the processes


def crash(faults: Faults) -> None:
    """
    A process dies, and begins again.
    """
    machine = faults.machine()
    if faults.rng.random() < 0.5:
        machine.crash()
    else:
        # In the midst of its next writes to disk.
        machine.disk.stops_after = faults.rng.randint(0, 6)


def pause(faults: Faults) -> None:
    """
    A process stands still, and goes on as if nothing had been.
    """
    _stands_still(faults, faults.rng.choice((0.3, 1.4, 1.4, 2.5, 7.0)))


def _stands_still(faults: Faults, seconds: float) -> None:
    machine = faults.machine()
    if machine.life is not None:
        machine.life.loop.stand_still(seconds)
        faults.world.herd(seconds + 0.5)


def clock_jump(faults: Faults) -> None:
    """
    A process's wall clock jumps, and its monotonic one runs a little wrong.
    """
    clock = faults.machine().clock
    clock.ahead_s += faults.rng.choice((-20.0, -3.0, -0.4, 0.4, 3.0, 25.0))


def slow_disk(faults: Faults) -> Undo:
    """
    A disk takes long.
    """
    machine = faults.machine()
    machine.disk_s = faults.rng.choice(((0.05, 0.4), (0.3, 2.5), (0.6, 2.5)))
    faults.world.herd(3.0)

    def undo() -> None:
        machine.disk_s = None

    return undo


# ---------------------------------------------------------------------------------------------- the upstream, the wires

_MOODS = (
    {Mood.ANSWER_LOST: 0.5},
    {Mood.HANGS: 0.4, Mood.SLOW: 0.4},
    {Mood.FAILS: 0.5, Mood.FAILS_AFTER: 0.2},
    {Mood.RESET: 0.5},
    {Mood.THROTTLES: 0.3, Mood.REJECTS: 0.3},
    {Mood.SLOW: 0.9},
    {Mood.ANSWER_LOST: 0.25, Mood.FAILS_AFTER: 0.25, Mood.HANGS: 0.1},
)


def upstream_ill(faults: Faults) -> Undo:
    """
    The upstream is slow, hangs up, fails or refuses.
    """
    moods, world = faults.rng.choice(_MOODS), faults.world
    reads = faults.rng.random() < 0.4

    def mood(writes: bool) -> Mood:
        draw = world.scheduler.rng.random()
        for one, share in moods.items():
            draw -= share
            if draw < 0 and (writes or reads):
                world.counted[f"upstream {one}"] += 1
                return one
        return Mood.WELL

    world.moods = mood

    def undo() -> None:
        world.moods = world.mostly_well

    return undo


def wires_cut(faults: Faults) -> None:
    """
    Connections break, some to the upstream and some to agents.
    """
    for pipe in faults.world.pipes[-20:]:
        if faults.rng.random() < 0.6:
            pipe.cut()


KINDS = (
    *(redis_slow, redis_slow, redis_lossy, redis_lossy, partition, partition),
    *(redis_crash, redis_crash, redis_restart, redis_failover, redis_failover, flushed, flushed, flushed, flushed),
    *(scripts_forgotten, out_of_memory, evicting, loading, read_only),
    *(crash, crash, crash, crash, pause, pause, clock_jump, slow_disk),
    *(upstream_ill, upstream_ill, upstream_ill, upstream_ill, wires_cut),
)
