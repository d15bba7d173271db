"""
How every suggestion should stand, whatever its executions do, and what a store says of it held against that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from breakers.known import State as Of
from breakers.stops import Mode
from breakers.store.events import opened_by
from breakers.store.protocol import LEASE_S
from breakers.suggestion import LIVE, Stage
from tests.grants.world import Carried, Known, Process
from tests.repeats.world import TICK, Backing, StillTime

T = TypeVar("T")


class Standing(RuleBasedStateMachine):
    """
    Processes that share suggestions, and how each should stand; a subclass says what happens in which order.
    """

    backing: ClassVar[Backing]
    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = StillTime(self.backing.began())
        self.processes: list[Process] = []
        self.known: list[Known] = []
        self.stop, self.epoch = Mode.RUN, 1

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """
        Let a verb of the store run to its end.
        """
        self.time.at += TICK
        return self.loop.run_until_complete(verb)

    def id(self) -> str:
        """
        Return an id that is newer than all others.
        """
        self.counted["calls"] += 1
        return f"01{self.counted['calls']:08}"

    def holds(self, one: Known, found: Stage) -> None:
        """
        Hold how a suggestion stands against how it should; a grant of which nothing is on record may have come back.
        """
        for process in self.processes:
            for carried in process.carried:
                late = self.time.at - carried.since >= timedelta(seconds=LEASE_S)
                if carried.one is one and carried.held is not None and carried.permit is None and late:
                    one.loose = True
        if found is Stage.APPROVED and one.stage is Stage.EXECUTING and one.loose:
            self.comes_back(one)
        if found is Stage.EXECUTED and one.ended_unsent and (one.loose or one.stage is Stage.APPROVED):
            # By the record it was carried out, as an intent that had lost its claim.
            one.stage, one.loose = Stage.EXECUTED, False
        assert found is one.stage, f"{one} is {found}"

    def comes_back(self, one: Known) -> None:
        """
        Note that a grant has come back: whoever had it sends nothing.
        """
        one.stage, one.loose, one.intent = Stage.APPROVED, False, ""
        for process in self.processes:
            for carried in process.carried:
                carried.lost |= carried.one is one and carried.held is not None

    def gives_back(self, carried: Carried) -> None:
        """
        Note that a grant is to be had again.
        """
        if not carried.lost:
            carried.one.stage, carried.one.intent = Stage.APPROVED, ""

    def over(self, carried: Carried) -> None:
        """
        Note the end of an execution that is on record.
        """
        if carried.one.stage not in LIVE:
            return
        self.takes_up(carried)
        if carried.ended is Of.COMPLETED and carried.one.intent == carried.go.call.id:
            carried.one.stage, carried.one.doubt = Stage.EXECUTED, None

    def takes_up(self, carried: Carried) -> None:
        """
        Note that an intent on record carries a suggestion out, unless a later one does.
        """
        one, intent = carried.one, carried.go.call.id
        if intent >= one.intent:
            one.stage, one.intent, one.doubt = Stage.EXECUTING, intent, opened_by(carried.go.call, "place")

    def dies(self, carried: Carried) -> None:
        """
        Note what the record of a process that died says of an execution.
        """
        if carried.ended is not None:
            self.over(carried)
        elif carried.recorded and carried.one.stage not in {Stage.REJECTED, Stage.EXPIRED, Stage.VOID}:
            self.takes_up(carried)
        elif carried.held is not None and not carried.recorded:
            carried.one.loose = True
