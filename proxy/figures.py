"""
What the record says of an agent's past, added up: what each tier would have done with it, and how people judged it.

One *write* is counted once: as an intent that left without anyone's word, or as a suggestion, whatever came of it. What
carried a suggestion out, and whoever sent the same again, is no other write. In which way it would have gone follows
from why it was parked beside its tier (a rule, a breaker, a stop, a drift), as it was then:

| tier | passed | parked | to an approver |
|---|---|---|---|
| `shadow` | | every write | |
| `suggest` | | what no approver was awaited for | the rest |
| `approve` | | | every write |
| `auto` | what nothing else parked | what something parked without an approver | what one was awaited for |

Reads pass in each of them, and what was refused was refused by the card, whatever the tier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from breakers.call import Applied
from breakers.suggestion import Cause, Stage
from config.tiers import APPROVE, AUTO, SHADOW, SUGGEST, TIERS
from proxy.ledger.drafts import stamp
from proxy.ledger.index import Index, Wanted
from proxy.ledger.parked import APPROVED, EDITED, REJECTED
from proxy.ledger.read import Record

PASSED, PARKED, APPROVER = WAYS = ("passed", "parked", "approver")

AWAITED = frozenset({Cause.APPROVAL, Cause.TOKEN, Cause.DUPLICATE})
"""Causes, beside a tier, for which an approver is awaited, and not only whoever looks."""

AGAIN = frozenset({"approval-pending", "suggest-only", "not-approved"})
"""Reasons of refusals that answer a write from its suggestion: it is the same one again."""

KINDS = (
    "call.intent", "call.decision", "approval.requested", "approval.decided", "approval.ended", "recovery.resolved",
    "review.asked", "review.decided", "agent.refused", "agent.repeated",
)  # fmt: skip
"""Records that say something of an agent's writes, beside their outcomes."""

Money = Counter[str]


@dataclass(slots=True)
class Sum:
    """
    So many writes, and what they were to move, by currency, in micro-units; as far as that is on record.
    """

    n: int = 0
    money: Money = field(default_factory=Counter)

    def add(self, money: Mapping[str, int]) -> None:
        """
        Add one.
        """
        self.n += 1
        self.money.update(money)


@dataclass(slots=True)
class Decisions:
    """
    What came of suggestions: what people said, and of those of which nobody said anything, how they stand. `changed` of
    `leaves` fields were edited; `unasked` were in shadow, where nobody is told.
    """

    approved: int = 0
    edited: int = 0
    rejected: int = 0
    expired: int = 0
    void: int = 0
    waiting: int = 0
    unasked: int = 0
    changed: int = 0
    leaves: int = 0

    @property
    def n(self) -> int:
        """
        Return how many somebody decided about.
        """
        return self.approved + self.edited + self.rejected

    @property
    def overridden(self) -> int:
        """
        Return how many of them did not go as the agent wanted.
        """
        return self.edited + self.rejected


@dataclass(slots=True)
class Reviews:
    """
    What was drawn, how it was marked, and each question's answers: how many, and their sum.
    """

    asked: int = 0
    ok: int = 0
    wrong: int = 0
    scores: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """
        Return how many were marked.
        """
        return self.ok + self.wrong


@dataclass(slots=True)
class OfOperation:
    """
    One operation's share of all this.
    """

    writes: Sum = field(default_factory=Sum)
    alone: int = 0
    decisions: Decisions = field(default_factory=Decisions)
    reviews: Reviews = field(default_factory=Reviews)


@dataclass(slots=True)
class Figures:
    """
    All of it, for one agent over some time. `made` is by whose word writes were sent, `ended` how they ended.
    """

    reads: int = 0
    repeats: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    writes: Sum = field(default_factory=Sum)
    tiers: dict[str, dict[str, Sum]] = field(
        default_factory=lambda: {tier: {way: Sum() for way in WAYS} for tier in TIERS}
    )
    decisions: Decisions = field(default_factory=Decisions)
    reviews: Reviews = field(default_factory=Reviews)
    made: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    days: set[str] = field(default_factory=set)
    operations: dict[str, OfOperation] = field(default_factory=dict)


