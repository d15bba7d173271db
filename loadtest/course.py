"""A run from its beginning to its end: warm up, measure round by round, stop Breakwater, and count what it recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.counting import Said, uneven, unrecorded
from loadtest.installation import Breakwater
from loadtest.measure import GOVERNED, OPERATIONS, ROADS, Judgement, Round, Row, Sample, judge, rows
from loadtest.stage import Stage
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import last_records, ledger_in

# What part of a round's time every road is driven once before the first round.
WARM_UP = 0.3

# More entries than any run writes.
_ALL = 10**9


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How a run is made: each of a round's loops is measured for `seconds`.
    """

    rounds: int
    seconds: float
    connections: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Result:
    """
    What a run came to.
    """

    table: tuple[Row, ...]
    judgement: Judgement
    counts: Mapping[str, int]


class Course:
    """
    One run on one stage.
    """

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage, self._plan = stage, plan
        self._said = {(road, operation): Said() for operation in OPERATIONS for road in ROADS}
        self._errors: list[str] = []

    def run(self) -> Result:
        """
        Do the whole run.
        """
        self._round(WARM_UP * self._plan.seconds)
        rounds = [self._round(self._plan.seconds) for _ in range(self._plan.rounds) if not self._errors]
        faults = [
            *self._errors,
            *(fault for name, said in self._said.items() for fault in uneven(" ".join(name), said)),
        ]
        governed = {operation: self._said[GOVERNED, operation] for operation in OPERATIONS}
        faults += recorded(self._stage.breakwater, governed)
        table = () if self._errors else tuple(rows(rounds))
        counts = {f"{road} {operation}": said.statuses.total() for (road, operation), said in self._said.items()}
        return Result(table, judge(table, faults), counts)

    def _round(self, seconds: float) -> Round:
        return {
            (road, operation): self._measure(road, operation, seconds)
            for operation in OPERATIONS
            for road in ROADS
            if not self._errors
        }

    def _measure(self, road: str, operation: str, seconds: float) -> Sample:
        url, credential = self._stage.roads[road]
        before = self._stage.counts()[operation]
        job = {
            "url": url,
            "credential": credential,
            "operation": operation,
            "connections": self._plan.connections,
            "per_second": self._plan.per_second,
            "seconds": seconds,
        }
        done: Mapping[str, Any] = self._stage.generator.do(job)
        statuses = {int(status): int(count) for status, count in done["statuses"].items()}
        self._said[road, operation].add(statuses, done["calls"], self._stage.counts()[operation] - before)
        if done["error"]:
            self._errors.append(f"{road} {operation}: {done['error']}")
        return Sample(done["calls_per_second"], done["p50_ms"], done["p99_ms"])


def recorded(breakwater: Breakwater, governed: Mapping[str, Said]) -> list[str]:
    """
    Stop Breakwater and find what its ledger lacks, or has and should not.
    """
    found = [f"serve ended with {code}"] if (code := breakwater.terminate()) else []
    verified = breakwater.cli("ledger", "verify")
    if verified.code:
        found.append(f"the ledger does not verify: {verified.out}{verified.err}")
    return found + unrecorded(entries(breakwater), governed)


def entries(breakwater: Breakwater) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """
    Yield every entry of an installation's ledger with its index.
    """
    disk = RealDisk()
    for record in last_records(disk, ledger_in(disk, breakwater.state), _ALL):
        yield record.index, record.entry
