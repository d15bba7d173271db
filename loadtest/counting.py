"""
Whether everybody counted the same: who called, the upstream, and the ledger. Pure; the first thing a run is judged by.

A create that was answered with 200 has one intent and one outcome, and the upstream made one; a read has one record. A
replay and a refusal reached nobody, and are on record one by one or in a summary. All of them, and nothing that was not
called.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.results import Check
from loadtest.scenario import CREATE, READ, REFUSAL, REPLAY

# How many sentences of one kind are enough to look into.
SHOWN = 3

# Calls of any kind that were told to come again, and what they were told: nothing was sent.
LATER, NOT_NOW = "later", "503 store-unavailable"

# What the governed road's callers are told, and the reason under which a refusal is counted.
OVER = "limit-exceeded"
WANTED: Mapping[str, str] = {READ: "200", CREATE: "200", REPLAY: "200 replayed", REFUSAL: f"403 {OVER}", LATER: NOT_NOW}

# What is told in its place by a worker that did not make the write: an answer with a member that is never stored is
# given again only by the process that got it.
ELSEWHERE = "424 answer-not-kept"

# What is answered without asking the upstream.
UNSENT = frozenset({REPLAY, REFUSAL, LATER})


@dataclass(slots=True)
class Said:
    """
    What came of one road's calls of one operation: what was told, the calls that answers with 200 named, and how many
    reached the upstream.
    """

    told: Counter[str] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    upstream: int = 0

    def add(self, told: Mapping[str, int], calls: Iterable[str], upstream: int) -> None:
        """
        Add what came of some more calls.
        """
        self.told.update(told)
        self.calls += calls
        self.upstream += upstream


def uneven(name: str, said: Said, wanted: str = "200", *, sent: bool = True, also: str = "") -> list[str]:
    """
    Find calls that were told something else than is wanted (or `also` may be), and calls that reached the upstream too
    often or not.
    """
    right = {wanted, also}
    found = [f"{name}: {count} were told {told}" for told, count in sorted(said.told.items()) if told not in right]
    due = said.told[wanted] if sent else 0
    if due != said.upstream:
        what = f"{due} were told {wanted}" if sent else "none was to be sent"
        found.append(f"{name}: {what}, and the upstream counts {said.upstream}")
    return found


def unrecorded(entries: Iterable[tuple[int, Mapping[str, Any]]], said: Mapping[str, Said]) -> list[str]:
    """
    Find where the ledger's entries, each with its index, are not exactly those of the governed calls, by operation.
    """
    intents: defaultdict[str, list[int]] = defaultdict(list)
    outcomes: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    reads: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for index, entry in entries:
        match entry["k"]:
            case "call.intent":
                intents[entry["call"]].append(index)
            case "call.outcome" if entry["intent"] is not None:
                outcomes[entry["call"]].append(entry)
            case "call.outcome":
                reads[entry["call"]] += entry["st"] == 200 and entry["dlv"]["complete"]
            case "call.decision":
                others[REPLAY if entry["pol"]["verdict"] == "repeat" else REFUSAL] += 1
            case "agent.refused" | "agent.repeated" as kind:
                others[REFUSAL if kind == "agent.refused" else REPLAY] += sum(entry["counts"].values())
            case _:
                # Of the log itself, or of what a write changed.
                pass
    creates, seen = _calls(said, CREATE), _calls(said, READ)
    own = {REPLAY: _answered(said, REPLAY), REFUSAL: _answered(said, REFUSAL) + _answered(said, LATER)}
    return [
        *_first("create", (_create_fault(call, intents[call], outcomes[call]) for call in creates)),
        *_first("read", ("" if reads[call] == 1 else f"{call} has {reads[call]} records" for call in seen)),
        *_total("creates", creates, {"intents": sum(map(len, intents.values()))}),
        *_total("creates", creates, {"outcomes": sum(map(len, outcomes.values()))}),
        *_total("reads", seen, {"records": reads.total()}),
        *(
            f"{kind}s: {called} answered, and the ledger has {others[kind]}"
            for kind, called in own.items()
            if called != others[kind]
        ),
    ]


def _calls(said: Mapping[str, Said], operation: str) -> Sequence[str]:
    return said[operation].calls if operation in said else ()


def _answered(said: Mapping[str, Said], kind: str) -> int:
    return said[kind].told.total() if kind in said else 0


def check(name: str, says: str, faults: Sequence[str], counted: int) -> Check:
    """
    Return a check over so many calls, which holds where nothing was found.
    """
    found = "; ".join(faults[:SHOWN]) + (f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else "")
    return Check(name, says, not faults, found or f"{counted:,} calls")


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
