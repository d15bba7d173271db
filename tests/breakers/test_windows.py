"""From when a window counts: the end of the first, however long that took."""

from __future__ import annotations

from datetime import timedelta

from breakers.call import Call
from breakers.known import Earlier, State
from breakers.verdict import Again, Reason
from tests.breakers.world import AT, allow, before, deny, known, policy, repeat, write

EVERYTHING = policy({"*": {}})
DAY_S = 86_400.0


def slow(one: Call, ended_ago: float = 5.0, **more: object) -> Earlier:
    """
    Return the record of a write that began two days ago, and ended so many seconds ago.
    """
    return before(one, State.COMPLETED, 2 * DAY_S, ended_at=AT - timedelta(seconds=ended_ago), **more)


def issue(**more: object) -> Call:
    said = {"path.owner": "o", "path.repo": "r", "body.title": "Crash"}
    return write("issues/create", said, **more)  # type: ignore[arg-type] # what `write` takes


def refund(**more: object) -> Call:
    return write("refunds.create", {"body.charge": "ch_1", "body.amount": 500}, **more)  # type: ignore[arg-type] # as above


def test_resends() -> None:
    """A re-send is one for a quarter of an hour, and a missed answer waits for a day, after the first has ended."""
    first = issue(id="01FIRST")
    assert repeat(EVERYTHING, issue(again=True), Again.REPLAY, known(slow(first))) == "01FIRST"
    assert repeat(EVERYTHING, issue(), Again.REPLAY, known(slow(first, 600, delivered=False))) == "01FIRST"
    allow(EVERYTHING, issue(again=True), known(slow(first, 901)))


def test_suspicion() -> None:
    """An equal write is suspected for a minute, and the same effect for its window, after the first has ended."""
    first = issue(id="01FIRST")
    deny(EVERYTHING, issue(), Reason.DUPLICATE_SUSPECTED, "duplicates", known(slow(first)))
    allow(EVERYTHING, issue(), known(slow(first, 61)))
    paid = refund(id="01FIRST")
    deny(EVERYTHING, refund(key="k"), Reason.DUPLICATE_SUSPECTED, "duplicates", known(slow(paid, DAY_S)))
    allow(EVERYTHING, refund(key="k"), known(slow(paid, DAY_S + 1)))
