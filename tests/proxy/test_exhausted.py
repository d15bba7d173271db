"""A cap without room, in words: a table of caps, and what an agent is told of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest

from breakers.spend import CALLS, Charge
from breakers.store.protocol import Exhausted
from breakers.verdict import Reason
from proxy.exhausted import exhausted

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)

WAITS = "held for calls that have not ended or whose end is not known"


@dataclass(frozen=True, slots=True)
class Row:
    """A charge and its total, what is said of it, and the details that go with it, beside node, period and measure."""

    said: Exhausted
    words: str
    details: dict[str, str]


def cap(node: str, period: str, measure: str, amount: int, most: int, until: datetime | None = None) -> Charge:
    return Charge(node, period, measure, amount, most, until)


def of(most: str, settled: str, held: str, requested: str) -> dict[str, str]:
    return {"cap": most, "settled": settled, "held": held, "requested": requested}


DAY_ENDS = datetime(2026, 11, 22, tzinfo=timezone(timedelta(hours=1)))
HOUR_ENDS = datetime(2026, 11, 21, 14, tzinfo=UTC)

ROWS = {
    "calls of a task": Row(
        Exhausted(cap("task:clerk/01T", "life", CALLS, 1, 6, NOW + timedelta(hours=1)), 6, 0),
        "This task may make at most 6 calls in all: 6 taken, and this call asks for 1.",
        of("6", "6", "0", "1"),
    ),
    "calls of a task above": Row(
        Exhausted(cap("task:clerk/01A", "life", CALLS, 1, 6), 5, 1),
        "A cap on the calls made by a task that this one is part of has no room for this call.",
        {},
    ),
    "writes of a token": Row(
        Exhausted(cap("token:abc", "life", "writes", 1, 2), 1, 1),
        f"This token may make at most 2 writes in all: 1 taken, 1 {WAITS}, and this call asks for 1.",
        of("2", "1", "1", "1"),
    ),
    "money of an agent's day": Row(
        Exhausted(cap("agent:clerk", "2026-11-21", "moved:USD", 25_000_000, 200_000_000, DAY_ENDS), 190_000_000, 0),
        "This agent may move at most 200.00 USD on the day 2026-11-21: 190.00 USD taken, and this call asks for "
        "25.00 USD. It begins anew at 2026-11-21T23:00:00Z.",
        of("200.00 USD", "190.00 USD", "0.00 USD", "25.00 USD")
        | {"resets_at": "2026-11-21T23:00:00Z", "retry_after_ms": "34200000"},
    ),
    "paid in an hour": Row(
        Exhausted(cap("agent:clerk", "2026-11-21T13+00:00", "paid:USD", 5_000, 20_000, HOUR_ENDS), 20_000, 0),
        "This agent may pay at most 0.02 USD in the hour 2026-11-21T13+00:00: 0.02 USD taken, and this call asks for "
        "0.005 USD. It begins anew at 2026-11-21T14:00:00Z.",
        of("0.02 USD", "0.02 USD", "0.00 USD", "0.005 USD")
        | {"resets_at": "2026-11-21T14:00:00Z", "retry_after_ms": "1800000"},
    ),
    "a team's": Row(
        Exhausted(cap("team:desk", "2026-11", "moved:USD", 1, 2, NOW - timedelta(seconds=1)), 2, 0),
        "A cap on the money moved by this agent's team in the month 2026-11 has no room for this call. It begins anew "
        "at 2026-11-21T13:29:59Z.",
        {"resets_at": "2026-11-21T13:29:59Z", "retry_after_ms": "0"},
    ),
    "an API account's": Row(
        Exhausted(cap("api:stripe", "2026-11-21", CALLS, 1, 9), 9, 0),
        "A cap on the calls made by all agents of this API account on the day 2026-11-21 has no room for this call.",
        {},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_words(name: str) -> None:
    """An agent is told what is reached, how it stands where it is its own, and when it begins anew."""
    row, charge = ROWS[name], ROWS[name].said.charge
    refuse = exhausted(row.said, NOW, "clerk/01T")
    assert (refuse.reason, refuse.gate) == (Reason.BUDGET_EXHAUSTED, "spend")
    assert refuse.detail == row.words
    named = {"node": charge.node, "period": charge.period, "measure": charge.measure}
    assert dict(refuse.details) == named | row.details
