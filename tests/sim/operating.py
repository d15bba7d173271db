"""The operator of a simulation: stops all writes at one process, waits for the proof, lets them pass again."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from breakers.stops import ALL, Mode
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.proof import proof_of
from tests.sim import checks
from tests.sim.process import Life, Machine

if TYPE_CHECKING:
    from tests.sim.world import World


@dataclass(slots=True)
class Operator:
    """
    `stopped` are the processes at which a stop is known to be in force, or `all` of them.
    """

    world: World
    rng: Random
    stopped: set[str] = field(default_factory=set)
    waits: bool = False
    resumed: int = 0

    def plan(self, until: float) -> None:
        """
        Draw when writes are stopped, if at all.
        """
        draw, at = self.rng.random(), self.rng.uniform(1.0, until - 3.0)
        if draw < 0.3:
            self.world.loop.call_at(at, self._begin)
        elif draw < 0.6:
            # At the worst moment: between a permit and the first byte.
            self.world.loop.call_at(at, self._lies_in_wait)

    def _lies_in_wait(self) -> None:
        self.waits = True

    def dispatched(self, process: str, said: object) -> None:
        """
        Note what Redis says to a write that asks whether it may leave.
        """
        granted = isinstance(said, list) and said[0] == b"granted"
        if granted and self._stands_in_redis():
            self.world.breaks(checks.Broken(checks.STOPPED, f"{process} is let pass while a stop stands in Redis"))
        if self.waits and granted:
            self.waits = False
            machine = next((one for one in self.world.machines if process.startswith(one.name)), None)
            self.world.loop.create_task(self._stops_and_resumes(machine))

    def _stands_in_redis(self) -> bool:
        values = self.world.shore.model.keys.values
        stops = next((value for key, value in values.items() if key.endswith(b"}:stops")), None)
        whole = stops.get(b"all", b"") if isinstance(stops, dict) else b""
        return whole.startswith(b"stop-")

    def left(self, process: str) -> None:
        """
        Note that the first byte of a write leaves a process.
        """
        if "all" in self.stopped or process in self.stopped:
            broken = checks.Broken(checks.STOPPED, f"a write leaves {process} after {sorted(self.stopped)} had stopped")
            self.world.breaks(broken)

    def _begin(self) -> None:
        self.world.loop.create_task(self._stops_and_resumes())

    async def _stops_and_resumes(self, machine: Machine | None = None) -> None:
        machine = machine or self.rng.choice(self.world.machines)
        life = machine.life
        if life is None or not life.is_ready:
            return
        resumed = self.resumed
        if await self._in(life, functools.partial(self._stops, life)):
            await self._waits_for_proof(resumed)
        await asyncio.sleep(self.rng.uniform(0.2, 2.5))
        await self.resumes_for_good()

    async def resumes_for_good(self) -> None:
        """
        Have writes pass again, wherever that can be said.
        """
        while True:
            for machine in self.world.machines:
                life = machine.life
                if life is None or not life.is_ready:
                    continue
                if await self._in(life, functools.partial(self._resumes, life)):
                    return
            await asyncio.sleep(0.5)

    async def _stops(self, life: Life) -> bool:
        ordering = asyncio.ensure_future(life.rooms.killswitch.order(ALL, Mode.STOP_WRITES, "operator", "a drill"))
        await asyncio.sleep(0)
        # It takes hold before anything is waited for.
        self.stopped.add(life.loop.name)
        ordered = await ordering
        self.world.told("operator", "stops", life.loop.name, ordered.recorded, ordered.shared)
        self.world.counted["stops"] += 1
        return True

    async def _waits_for_proof(self, resumed: int) -> None:
        """
        Ask every process that lives until each can prove that nothing moves any more, as `kill --wait` does.
        """
        for _ in range(6):
            lives = [machine.life for machine in self.world.machines]
            proofs = [life is None or await self._in(life, functools.partial(self._is_proved, life)) for life in lives]
            if self.resumed != resumed:
                # Somebody else lets writes pass by now.
                return
            # Where nobody lives, nobody proves anything.
            proved = all(proofs) and any(life is not None for life in lives)
            if proved and lives == [machine.life for machine in self.world.machines]:
                self.world.told("operator", "confirmed")
                self.world.counted["stops confirmed"] += 1
                self.stopped.add("all")
                return
            await asyncio.sleep(0.4)

    async def _is_proved(self, life: Life) -> bool:
        return life.is_ready and (await proof_of(ALL, life.rooms)).confirmed

    async def _resumes(self, life: Life) -> bool:
        self.stopped.clear()
        self.resumed += 1
        try:
            ordered = await life.rooms.killswitch.order(ALL, Mode.RUN, "operator", "over")
        except (LedgerUnavailable, StartRefused):
            return False
        self.world.told("operator", "resumes", life.loop.name, ordered.recorded, ordered.shared, ordered.holds)
        return ordered.shared and ordered.holds

    async def _in(self, life: Life, work: Callable[[], Awaitable[bool]]) -> bool:
        """
        Have work done in a process, and return what came of it; False where the process died meanwhile.
        """
        done = self.world.loop.create_future()

        def tell(said: bool) -> None:
            if not done.done():
                done.set_result(said)

        async def carried() -> None:
            said = False
            try:
                said = await work()
            finally:
                self.world.loop.call_soon(tell, said)

        task = life.loop.create_task(carried())
        try:
            async with asyncio.timeout(8.0):
                return bool(await done)
        except TimeoutError:
            task.cancel()
            return False
