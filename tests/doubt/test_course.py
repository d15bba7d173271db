"""When a write in doubt is looked at, and what the looks prove: on a clock that is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.doubt.course import PATIENCE, RESENDS_ANSWERED_MAX, Course, End, Evidence, Found, Terms, Verdict, Why, fold

ASKED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

# GitHub's lists: 60 s for the write, 2 s for a late sender, 30 s until a list shows it.
LISTS = Terms(60.0, 30.0)
QUIET_S = 92.0

# Jira's search: five minutes until it shows anything, three reads, and something later beside it.
SEARCH = Terms(60.0, 300.0, reads=3, apart_s=150.0, needs_later=True)
MONEY = Terms(60.0, 30.0, grave=True)

APPLIED = Verdict(End.APPLIED, Why.FOUND)
ABSENT = Verdict(End.NOT_APPLIED, Why.ABSENT)
AMBIGUOUS = Verdict(End.PARKED, Why.AMBIGUOUS)


def at(seconds: float) -> datetime:
    """
    Return the moment so many seconds after the write left.
    """
    return ASKED + timedelta(seconds=seconds)


def begun(seconds: float = 0.0) -> Course:
    """
    Return the course of a doubt that began so many seconds after the write left.
    """
    return Course(ASKED, at(seconds), ASKED)


def ends(looks: Iterable[tuple[float, Found]], terms: Terms, *, later: bool = False) -> list[Verdict | None]:
    """
    Return what follows from each of these looks, one after the other.
    """
    course, said = begun(), []
    for seconds, found in looks:
        course, verdict = fold(course, Evidence(found, at(seconds), int(found is not Found.NONE), later), terms)
        said.append(verdict)
    return said


N, F, U = Found.NONE, Found.FAILED, Found.UNLIKE

# One row: what it is about, the looks as (second, what each found), the terms, what follows in the end.
COURSES: tuple[tuple[str, list[tuple[float, Found]], Terms, Verdict | None], ...] = (
    ("found counts from the first look", [(1, Found.ONE)], LISTS, APPLIED),
    ("found after looks that were empty", [(1, N), (5, N), (15, Found.ONE)], LISTS, APPLIED),
    ("found after an absence that did not suffice", [(QUIET_S, N), (QUIET_S + 15, Found.ONE)], LISTS, APPLIED),
    ("made twice", [(1, Found.MANY)], LISTS, Verdict(End.APPLIED, Why.DUPLICATE)),
    ("several that could be it", [(1, Found.LIKE)], LISTS, AMBIGUOUS),
    ("absent before quiet proves nothing", [(1, N), (5, N), (15, N), (30, N), (QUIET_S - 1, N)], LISTS, None),
    ("one clean look is not enough", [(QUIET_S, N)], LISTS, None),
    ("two clean looks, too close", [(QUIET_S, N), (QUIET_S + 14, N)], LISTS, None),
    ("two clean looks, apart", [(QUIET_S, N), (QUIET_S + 15, N)], LISTS, ABSENT),
    ("a look that failed between them", [(QUIET_S, N), (QUIET_S + 9, F), (QUIET_S + 15, N)], LISTS, ABSENT),
    ("looks that fail for ever", [(QUIET_S + n * 100, F) for n in range(30)], LISTS, None),
    ("money is parked after absence", [(QUIET_S, N), (QUIET_S + 15, N)], MONEY, Verdict(End.PARKED, Why.ABSENT)),
    ("money that is found is settled", [(QUIET_S, N), (QUIET_S + 15, Found.ONE)], MONEY, APPLIED),
    ("another thing before quiet waits", [(1, U), (30, U)], LISTS, None),
    ("another thing after quiet is a person's", [(QUIET_S, U), (QUIET_S + 15, U)], LISTS, AMBIGUOUS),
    ("another thing that came and went", [(QUIET_S, U), (QUIET_S + 15, N)], LISTS, AMBIGUOUS),
    ("another thing first, then the thing itself", [(QUIET_S, U), (QUIET_S + 15, Found.ONE)], LISTS, APPLIED),
    ("a search that shows nothing later", [(400 + n * 150, N) for n in range(5)], SEARCH, None),
    ("three minutes without the search's index", [(1, N), (60, N), (180, N)], SEARCH, None),
)


@pytest.mark.parametrize(("looks", "terms", "verdict"), [row[1:] for row in COURSES], ids=[row[0] for row in COURSES])
def test_looks(looks: list[tuple[float, Found]], terms: Terms, verdict: Verdict | None) -> None:
    """Only the last of these looks settles anything, and only so."""
    said = ends(looks, terms)
    assert said == [None] * (len(looks) - 1) + [verdict]


def test_search_absent() -> None:
    """A search proves absence by three looks that show something later, two and a half minutes apart."""
    looks = [(362 + n * 150, Found.NONE) for n in range(3)]
    assert ends(looks, SEARCH, later=True) == [None, None, ABSENT]


@pytest.mark.parametrize(
    ("found", "verdict"), [(Found.FAILED, Verdict(End.PARKED, Why.INCONCLUSIVE)), (Found.ONE, APPLIED)], ids=str
)
def test_day_is_over(found: Found, verdict: Verdict) -> None:
    """After a day, and as many looks as the schedule has, what the last one does not settle is a person's."""
    course = begun()
    for number in range(8):
        course, said = fold(course, Evidence(Found.FAILED, ASKED + PATIENCE + timedelta(seconds=number)), LISTS)
        assert said == (Verdict(End.PARKED, Why.INCONCLUSIVE) if number == 7 else None)
    assert fold(course, Evidence(found, ASKED + PATIENCE * 2), LISTS)[1] == verdict


