"""A stateful machine run on either store: from several beginnings, against its floors, with a lie, for long."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.redis_server import RedisServer
from tests.repeats.backings import Alone, Fleet
from tests.repeats.world import Backing

STEPS = 40

# What is drawn depends on which modules are loaded, so on which tests ran before: more runs where something is rare.
SEEDS_MAX = 3

# A lie ends its run where it is found.
LIE_EXAMPLES = 600

# A run of torture is many short ones, so that it ends on time.
TORTURE_EXAMPLES = 100


@dataclass(frozen=True)
class Runs:
    """
    One machine: from how many `seeds` and with how many `examples` each it runs on a kind of store, and what must
    happen in it how often. One beginning alone stays near what it found first.
    """

    machine: type[RuleBasedStateMachine]
    floors: Mapping[str, Mapping[str, int]]
    seeds: Mapping[str, int]
    examples: Mapping[str, int]

    def explored(self, kind: str, server: RedisServer) -> Counter[str]:
        """
        Run it on a kind of store until what is rare was seen, and return what happened how often.
        """
        counted: Counter[str] = Counter()
        for begins in range(SEEDS_MAX * self.seeds[kind]):
            counted += self._run(Alone() if kind == "memory" else Fleet(server), self.examples[kind], begins)
            if begins >= self.seeds[kind] - 1 and not self.missed(kind, counted):
                break
        return counted

    def missed(self, kind: str, counted: Counter[str]) -> dict[str, int]:
        """
        Return what happened too rarely for the run to mean anything.
        """
        return {name: counted[name] for name, floor in self.floors[kind].items() if counted[name] < floor}

    def until_found(self) -> None:
        """
        Run it on one process's store, with whatever lie is in place there.
        """
        self._run(Alone(), LIE_EXAMPLES, phases=[Phase.generate], report_multiple_bugs=False)

    def for_long(self, server: RedisServer, until: float) -> Counter[str]:
        """
        Run it, each time in another order, until this moment, and return what happened how often.
        """
        total: Counter[str] = Counter()
        while time.monotonic() < until:
            for backing in (Alone(), Alone(), Alone(), Fleet(server)):
                total += self._run(backing, TORTURE_EXAMPLES, derandomize=False)
        return total

    def _run(self, backing: Backing, examples: int, begins: int | None = None, **more: Any) -> Counter[str]:
        counted: Counter[str] = Counter()
        run = type("Run", (self.machine,), {"backing": backing, "counted": counted})
        if begins is not None:
            seed(begins)(run)
        asked = settings(max_examples=examples, stateful_step_count=STEPS, suppress_health_check=[HealthCheck.too_slow])
        run_state_machine_as_test(run, settings=settings(asked, **more))
        return counted
