"""The gate `spend`: which caps a call takes of, in which order, for how long, and what a card cannot mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Call
from breakers.caveats import Caveat
from breakers.spend import Charge
from breakers.spendcap import TOTALS_MAX
from breakers.task import Above
from breakers.verdict import Reason
from config.caps import Caps
from tests.breakers.till import PRICES, STANDING, UNTIL, calling, capped, charges, pay, task_of, told
from tests.breakers.world import QUIET, STOPPED, deny

AS_WRITTEN = {
    "task": {"moved": "200 USD", "paid": "0.02 USD", "calls": 6, "writes": 2},
    "month": {"moved": "5000 USD", "alert": [50, 80, 100]},
}


def test_no_caps() -> None:
    """Without a cap a call takes nothing, and nobody asks what it moves."""
    assert charges(capped(), pay(500)) == ()
    assert charges(capped(), calling("things.bill")) == ()


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
FEW = Caps.model_validate({"calls": 5, "moved": "5 USD"})
TOKEN = (Caveat("t", "clerk/01TASK"), Caveat("a", "clerk"), Caveat("exp", "1795262400", "e"))
NARROWED = (*TOKEN, Caveat("n", "3", "n1"), Caveat("max", "2.50USD", "m2"))


def nested() -> Call:
    """
    Return a call under a narrowed token, of a task that is part of another, which is part of another agent's.
    """
    above = (Above("clerk/01ABOVE", FEW, UNTIL), Above("boss/01TOP", FEW, UNTIL))
    return pay(100, task=task_of("clerk", {"calls": 4}, *above), caveats=NARROWED)


def test_order() -> None:
    """Charges come in one order, from the narrowest cap to the widest, and are no more than a store takes at once."""
    taken = charges(capped(EACH, team={"caps": EACH}, api={"caps": EACH}), nested())
    nodes = list(dict.fromkeys((one.node, one.period) for one in taken))
    assert [node for node, _ in nodes] == ORDER
    assert len(nodes) <= TOTALS_MAX
    assert [one.measure for one in taken[-3:]] == ["calls", "writes", "moved:USD"]


def test_until() -> None:
    """Each charge says when its period is over: a token's time, a task's, the end of an hour, a day, a month."""
    assert {(one.node, one.period): one.until for one in charges(capped(EACH, tz="Europe/Madrid"), nested())} == {
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


@pytest.mark.parametrize(
    ("moment", "agent", "team", "api"),
    [
        ("2026-11-21T09:30:00Z", "2026-11-21", "2026-11-21T18+09:00", "2026-11-21T00-09:30"),
        ("2026-10-25T00:30:00Z", "2026-10-25", "2026-10-25T09+09:00", "2026-10-24T15-09:30"),
        ("2026-12-31T23:30:00Z", "2027-01-01", "2027-01-01T08+09:00", "2026-12-31T14-09:30"),
    ],
)
def test_own_zones(moment: str, agent: str, team: str, api: str) -> None:
    """Each node has the calendar of its own zone, wherever the others are."""
    card = capped(
        {"day": {"calls": 1}},
        tz="Europe/Madrid",
        team={"tz": "Asia/Tokyo", "caps": {"hour": {"calls": 1}}},
        api={"tz": "Pacific/Marquesas", "caps": {"hour": {"calls": 1}}},
    )
    facts = replace(QUIET, at=datetime.fromisoformat(moment))
    assert [one.period for one in charges(card, calling("things.list"), facts)] == [agent, team, api]


def test_repeated_hour() -> None:
    """An hour that a clock shows twice is charged as two, and each of them once, whatever the clock is set to."""
    card = capped({"hour": {"calls": 1}}, tz="Europe/Madrid")

    def hour(moment: str) -> str:
        (one,) = charges(card, calling("things.list"), replace(QUIET, at=datetime.fromisoformat(moment)))
        return one.period

    first, second = hour("2026-10-25T00:59:59Z"), hour("2026-10-25T01:00:00Z")
    assert (first, second) == ("2026-10-25T02+02:00", "2026-10-25T02+01:00")
    assert hour("2026-10-25T00:00:00Z") == first


def test_smaller_counts() -> None:
    """A task's own caps and its card's both bind, measure by measure: of two the smaller is charged."""
    card = capped({"task": {"calls": 6, "moved": "50 USD", "alert": [10]}})
    taken = charges(card, pay(100, task=task_of("clerk", {"calls": 9, "moved": "20 USD", "writes": 1})))
    assert {one.measure: (one.cap, one.alerts) for one in taken} == {
        "calls": (6, (10,)),
        "moved:USD": (20_000_000, (50, 80, 100)),
        "writes": (1, (50, 80, 100)),
    }
    assert {one.node for one in taken} == {"task:clerk/01TASK"}


def test_parent_shared() -> None:
    """A part takes of the task that it is part of, also of what that has by its agent's card alone."""
    card = capped({"task": {"calls": 6}})
    lines = told(card, pay(100, task=task_of("clerk", None, Above("clerk/01ABOVE", FEW, UNTIL))))
    assert lines == [
        "task:clerk/01TASK life calls 1 of 6",
        "task:clerk/01ABOVE life calls 1 of 5",
        "task:clerk/01ABOVE life moved:USD 1000000 of 5000000",
    ]