def test_schedule() -> None:
    """A doubt is looked at 1, 5, 15, 30, 60 s, 5, 15 min and 1 h after it began, and every hour from then on."""
    never = Terms(100_000.0, 0.0)
    course, seen = begun(2.0), []
    for _ in range(10):
        due = course.next_at(never)
        seen.append((due - course.since).total_seconds())
        course, _ = fold(course, Evidence(Found.FAILED, due), never)
    assert seen == [1, 5, 15, 30, 60, 300, 900, 3600, 7200, 10_800]


def test_looks_when_it_counts() -> None:
    """Between the steps of the schedule a doubt is looked at as soon as a look can count, and as often as it takes."""
    course, seen, verdict = begun(), [], None
    while verdict is None:
        due = course.next_at(LISTS)
        seen.append((due - ASKED).total_seconds())
        course, verdict = fold(course, Evidence(Found.NONE, due), LISTS)
    assert (seen, verdict) == ([1, 5, 15, 30, 60, QUIET_S, QUIET_S + 15], ABSENT)


def test_resent_starts_anew() -> None:
    """What was absent before the write was sent again proves nothing about what came of that."""
    course, _ = fold(begun(), Evidence(Found.NONE, at(QUIET_S)), LISTS)
    course = course.resent(at(100), answered=True)
    assert (course.clean, course.answered, course.quiet_at(LISTS)) == ((), 1, at(100 + QUIET_S))
    assert course.resent(at(101), answered=False).answered == 1
    assert course.resent(at(101), answered=True, replayed=True).answered == RESENDS_ANSWERED_MAX
    _, verdict = fold(course, Evidence(Found.NONE, at(QUIET_S + 15)), LISTS)
    assert verdict is None


@given(st.lists(st.tuples(st.floats(0.1, 400.0), st.sampled_from(list(Found))), max_size=30), st.booleans())
def test_never_too_soon(steps: list[tuple[float, Found]], grave: bool) -> None:
    """Nothing is called absent before quiet, without two clean looks apart, or where money moves."""
    terms = Terms(60.0, 30.0, grave=grave)
    course, now, clean = begun(), 0.0, []
    for pause, found in steps:
        now += pause
        if found in {Found.NONE, Found.UNLIKE} and now >= QUIET_S:
            clean.append(now)
        course, verdict = fold(course, Evidence(found, at(now)), terms)
        if verdict is not None:
            if verdict.why is Why.ABSENT:
                assert clean[-1] - clean[0] >= terms.apart_s - 1e-3
                assert (verdict.end is End.PARKED) == grave
            return
