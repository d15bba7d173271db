"""Breakers on record: what an entry says of one, and which records are still needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.breaker import Breaker, Probe, State
from proxy.ledger.drafts import checked, stamp, system
from proxy.ledger.moved import CHANGED, FORGOTTEN_AFTER, breaker_from, moved_fields, note_moved
from tests.ledger.world import START

TIMES = st.none() | st.timedeltas(timedelta(0), timedelta(days=900)).map(lambda after: START + after)
COUNTS = st.integers(0, 2**53 - 1)
BREAKERS = st.builds(
    Breaker,
    key=st.sampled_from(["api:shop/write", "task:clerk/2026-11-21", "agent:clerk/shop/read"]),
    state=st.sampled_from(State),
    gen=COUNTS, round=COUNTS, trips=COUNTS, oks=COUNTS, step=COUNTS, rate=COUNTS,
    since=TIMES, until=TIMES, next_at=TIMES,
    probe=st.none() | st.builds(Probe, call=st.just("01CALL"), expires=st.just(START)),
    why=st.text(max_size=50), by=st.sampled_from(["", "ada"]), before=st.sampled_from(State),
)  # fmt: skip


def entry(before: Breaker | None, after: Breaker, **more: Any) -> dict[str, Any]:
    """
    Return an entry as it stands in a log.
    """
    draft = checked(system(CHANGED, **moved_fields(before, after, **more)))
    return {"k": CHANGED, "ts": stamp(after.since or START), **draft.fields}


@given(st.none() | BREAKERS, BREAKERS)
def test_said_again(before: Breaker | None, after: Breaker) -> None:
    """An entry says all of a breaker but its permit, and of why it moved only the rule."""
    told = breaker_from(entry(before, after))
    assert told == replace(after, probe=None, why=told.why)
    assert after.why.startswith(told.why) or told.why == "none"
    assert told.why.isascii()


def breaker(key: str, gen: int, state: State = State.SUGGEST_ONLY, days: float = 0.0) -> Breaker:
    """
    Return one that has moved so many days after the start.
    """
    return Breaker(key, state, gen, since=START + timedelta(days=days))


def test_newest_counts() -> None:
    """Of one breaker the highest generation counts; what kept back one process alone is not told again."""
    known: dict[str, Breaker] = {}
    for gen in (1, 3, 2):
        note_moved(known, entry(None, breaker("api:shop/write", gen)))
    note_moved(known, entry(None, breaker("api:shop/write", 9), here=True))
    assert [one.gen for one in known.values()] == [3]


@pytest.mark.parametrize(
    ("key", "state", "kept"),
    [
        ("api:shop/write", State.SUGGEST_ONLY, True),
        ("api:shop/write", State.PASSING, False),
        ("task:clerk/1", State.SUGGEST_ONLY, False),
        ("kill:task:clerk/1", State.RAMPING, False),
    ],
)
def test_forgotten(key: str, state: State, kept: bool) -> None:
    """What passes again, and what belongs to one task, is forgotten after two days; what is tripped is not."""
    known: dict[str, Breaker] = {}
    note_moved(known, entry(None, breaker(key, 1, state)))
    assert key in known
    note_moved(known, entry(None, breaker("api:other/read", 1, days=FORGOTTEN_AFTER.days + 1)))
    assert (key in known) is kept


def test_forgotten_behind() -> None:
    """However many stay tripped, what belongs to tasks that are over goes."""
    known: dict[str, Breaker] = {}
    for number in range(9):
        note_moved(known, entry(None, breaker(f"api:a{number}/write", 1)))
        note_moved(known, entry(None, breaker(f"task:clerk/{number}", 1)))
    for gen in range(9):
        note_moved(known, entry(None, breaker("api:late/read", gen, days=3.0)))
    assert [key for key in known if key.startswith("task:")] == []
    assert len(known) == 10