def test_two_tokens() -> None:
    """Two tokens of one task share its caps, and what one was narrowed to is taken by whatever is made of it."""
    card = capped({"task": {"calls": 6}})
    task = task_of()
    shorter = (*NARROWED, Caveat("exp", "1795000000", "e2"), Caveat("n", "1", "n3"))
    narrow, narrower = (charges(card, pay(100, task=task, caveats=caveats)) for caveats in (NARROWED, shorter))
    shared = {one.key: one.until for one in narrow}
    assert shared.items() <= {one.key: one.until for one in narrower}.items()
    own = [one for one in narrower if one.key not in shared]
    assert [(one.node, one.cap, one.until) for one in own] == [("token:n3", 1, datetime.fromtimestamp(1795000000, UTC))]


@pytest.mark.parametrize("value", ["", "-1", "1.5", "1e2", "ten", "9" * 40])
@pytest.mark.parametrize("key", ["n", "max", "exp"])
def test_unreadable_token(key: str, value: str) -> None:
    """A cap of a token that cannot be read lets nothing pass."""
    deny(capped(), pay(100, caveats=(*TOKEN, Caveat(key, value, "x"))), Reason.TOKEN_NARROWED, "spend")


def test_too_many() -> None:
    """A token that was narrowed so often that no store could take it in one step lets nothing pass."""
    caveats = tuple(Caveat("n", "9", f"n{number}") for number in range(TOTALS_MAX))
    assert len(charges(capped(), pay(100, caveats=(*TOKEN, *caveats)))) == TOTALS_MAX
    more = (*TOKEN, *caveats, Caveat("n", "9", "more"))
    deny(capped(), pay(100, caveats=more), Reason.TOKEN_NARROWED, "spend")


def test_zero() -> None:
    """A cap of nothing is charged like any other, and what takes nothing of it is not charged."""
    nothing = capped({"task": {"moved": "0 USD", "writes": 0}}, prices=PRICES)
    assert told(nothing, pay(1)) == [
        f"task:{STANDING} life writes 1 of 0",
        f"task:{STANDING} life moved:USD 10000 of 0",
    ]
    assert charges(nothing, calling("things.list")) == ()
    free = capped({"task": {"paid": "0 USD"}}, prices={"things.*": {"call": "0 USD"}})
    assert charges(free, calling("things.list")) == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (calling("things.bill"), Reason.NOT_ALLOWED),
        (calling("things.create", {"body.name": "b"}), Reason.NOT_ALLOWED),
        (pay(501), Reason.LIMIT_EXCEEDED),
    ],
)
def test_refused_takes_nothing(asked: Call, reason: Reason) -> None:
    """What another gate refuses never comes to what it would take."""
    rules = {"pay": {"limit": {"amount": "0..5 USD"}}, "things.create": {"only": {"name": "a"}}}
    refusal = deny(capped({"task": {"calls": 0}}, rules=rules), asked, reason)
    assert refusal.gate != "spend"
    deny(capped({"task": {"calls": 0}}), pay(1), Reason.KILLED, "kill", STOPPED)


def test_cap_changed() -> None:
    """Another size of a cap is held against the same total."""
    wide, narrow = (charges(capped({"month": {"moved": sum_}}), pay(100))[0] for sum_ in ("9 USD", "2 USD"))
    assert wide.key == narrow.key
    assert (wide.cap, narrow.cap) == (9_000_000, 2_000_000)


Measures = dict[str, object]
Held = dict[str, Measures]

MEASURES = st.fixed_dictionaries(
    {},
    optional={
        "calls": st.integers(0, 99),
        "writes": st.integers(0, 99),
        "moved": st.sampled_from(["0 USD", "5 USD", "7.654321 USD"]),
        "paid": st.sampled_from(["0 USD", "0.000001 USD"]),
    },
)
PERIODS = st.fixed_dictionaries({}, optional=dict.fromkeys(("hour", "day", "month"), MEASURES))


@given(
    PERIODS, MEASURES, PERIODS, PERIODS, st.integers(1, 10**9), st.sampled_from(["pay", "things.list", "things.create"])
)
def test_every_cap_charged(agent: Held, task: Measures, team: Held, api: Held, amount: int, name: str) -> None:
    """Whatever is capped is charged once for each total, in whole numbers, and nothing else is."""
    judged = capped({**agent, "task": task}, team={"caps": team}, api={"caps": api}, prices=PRICES)
    asked = pay(amount) if name == "pay" else calling(name)
    taken = charges(judged, asked)
    assert len({one.key for one in taken}) == len(taken)
    amounts = {"calls": 1, "writes": 1, "moved:USD": amount * 10_000, "paid:USD": 1000}
    for one in taken:
        assert type(one.amount) is int
        assert one.amount == amounts[one.measure]
    does = {"pay": {"calls", "writes", "moved"}, "things.list": {"calls", "paid"}}
    takes = does.get(name, {"calls", "writes", "paid"})
    written = [task, *agent.values(), *team.values(), *api.values()]
    wanted = sum(len(takes & caps.keys()) for caps in written)
    assert len(taken) == wanted


def test_pure() -> None:
    """The same call at the same moment takes the same, however often it is asked."""
    card = capped(EACH, team={"caps": EACH})
    once: tuple[Charge, ...] = charges(card, nested())
    assert charges(card, nested()) == once