@dataclass(slots=True)
class _Write:
    """
    A suggestion on its way through the record.
    """

    operation: str
    money: Mapping[str, int]
    causes: set[str]
    shadow: bool
    edits: int = 0
    changed: int = 0
    leaves: int = 0
    verdict: str = ""
    end: str = ""


class Fold:
    """
    The fold over an agent's records, oldest first.
    """

    def __init__(self) -> None:
        self.figures = Figures()
        self._parked: dict[str, _Write] = {}
        self._under_way: dict[str, str] = {}
        self._drawn: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Fold({self.figures.writes.n + len(self._parked)} writes)"

    def see(self, entry: Mapping[str, Any]) -> None:
        """
        Take the next entry.

        Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
        """
        match entry["k"]:
            case "call.intent":
                self._intent(entry)
            case "call.outcome" | "recovery.resolved":
                self._ended(entry)
            case "call.decision":
                self._decision(entry)
            case "agent.refused" | "agent.repeated" as kind:
                counted = sum(entry["counts"].values())
                if kind == "agent.refused":
                    self.figures.refused["counted"] += counted
                else:
                    self.figures.repeats += counted
            case "approval.requested":
                self._requested(entry)
            case "approval.decided":
                self._decided(entry)
            case "approval.ended" if entry["call"] in self._parked:
                self._parked[entry["call"]].end = entry["end"]
            case "review.asked":
                self._drawn[entry["call"]] = name_of(entry)
                for reviews in self._reviews(name_of(entry)):
                    reviews.asked += 1
            case "review.decided" if entry["call"] in self._drawn:
                self._reviewed(self._drawn.pop(entry["call"]), entry)

    def whole(self) -> Figures:
        """
        Return the figures, once all was seen.
        """
        for write in self._parked.values():
            self._count(write.operation, write.money, write.causes)
            for decisions in (self.figures.decisions, self._of(write.operation).decisions):
                _judge(decisions, write)
        self._parked.clear()
        self.figures.ended["unknown"] = len(self._under_way)
        return self.figures

    def _intent(self, entry: Mapping[str, Any]) -> None:
        self._under_way[entry["call"]] = name_of(entry)
        self.figures.days.add(entry["ts"][:10])
        if entry.get("sug"):
            self.figures.made["approver"] += 1
            return
        self.figures.made["alone"] += 1
        self._of(name_of(entry)).alone += 1
        self._count(name_of(entry), moved(entry), frozenset())

    def _ended(self, entry: Mapping[str, Any]) -> None:
        if entry["eff"] != Applied.UNKNOWN and self._under_way.pop(entry["call"], None) is not None:
            self.figures.ended[str(entry["eff"])] += 1

    def _decision(self, entry: Mapping[str, Any]) -> None:
        reasons = entry.get("pol", {}).get("reasons", [])
        joins = AGAIN.intersection(reasons) and ("par" in entry or "not-approved" in reasons)
        if "how" in entry or joins:
            self.figures.repeats += 1
        else:
            self.figures.refused[{"w": "writes", "r": "reads"}.get(entry.get("rw", ""), "unrecognised")] += 1

    def _requested(self, entry: Mapping[str, Any]) -> None:
        self.figures.days.add(entry["ts"][:10])
        known = self._parked.get(entry["call"])
        causes = {one.partition(":")[0] for one in entry["ans"]}
        if known is None:
            shadow = bool(entry.get("shadow"))
            self._parked[entry["call"]] = _Write(name_of(entry), moved(entry), causes, shadow)
        else:
            # Parked again for what came up since: what was said before was said of something else.
            known.causes |= causes
            known.verdict = known.end = ""

    def _decided(self, entry: Mapping[str, Any]) -> None:
        known = self._parked.get(entry["call"])
        if known is None:
            return
        if entry["verdict"] != EDITED:
            known.verdict = entry["verdict"]
            return
        distance = entry["dist"]
        known.edits, known.changed, known.leaves = known.edits + 1, distance["changed"], distance["of"]

    def _reviewed(self, operation: str, entry: Mapping[str, Any]) -> None:
        for reviews in self._reviews(operation):
            if entry["ok"]:
                reviews.ok += 1
            else:
                reviews.wrong += 1
            for name, score in entry["scores"].items():
                n, total = reviews.scores.get(name, (0, 0))
                reviews.scores[name] = (n + 1, total + score)

    def _count(self, operation: str, money: Mapping[str, int], causes: Iterable[str]) -> None:
        for writes in (self.figures.writes, self._of(operation).writes):
            writes.add(money)
        for tier, way in ways(causes).items():
            self.figures.tiers[tier][way].add(money)

    def _of(self, operation: str) -> OfOperation:
        return self.figures.operations.setdefault(operation, OfOperation())

    def _reviews(self, operation: str) -> tuple[Reviews, Reviews]:
        return self.figures.reviews, self._of(operation).reviews


