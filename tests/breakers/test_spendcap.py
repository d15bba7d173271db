"""The gate `spend`: which caps a call takes of, in which order, how much, and what cannot be taken at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.caveats import Caveat
from breakers.decide import decide
from breakers.policy import Policy
from breakers.spendcap import TOTALS_MAX, UNKNOWN_COST
from breakers.task import Above
from breakers.verdict import Forward, Reason, Refuse
from config.caps import Caps
from tests.breakers.till import PRICES, STANDING, UNTIL, calling, capped, charges, pay, task_of, told
from tests.breakers.world import AT, QUIET, STOPPED, deny

M = 1_000_000


def refused(judged: Policy, asked: object, reason: Reason, facts: object = QUIET) -> Refuse:
    return deny(judged, asked, reason, "spend", facts)  # type: ignore[arg-type] # what `deny` takes


def test_no_caps() -> None:
    """Without a cap a call takes nothing, and nobody asks what it moves."""
    assert charges(capped(), pay(500)) == ()
    assert charges(capped(), calling("things.bill")) == ()


AS_WRITTEN = {
    "task": {"moved": "200 USD", "paid": "0.02 USD", "calls": 6, "writes": 2},
    "month": {"moved": "5000 USD", "alert": [50, 80, 100]},
}


def test_as_written() -> None:
    """The caps of the card that is promised take what they say, each of its own measure."""
    card = capped(AS_WRITTEN, prices=PRICES)
    assert told(card, pay(500)) == [
        f"task:{STANDING} life calls 1 of 6",
        f"task:{STANDING} life writes 1 of 2",
        f"task:{STANDING} life moved:USD 5000000 of 200000000",
        "agent:clerk 2026-11 moved:USD 5000000 of 5000000000",
    ]
    assert told(card, calling("things.list")) == [
        f"task:{STANDING} life calls 1 of 6",
        f"task:{STANDING} life paid:USD 1000 of 20000",
    ]


ORDER = [
    "token:n1", "token:m2", "task:clerk/01TASK", "task:clerk/01ABOVE", "task:boss/01TOP",
    "agent:clerk", "agent:clerk", "agent:clerk", "team:sales", "team:sales", "team:sales",
    "api:till", "api:till", "api:till",
]  # fmt: skip
EACH = {period: {"calls": 9, "writes": 9, "moved": "9 USD"} for period in ("hour", "day", "month")}


def nested() -> object:
    caps = Caps.model_validate({"calls": 5, "moved": "5 USD"})
    above = (Above("clerk/01ABOVE", caps, UNTIL), Above("boss/01TOP", caps, UNTIL))
    caveats = (Caveat("t", "clerk/01TASK", "t"), Caveat("a", "clerk", "a"), Caveat("exp", "1795262400", "e"),
               Caveat("n", "3", "n1"), Caveat("max", "2.50USD", "m2"))  # fmt: skip
    return pay(100, task=task_of("clerk", {"calls": 4}, *above), caveats=caveats)


def test_order() -> None:
    """Charges come in one order, from the narrowest cap to the widest, and are no more than a store takes at once."""
    card = capped(EACH, team={"caps": EACH}, api={"caps": EACH})
    taken = charges(card, nested())  # type: ignore[arg-type] # a call
    nodes = list(dict.fromkeys((one.node, one.period) for one in taken))
    assert [node for node, _ in nodes] == ORDER
    assert len(nodes) <= TOTALS_MAX
    assert [one.measure for one in taken[-3:]] == ["calls", "writes", "moved:USD"]


def test_until() -> None:
    """Each charge says when its period is over: a token's time, a task's, the end of an hour, a day, a month."""
    card = capped(EACH, task={"calls": 9}, tz="Europe/Madrid") if False else capped(EACH, tz="Europe/Madrid")
    ends = {(one.node, one.period): one.until for one in charges(card, nested())}  # type: ignore[arg-type] # a call
    assert ends == {
        ("token:n1", "life"): datetime.fromtimestamp(1795262400, UTC),
        ("token:m2", "life"): datetime.fromtimestamp(1795262400, UTC),
        ("task:clerk/01TASK", "life"): UNTIL,
        ("task:clerk/01ABOVE", "life"): UNTIL,
        ("task:boss/01TOP", "life"): UNTIL,
        ("agent:clerk", "2026-11-21T10+01:00"): datetime(2026, 11, 21, 10, tzinfo=UTC),
        ("agent:clerk", "2026-11-21"): datetime(2026, 11, 21, 23, tzinfo=UTC),
        ("agent:clerk", "2026-11"): datetime(2026, 11, 30, 23, tzinfo=UTC),
    }
    (standing,) = charges(capped({"task": {"calls": 1}}), calling("things.list"))
    assert standing.until == datetime(2026, 11, 22, tzinfo=UTC)
