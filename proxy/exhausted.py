"""
A cap without room, in words: what was reached, how it stands, what this call asked for, and when it begins anew.

Of what an agent shares with others (its team's caps, an API account's, those of the tasks that its own is part of,
which may be another agent's) it is told that they have no room, not how much others took.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from breakers.idempotency import moment
from breakers.spend import CALLS, LIFE, MOVED, PAID, WRITES, Charge
from breakers.spendcap import GATE
from breakers.store.protocol import Exhausted
from breakers.verdict import Reason, Refuse
from proxy.alerting import amount

_WHOSE: Mapping[str, str] = MappingProxyType({"task": "this task", "token": "this token", "agent": "this agent"})
"""The nodes that are the agent's own, and whose amounts it is told."""

_SHARED: Mapping[str, str] = MappingProxyType(
    {
        "task": "a task that this one is part of",
        "team": "this agent's team",
        "api": "all agents of this API account",
    }
)


class Words(NamedTuple):
    """
    How a measure is spoken of: what somebody may do, what is counted beside the number, and what was done.
    """

    do: str
    counted: str
    done: str


_WORDS: Mapping[str, Words] = MappingProxyType(
    {
        CALLS: Words("make", " calls", "calls made"),
        WRITES: Words("make", " writes", "writes made"),
        MOVED: Words("move", "", "money moved"),
        PAID: Words("pay", "", "money paid"),
    }
)


def exhausted(said: Exhausted, at: datetime, task: str) -> Refuse:
    """
    Return the refusal of a call of this task for which a cap had no room at this moment.
    """
    charge = said.charge
    kind, _, _ = charge.node.partition(":")
    details = [("node", charge.node), ("period", charge.period), ("measure", charge.measure)]
    if kind in _WHOSE and (kind != "task" or charge.node == f"task:{task}"):
        told = {"cap": charge.cap, "settled": said.settled, "held": said.held, "requested": charge.amount}
        details += [(name, str(amount(charge.measure, value))) for name, value in told.items()]
        detail = _own(_WHOSE[kind], said)
    else:
        whose = _SHARED.get(kind, "this work")
        when = "" if charge.period == LIFE else f" {_when(charge)}"
        detail = f"A cap on the {_words(charge).done} by {whose}{when} has no room for this call."
    if charge.period != LIFE and charge.until is not None:
        begins = charge.until.astimezone(UTC)
        wait_ms = max(0, round((begins - at).total_seconds() * 1000))
        details += [("resets_at", moment(begins)), ("retry_after_ms", str(wait_ms))]
        detail += f" It begins anew at {moment(begins)}."
    return Refuse(Reason.BUDGET_EXHAUSTED, GATE, detail, tuple(details))


def _own(whose: str, said: Exhausted) -> str:
    charge, words = said.charge, _words(said.charge)
    cap, settled, held, asked = (
        amount(charge.measure, value) for value in (charge.cap, said.settled, said.held, charge.amount)
    )
    waits = f", {held} held for calls that have not ended or whose end is not known" if said.held else ""
    return (
        f"{whose[0].upper()}{whose[1:]} may {words.do} at most {cap}{words.counted} {_when(charge)}: "
        f"{settled} taken{waits}, and this call asks for {asked}."
    )


def _words(charge: Charge) -> Words:
    return _WORDS[charge.measure.partition(":")[0]]


def _when(charge: Charge) -> str:
    if charge.period == LIFE:
        return "in all"
    # An id of a month is shorter than one of a day, and that than one of an hour.
    kind = {7: "in the month", 10: "on the day"}.get(len(charge.period), "in the hour")
    return f"{kind} {charge.period}"