def _judge(decisions: Decisions, write: _Write) -> None:
    match write.verdict:
        case verdict if verdict == APPROVED and write.edits:
            decisions.edited += 1
            decisions.changed += write.changed
            decisions.leaves += write.leaves
        case verdict if verdict == APPROVED:
            decisions.approved += 1
        case verdict if verdict == REJECTED:
            decisions.rejected += 1
        case _ if write.shadow:
            decisions.unasked += 1
        case _ if write.end == Stage.EXPIRED:
            decisions.expired += 1
        case _ if write.end:
            decisions.void += 1
        case _:
            decisions.waiting += 1


def ways(causes: Iterable[str]) -> dict[str, str]:
    """
    Return which way a write goes in each tier, by what parked it; its own tier is no reason in another.
    """
    beside = frozenset(causes) - {str(Cause.TIER)}
    awaited = bool(beside & {str(cause) for cause in AWAITED})
    return {
        SHADOW: PARKED,
        SUGGEST: APPROVER if awaited else PARKED,
        APPROVE: APPROVER,
        AUTO: APPROVER if awaited else PARKED if beside else PASSED,
    }


def name_of(entry: Mapping[str, Any]) -> str:
    """
    Return which operation an entry is about.
    """
    return f"{entry['prov']} {entry['op']}"


def moved(entry: Mapping[str, Any]) -> dict[str, int]:
    """
    Return what a write moves, in micro-units by currency; nothing where that is not on record.
    """
    moves = entry.get("moves")
    return {str(moves["currency"]): int(moves["micros"])} if moves else {}


def figures_of(index: Index, agent: str, since: datetime, until: datetime) -> Figures:
    """
    Return the figures of an agent from the record, read day by day.
    """
    fold = Fold()
    for after in _days(since, until):
        begins = after - timedelta(days=1)
        within = Wanted(agent=agent, since=stamp(max(since, begins)), until=stamp(min(until, after)))
        fold.figures.reads += index.count(replace(within, kind="call.outcome", of_reads=True))
        found = index.find(replace(within, kind="call.outcome", of_reads=False))
        for kind in KINDS:
            found += index.find(replace(within, kind=kind))
        for record in sorted(found, key=_place):
            _seen(fold, record)
    return fold.whole()


def _seen(fold: Fold, record: Record) -> None:
    try:
        fold.see(record.entry)
    except (KeyError, TypeError, ValueError, AttributeError):
        # What is no entry of ours says nothing here; `verify` names it.
        return


def _place(record: Record) -> tuple[str, int]:
    return record.epoch.name, record.index


def _days(since: datetime, until: datetime) -> Iterator[datetime]:
    """
    Yield the ends of days, one after the other, until nothing is left.
    """
    after = since + timedelta(days=1)
    while after - timedelta(days=1) < until:
        yield after
        after += timedelta(days=1)
