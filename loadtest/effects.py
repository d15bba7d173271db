"""
Whether nothing was lost and nothing was made twice: callers, upstream and record held against one another. Pure.

Three things count the same writes, and none of them trusts another. A caller knows an *order* and, once it was told how
that ended, the call that it was told of; the upstream knows how many effects it made of each order, whatever keys they
came under; the record knows calls and how each ended, and nothing of orders. What must hold between them:

* no order has two effects;
* what was acknowledged has its effect, and stands on record as made, once;
* what was refused has none;
* the record knows of as many effects as the upstream made: none was made that is not on record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from loadtest.results import Check

# What each write moves, in cents.
AMOUNT = 2500

# How many of a kind are enough to look into.
SHOWN = 3

Entry = Mapping[str, Any]


@dataclass(slots=True)
class OnRecord:
    """
    What a record says of writes: how many intents and how many ends as made each call has, what has no end yet; how
    many refusals by reason and repeats there were, one by one or counted; and how many records there are in all.
    """

    intents: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    undecided: set[str] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    reads: int = 0
    summaries: int = 0
    entries: int = 0


def on_record(entries: Iterable[tuple[int, Entry]]) -> OnRecord:
    """
    Add up a record's entries, each with its index.
    """
    found, calls = OnRecord(), dict[int, str]()
    for index, entry in entries:
        found.entries += 1
        kind = entry["k"]
        if kind == "call.intent":
            calls[index] = entry["call"]
            found.intents[entry["call"]] += 1
            found.undecided.add(entry["call"])
        elif kind == "call.outcome" and entry["intent"] is None:
            found.reads += 1
        elif kind == "call.outcome" or (kind == "recovery.resolved" and entry["state"] == "completed"):
            _ended(found, calls.get(entry["intent"], ""), entry["eff"])
        elif kind == "call.decision":
            if entry["pol"]["verdict"] == "repeat":
                found.repeats += 1
            else:
                found.refusals.update(entry["pol"]["reasons"][:1])
        elif kind in {"agent.refused", "edge.refused"}:
            found.summaries += 1
            found.refusals.update(entry["counts"])
        elif kind == "agent.repeated":
            found.summaries += 1
            found.repeats += sum(entry["counts"].values())
    return found


def _ended(found: OnRecord, call: str, effect: str) -> None:
    if effect != "unknown":
        found.undecided.discard(call)
    found.made[call] += effect == "applied"


def once(effects: Mapping[str, int]) -> Check:
    """
    Hold that no order has two effects.
    """
    twice = [f"{order} has {count}" for order, count in sorted(effects.items()) if count > 1]
    return _check("once", "no write has two effects", twice, f"{len(effects)} orders, {sum(effects.values())} effects")


def acknowledged(told: Mapping[str, str], effects: Mapping[str, int], record: OnRecord) -> Check:
    """
    Hold that what was acknowledged was made, and is on record as made, once.
    """
    lost = []
    for order, call in sorted(told.items()):
        if not effects.get(order):
            lost.append(f"{order} was acknowledged and has no effect")
        elif (record.intents[call], record.made[call]) != (1, 1):
            lost.append(f"{order} has {record.intents[call]} intents and {record.made[call]} ends as made ({call})")
    if len(set(told.values())) != len(told):
        lost.append(f"{len(told)} orders were acknowledged as {len(set(told.values()))} calls")
    return _check("acknowledged", "what was acknowledged was made and is on record", lost, f"{len(told)} acknowledged")


def some(count: int) -> Check:
    """
    Hold that writes were made at all: where none was, nothing could be lost.
    """
    return Check("written", "writes are acknowledged", count > 0, f"{count} acknowledged")


def refused(told: Mapping[str, str], effects: Mapping[str, int]) -> Check:
    """
    Hold that what was refused was not made.
    """
    made = [f"{order} was told {verdict} and was made" for order, verdict in sorted(told.items()) if effects.get(order)]
    return _check("refused", "what was refused was not made", made, f"{len(told)} refused")


def recorded(effects: Mapping[str, int], record: OnRecord) -> Check:
    """
    Hold that the record knows of every effect; a write whose end it does not know may be one, or none.
    """
    made, known = sum(effects.values()), sum(1 for count in record.made.values() if count)
    wrong = []
    if not known <= made <= known + len(record.undecided):
        wrong.append(f"{made} effects, and {known} on record, {len(record.undecided)} undecided")
    found = f"{made} effects, {known} on record, {len(record.undecided)} undecided"
    return _check("recorded", "every effect is on record, and nothing else is", wrong, found)


def settled(open_: Iterable[str], record: OnRecord) -> Check:
    """
    Hold that everybody was told in the end, and that the record leaves nothing open.
    """
    waiting = [f"{order} was never told" for order in sorted(open_)]
    waiting += [f"{call} has no end on record" for call in sorted(record.undecided)]
    return _check("settled", "every write was settled, and its caller told", waiting, "nothing is open")


def spent(taken: Mapping[str, Fraction], effects: Mapping[str, int]) -> Check:
    """
    Hold that caps took each effect once, and nothing else: as a write, and with the money that it moved.
    """
    made = sum(effects.values())
    due = {"writes": Fraction(made), "moved:USD": Fraction(made * AMOUNT, 100)}
    wrong = [
        f"{name} {taken.get(name, 0)} instead of {amount}"
        for name, amount in due.items()
        if taken.get(name, 0) != amount
    ]
    return _check("spent", "caps took each write once", wrong, f"{made} effects, {float(due['moved:USD']):.2f} USD")


def only(name: str, says: str, told: Mapping[str, int], verdict: str) -> Check:
    """
    Hold that callers were told this and nothing else, and that they were told at all.
    """
    found = ", ".join(f"{count} times {each}" for each, count in told.items()) or "nobody was told anything"
    return Check(name, says, set(told) == {verdict}, found)


def counted(name: str, says: str, counts: Mapping[str, int]) -> Check:
    """
    Hold that everybody counted the same.
    """
    found = ", ".join(f"{who} {count}" for who, count in counts.items())
    return Check(name, says, len(set(counts.values())) <= 1, found)


def _check(name: str, says: str, faults: Sequence[str], found: str) -> Check:
    more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
    return Check(name, says, not faults, "; ".join([*faults[:SHOWN], *more]) or found)
