"""
Whether everybody counted the same: who called, the upstream, and the ledger. Pure; the first thing a run is judged by.

A create that was answered with 200 has one intent and one outcome, and the upstream made one; a read has one record.
All of them, and nothing that was not called.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.scenario import CREATE, READ

# How many sentences of one kind are enough to look into.
SHOWN = 3


@dataclass(slots=True)
class Said:
    """
    What came of one road's calls of one operation: statuses, the calls that answers with 200 named, and how many
    reached the upstream.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    upstream: int = 0

    def add(self, statuses: Mapping[int, int], calls: Iterable[str], upstream: int) -> None:
        """
        Add what came of some more calls.
        """
        self.statuses.update(statuses)
        self.calls += calls
        self.upstream += upstream


def uneven(name: str, said: Said) -> list[str]:
    """
    Find calls that were not answered with 200, and calls that reached the upstream more or less than once.
    """
    found = [f"{name}: {count} answered {status}" for status, count in sorted(said.statuses.items()) if status != 200]
    answered = said.statuses[200]
    if answered != said.upstream:
        found.append(f"{name}: {answered} answered 200, and the upstream counts {said.upstream}")
    return found


def unrecorded(entries: Iterable[tuple[int, Mapping[str, Any]]], said: Mapping[str, Said]) -> list[str]:
    """
    Find where the ledger's entries, each with its index, are not exactly those of the governed calls.
    """
    intents: defaultdict[str, list[int]] = defaultdict(list)
    outcomes: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    reads: Counter[str] = Counter()
    for index, entry in entries:
        if entry["k"] == "call.intent":
            intents[entry["call"]].append(index)
        elif entry["k"] == "call.outcome" and entry["intent"] is not None:
            outcomes[entry["call"]].append(entry)
        elif entry["k"] == "call.outcome":
            reads[entry["call"]] += entry["st"] == 200 and entry["dlv"]["complete"]
    return [
        *_first("create", (_create_fault(call, intents[call], outcomes[call]) for call in said[CREATE].calls)),
        *_first("read", ("" if reads[call] == 1 else f"{call} has {reads[call]} records" for call in said[READ].calls)),
        *_total("creates", said[CREATE].calls, {"intents": sum(map(len, intents.values()))}),
        *_total("creates", said[CREATE].calls, {"outcomes": sum(map(len, outcomes.values()))}),
        *_total("reads", said[READ].calls, {"records": reads.total()}),
    ]


def _create_fault(call: str, intents: Sequence[int], outcomes: Sequence[Mapping[str, Any]]) -> str:
    if len(intents) != 1 or len(outcomes) != 1:
        return f"{call} has {len(intents)} intents and {len(outcomes)} outcomes"
    outcome = outcomes[0]
    if (outcome["intent"], outcome["eff"], outcome["st"]) != (intents[0], "applied", 200):
        return f"{call} was answered 200, and its outcome says {outcome['eff']}, {outcome['st']}"
    return ""


def _first(what: str, faults: Iterable[str]) -> list[str]:
    found = [fault for fault in faults if fault]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [f"{what}: {fault}" for fault in [*found[:SHOWN], *more]]


def _total(what: str, calls: Sequence[str], counted: Mapping[str, int]) -> list[str]:
    called = len(set(calls))
    if called != len(calls):
        return [f"{what}: {len(calls)} answers name {called} calls"]
    return [
        f"{what}: {called} answered, and the ledger has {count} {kind}"
        for kind, count in counted.items()
        if count != called
    ]
