"""Values of the road: equal by what they hold, hashed, and copied by hand where `replace` would take too long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.call import Caller
from breakers.caveats import Caveat
from breakers.facts import Facts
from breakers.known import Names
from breakers.policy import Allowed, Entry, Passed
from breakers.suggestion import Cause, Park
from breakers.task import Task
from config.caps import Caps
from config.money import Money
from tests.breakers.world import AT, call

# Every field of a call has another value than it has by default.
WHOLE = replace(
    call("issues/create"), idempotency_key="k", deadline_ms=1, trace="t", door="d", way="w", duplicate=True,
    again=True, wait_s=1, responds=True,
)  # fmt: skip
PARKED = Passed(
    Allowed((Entry("a.*"),)), Money(1, "USD"), ("flag",), (), (("c", True),), (Park(Cause.TIER, "auto", "."),), (),
    blind=True,
)  # fmt: skip


def test_equal_and_hashed() -> None:
    """Two that hold the same are equal, have one hash and no room for anything else."""
    one, other = Caller("a", "k", "t"), Caller("a", "k", "t")
    assert (one, hash(one)) == (other, hash(other))
    assert one != replace(other, task="u")
    assert not hasattr(one, "__dict__")


def test_named() -> None:
    """A call with its names is the call with them, and nothing else."""
    names = Names(("f1:a",), "k:b", "e:c")
    assert WHOLE.named(names) == replace(WHOLE, names=names)


def test_within_task() -> None:
    """A caller under its task is the caller with it."""
    made = Caller("a", "k", "a/t", named=True, tokens=("x",), caveats=(Caveat("n", "3"),))
    task = Task("a/t", "a", AT, AT, Caps())
    assert made.under(task) == replace(made, opened=task)


def test_and_allowed() -> None:
    """What was found with what allows the call is what was found, and that with what it has noted."""
    allowed = Allowed((Entry("b.*", marks=True),))
    assert PARKED.and_allowed(allowed) == replace(PARKED, allowed=allowed, flags=("flag", "marked"))


def test_and_moving() -> None:
    """What was found with what a call moves is what was found, and that."""
    moved = Money(5, "EUR")
    assert PARKED.and_moving(moved) == replace(PARKED, moved=moved)


@pytest.mark.parametrize(
    ("entry", "plain"),
    [
        (Entry("a"), True),
        (Entry("a", needs_key=True, marks=True, needs_before=True), True),
        (Entry("a", needs_task=True), False),
        (Entry("a", names=frozenset({"x"})), False),
        (Entry("a", reads_body=True), False),
    ],
)
def test_plain(entry: Entry, *, plain: bool) -> None:
    """An entry is plain exactly where the allowlist has to look at nothing for it."""
    assert Allowed((entry,)).is_plain is Allowed((Entry("b"), entry)).is_plain is plain
    assert Allowed((entry,)).flags == ("marked",) * entry.marks


def test_facts_by_default() -> None:
    """Facts of which nothing was looked at show nothing."""
    quiet = Facts(AT, 0)
    assert (dict(quiet.looks), dict(quiet.images), dict(quiet.fetched)) == ({}, {}, {})
    assert quiet.with_looks({}) == quiet
