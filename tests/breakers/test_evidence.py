"""What trips a breaker, as a table of windows: what was counted, and by which rule it trips."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.breaker import Sums
from breakers.evidence import rule, throughout
from breakers.thresholds import OF_CREDENTIAL, OF_TASK, STANDARD, STANDARD_OF_AGENT, USUAL, Thresholds

READS, WRITES, AGENTS = "api:shop/read", "api:shop/write", "agent:clerk/shop/write"
STRICT = Thresholds(errors_ppm=100)

Counted = dict[str, Any]


def window(key: str, counted: Counted) -> Sums:
    """
    Return a window; what failed did so within the last minute, unless it says not.
    """
    return Sums(key, 0, **({"recent": counted.get("fail", 0)} | counted))


# the key, what was counted, how many were handed to a person, and how the rule begins
@pytest.mark.parametrize(
    ("key", "counted", "handed", "begins"),
    [
        (WRITES, {"ok": 57, "fail": 3}, 0, "T1: 3 of 60 failed, at least 1.27% where 0.50% is allowed"),
        (WRITES, {"ok": 199, "fail": 1}, 0, ""),
        (WRITES, {"ok": 2975, "fail": 25}, 0, "T1"),
        (WRITES, {"ok": 2976, "fail": 24}, 0, ""),
        (WRITES, {"fail": 3}, 0, "T1"),
        (WRITES, {"fail": 2}, 0, ""),
        # The last minute must have seen one: what is over trips nothing.
        (WRITES, {"ok": 57, "fail": 3, "recent": 0}, 0, ""),
        (WRITES, {"ok": 57, "fail": 3, "recent": 1}, 0, "T1"),
        # Three of an agent's own are in its account's breaker, too.
        (AGENTS, {"fail": 4}, 0, ""),
        (AGENTS, {"fail": 5}, 0, "T1"),
        (WRITES, {"ok": 3000, "fail": 5, "streak": 5}, 0, "T2: 5 in a row failed"),
        (WRITES, {"ok": 3000, "fail": 5, "streak": 4}, 0, ""),
        (WRITES, {"ok": 10, "slow": 6}, 0, "T3: 6 of 10 were slow"),
        (WRITES, {"ok": 10, "slow": 5}, 0, ""),
        (WRITES, {"ok": 4, "slow": 4}, 0, ""),
        (WRITES, {"ok": 5, "slow": 5}, 0, "T3"),
        (WRITES, {"ok": 57, "unknown": 3}, 0, "T4: 3 of 57 ended in doubt"),
        (WRITES, {"ok": 600, "unknown": 3}, 0, ""),
        (WRITES, {"ok": 10}, 2, "T4: 2 of 10 were handed to a person"),
        (WRITES, {"ok": 10}, 1, ""),
        (WRITES, {"ok": 90}, 2, ""),
        (WRITES, {}, 2, "T4"),
        # Of one of several processes that no connection can be made says nothing of the upstream.
        (WRITES, {"ok": 5, "local": 9, "locals": 1, "alive": 3, "streak": 9}, 0, ""),
        (WRITES, {"ok": 5, "local": 9, "locals": 2, "alive": 3, "streak": 9}, 0, "T1: 9 of 14"),
        (WRITES, {"local": 9, "locals": 1, "alive": 1, "streak": 9}, 0, "T1"),
        (WRITES, {"ok": 5, "local": 9, "locals": 2, "alive": 3}, 0, ""),
        (WRITES, {"fail": 5, "ok": 5000, "local": 5, "locals": 1, "alive": 3, "streak": 10}, 0, "T2: 5 in a row"),
        # A declined card is the answer of an API that works: a thousand of them are about the task.
        (WRITES, {"ok": 1000, "writes": 1000}, 0, ""),
        ("task:t1", {"fail": 1000}, 0, "T5: 1000 declined"),
        ("task:t1", {"fail": 5}, 0, "T5: 5 declined"),
        ("task:t1", {"fail": 4, "streak": 4, "ok": 1}, 0, ""),
        ("credential:shop", {"fail": 3, "streak": 3, "ok": 900}, 0, "T5: 3 in a row not taken"),
        ("credential:shop", {"fail": 9, "streak": 2, "ok": 1}, 0, ""),
        ("kill:all", {"fail": 900, "streak": 900}, 0, ""),
    ],
)
def test_rule(key: str, counted: Counted, handed: int, begins: str) -> None:
    """A window trips by the first rule that it meets, and says so with its numbers."""
    said = rule(window(key, counted), USUAL.of(key), handed)
    assert said.startswith(begins)
    assert bool(said) is bool(begins)


@pytest.mark.parametrize(
    ("key", "counted", "blocks"),
    [
        (READS, {"fail": 5}, True),
        (READS, {"fail": 4}, False),
        (READS, {"ok": 30, "fail": 30}, True),
        (READS, {"ok": 60, "fail": 30}, False),
        (READS, {"ok": 30, "fail": 30, "recent": 0}, False),
        (READS, {"ok": 5000, "fail": 5, "streak": 5}, False),
        (READS, {"ok": 5000, "local": 5, "locals": 2, "alive": 2, "streak": 5}, True),
        (READS, {"ok": 5000, "local": 5, "locals": 1, "alive": 2, "streak": 5}, False),
        # Whatever becomes of writes, and of one agent's calls, the account's reads go on.
        (WRITES, {"fail": 500}, False),
        ("agent:clerk/shop/read", {"fail": 500}, False),
    ],
)
def test_throughout(key: str, counted: Counted, blocks: bool) -> None:
    """Only the reads of an account are blocked: where more than a quarter fails, or nothing can be reached."""
    assert bool(throughout(window(key, counted))) is blocks


def test_own_rate() -> None:
    """What an account may bear is what it says."""
    seen = window(WRITES, {"ok": 800, "fail": 3})
    assert rule(seen, STRICT).startswith("T1")
    assert not rule(seen, STANDARD)
    assert {STANDARD_OF_AGENT.over_s, OF_TASK.over_s, OF_CREDENTIAL.over_s} == {300, 600, 3600}


@given(st.integers(0, 10_000), st.integers(0, 1), st.sampled_from([READS, WRITES, AGENTS]))
def test_one_is_chance(ok: int, fail: int, key: str) -> None:
    """One failure, or one write in doubt that a person has to look at, never trips anything."""
    seen = window(key, {"ok": ok, "fail": fail, "unknown": fail, "streak": fail})
    assert not rule(seen, USUAL.of(key), fail)
    assert not throughout(seen)
