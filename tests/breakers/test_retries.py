"""When an upstream may be asked again: what it asks for, how long, out of what budget, and what two attempts prove."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from statistics import mean, pstdev

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from breakers.call import Applied, Fault, Health, Outcome, Retry, Sent
from breakers.retries import (
    DELAY_BASE_S,
    DELAY_CAP_S,
    EARNED_MAX,
    FLOOR,
    STATED_MAX_S,
    TENTHS,
    TTL_S,
    RetryBudget,
    full_jitter_s,
    joined,
    key_holds,
    stated_delay_s,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
RESET = "x-ratelimit-reset"
LEFT = "x-ratelimit-remaining"

RETRY_AFTER = {
    "seconds": ("120", 120.0),
    "zero": ("0", 0.0),
    "spaces around it": ("  7 ", 7.0),
    "a fraction": ("1.5", 1.5),
    "negative": ("-5", 0.0),
    "a trillion": ("1000000000000", STATED_MAX_S),
    "a trillion, short": ("1e12", STATED_MAX_S),
    "beyond every float": ("1e999", STATED_MAX_S),
    "the one date form": ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
    "obsolete, RFC 850": ("Saturday, 21-Nov-26 12:00:30 GMT", 30.0),
    "obsolete, asctime": ("Sat Nov 21 12:00:30 2026", 30.0),
    "obsolete, asctime, one digit": ("Tue Dec  1 12:00:30 2026", STATED_MAX_S),
    "a date that passed": ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    "a date next year": ("Sun, 21 Nov 2027 12:00:00 GMT", STATED_MAX_S),
    "ISO 8601": ("2026-11-21T12:00:30Z", 30.0),
    "no such day": ("Sat, 31 Feb 2026 12:00:30 GMT", None),
    "empty": ("", None),
    "a word": ("soon", None),
    "two numbers": ("1, 2", None),
    "hexadecimal": ("0x10", None),
    "not a number": ("nan", None),
    "infinite": ("inf", None),
    "other digits": ("\u0661\u0662", None),
    "a page of digits": ("9" * 65_000, None),
}  # fmt: skip


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after(value: str, seconds: float | None) -> None:
    """Retry-After is read in every spelling, never below nothing or above five minutes, and garbage says nothing."""
    assert stated_delay_s({"retry-after": value}, NOW) == seconds


RESETS = {
    "seconds since 1970": ({RESET: f"{EPOCH + 90}", LEFT: "0"}, False, 90.0),
    "ISO to the minute": ({RESET: "2026-11-21T12:02Z", LEFT: "0"}, False, 120.0),
    "ISO with an offset": ({RESET: "2026-11-21T13:02+01:00", LEFT: "0"}, False, 120.0),
    "ISO without one is UTC": ({RESET: "2026-11-21T12:02", LEFT: "0"}, False, 120.0),
    "a delay": ({RESET: "45", LEFT: "0"}, False, 45.0),
    "one that passed": ({RESET: f"{EPOCH - 90}", LEFT: "0"}, False, 0.0),
    "tomorrow": ({RESET: f"{EPOCH + 86_400}", LEFT: "0"}, False, STATED_MAX_S),
    "some left": ({RESET: f"{EPOCH + 90}", LEFT: "12"}, False, None),
    "some left, and throttled": ({RESET: f"{EPOCH + 90}", LEFT: "12"}, True, 90.0),
    "nothing said of what is left": ({RESET: f"{EPOCH + 90}"}, False, None),
    "nothing said, and throttled": ({RESET: f"{EPOCH + 90}"}, True, 90.0),
    "garbage": ({RESET: "later", LEFT: "0"}, True, None),
    "Retry-After goes first": ({RESET: f"{EPOCH + 90}", "retry-after": "5"}, True, 5.0),
    "milliseconds go before it": ({"retry-after-ms": "250", "retry-after": "5"}, True, 0.25),
    "unreadable milliseconds do not": ({"retry-after-ms": "x", "retry-after": "5"}, True, 5.0),
    "an unreadable Retry-After does not": ({RESET: f"{EPOCH + 90}", "retry-after": "x"}, True, 90.0),
    "a header that nobody named": ({"x-rate-reset": f"{EPOCH + 90}"}, True, None),
    "the later of two": ({RESET: f"{EPOCH + 90}", "ratelimit-reset": "100"}, True, 100.0),
    "nothing": ({}, True, None),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "throttled", "seconds"), RESETS.values(), ids=RESETS)
def test_resets(headers: dict[str, str], throttled: bool, seconds: float | None) -> None:
    """A vendor's own reset counts where nothing remains or the answer is a throttle, unless something else speaks."""
    assert stated_delay_s(headers, NOW, (RESET, "ratelimit-reset"), throttled=throttled) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", RESET, LEFT]), st.text(max_size=40)))
@example({"retry-after": "9999-12-31T23:59:59-23:59"})
@example({"retry-after": "0001-01-01T00:00:00+23:59"})
def test_any_words(headers: dict[str, str]) -> None:
    """Whatever an upstream writes there, what comes out is a short delay or nothing."""
    stated = stated_delay_s(headers, NOW, (RESET,), throttled=True)
    assert stated is None or 0 <= stated <= STATED_MAX_S


@given(st.integers(1, 2000), st.floats(0, 1, exclude_max=True))
def test_full_jitter(n: int, draw: float) -> None:
    """The delay lies in an interval that begins at nothing, doubles with each re-send and ends at the cap."""
    delay = full_jitter_s(n, DELAY_BASE_S, DELAY_CAP_S, draw)
    assert 0 <= delay <= min(DELAY_CAP_S, DELAY_BASE_S * 2.0 ** min(n - 1, 40))


def test_no_spikes() -> None:
    """A thousand callers that failed together come back evenly over the interval, not in one moment."""
    dice = random.Random(7)
    delays = [full_jitter_s(2, 1.0, DELAY_CAP_S, dice.random()) for _ in range(1000)]
    tenths = [sum(step <= delay * 5 < step + 1 for delay in delays) for step in range(10)]
    assert abs(mean(delays) - 1.0) < 0.05
    assert abs(pstdev(delays) - 2 / 12**0.5) < 0.03
    assert max(tenths) < 150


def spent(budget: RetryBudget, now: float, wanted: int) -> tuple[RetryBudget, int]:
    """
    Spend as much as is wanted and there is.
    """
    for count in range(wanted):
        left = budget.withdrawn(now)
        if left is None:
            return budget, count
        budget = left
    return budget, wanted


def test_ten_minutes_of_failures() -> None:
    """At 50 reads a second that all fail for ten minutes, re-sends add a tenth and 0.3 a second, and no more."""
    budget, resent = RetryBudget(), 0
    for number in range(50 * 600):
        now = number / 50
        budget, more = spent(budget.deposited(now), now, 2)
        resent += more
    assert 50 * 600 / 10 <= resent <= 50 * 600 / 10 + 0.3 * 600


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 4), st.integers(0, 4)), max_size=120), st.floats(0, 1e6))
def test_budget(steps: list[tuple[float, int, int]], start: float) -> None:
    """Whatever comes when, re-sends never pass a tenth of the first attempts and three in any ten seconds."""
    budget, now, firsts, resent = RetryBudget(), start, 0, 0
    for pause, more, wanted in steps:
        now += pause
        for _ in range(more):
            budget = budget.deposited(now)
            firsts += 1
        budget, count = spent(budget, now, wanted)
        resent += count
        assert sum(tenths for _, tenths in budget.earned) <= EARNED_MAX
        # What a sum of floats leaves out must not turn a whole ten seconds into none.
        tens = int((now - start) / TTL_S + 1e-6) + 1
        assert resent <= firsts / TENTHS + FLOOR * tens


def test_quiet_account() -> None:
    """An account that was quiet has three re-sends, and three more only once ten seconds have passed."""
    budget, count = spent(RetryBudget(), 100.0, 9)
    assert count == FLOOR
    assert spent(budget, 109.9, 9)[1] == 0
    assert spent(budget, 110.0, 9)[1] == FLOOR


def test_earned_is_lost() -> None:
    """What was earned is worth nothing ten seconds later, and much of it at once is capped."""
    budget = RetryBudget()
    for _ in range(1000):
        budget = budget.deposited(50.0)
    assert spent(budget, 51.0, 99)[1] == EARNED_MAX // TENTHS + FLOOR
    assert spent(budget, 60.0, 99)[1] == FLOOR


def ended(
    applied: Applied,
    status: int | None = None,
    *,
    fault: Fault | None = None,
    health: Health = Health.IGNORE,
    sent: Sent = Sent.YES,
) -> Outcome:
    """
    Return an outcome.
    """
    return Outcome(applied, health, Retry.SAME_KEY_ONLY, sent, status=status, fault=fault, upstream_us=5)


APPLIED, NOT_APPLIED, UNKNOWN = Applied.APPLIED, Applied.NOT_APPLIED, Applied.UNKNOWN
LOST = ended(UNKNOWN, fault=Fault.RESET, health=Health.FAIL)
UNSENT = ended(NOT_APPLIED, fault=Fault.CONNECT, health=Health.FAIL_LOCAL, sent=Sent.NO)
STOPPED = ended(NOT_APPLIED, fault=Fault.STOPPED, sent=Sent.NO)

FIRST, SECOND = "first", "second"
JOINED = {
    "unsent, then done": (UNSENT, ended(APPLIED, 200), APPLIED, 200),
    "unsent, then refused": (UNSENT, ended(NOT_APPLIED, 400), NOT_APPLIED, 400),
    "unsent, then in doubt": (UNSENT, LOST, UNKNOWN, None),
    "unsent, then stopped": (UNSENT, STOPPED, NOT_APPLIED, None),
    "in doubt, then done": (LOST, ended(APPLIED, 200), APPLIED, 200),
    "in doubt, then done and cut off": (LOST, ended(APPLIED, 200, fault=Fault.TRUNCATED), APPLIED, 200),
    "in doubt, then unsent": (LOST, UNSENT, UNKNOWN, None),
    "in doubt, then stopped": (LOST, STOPPED, UNKNOWN, None),
    "in doubt, then late": (LOST, ended(NOT_APPLIED, fault=Fault.LATE, sent=Sent.NO), UNKNOWN, None),
    "in doubt, then in doubt": (LOST, ended(UNKNOWN, 500, health=Health.FAIL), UNKNOWN, 500),
    "in doubt, then in use": (LOST, ended(UNKNOWN, 409), UNKNOWN, 409),
    "a 500, then unsent": (ended(UNKNOWN, 500), UNSENT, UNKNOWN, 500),
    "a 500, then refused at the door": (ended(UNKNOWN, 500), ended(NOT_APPLIED, 401), UNKNOWN, 500),
    "a 500, then a redirection": (ended(UNKNOWN, 500), ended(NOT_APPLIED, 307), UNKNOWN, 500),
    "a 500, then not implemented": (ended(UNKNOWN, 500), ended(NOT_APPLIED, 501), UNKNOWN, 500),
    "in doubt, then throttled as a 403": (LOST, ended(NOT_APPLIED, 403, health=Health.THROTTLE), UNKNOWN, None),
    "in doubt, then throttled as a 400": (LOST, ended(NOT_APPLIED, 400, health=Health.THROTTLE), UNKNOWN, None),
    "done, then whatever": (ended(APPLIED, 200), ended(NOT_APPLIED, 404), APPLIED, 200),
    **{
        f"in doubt, then {status}": (LOST, ended(NOT_APPLIED, status), UNKNOWN, None)
        for status in (401, 403, 407, 408, 409, 425, 429)
    },
    **{
        f"in doubt, then {status}": (LOST, ended(NOT_APPLIED, status), NOT_APPLIED, status)
        for status in (400, 404, 405, 410, 412, 413, 415, 422)
    },
    "in doubt, then declined": (LOST, ended(NOT_APPLIED, 402, health=Health.OK), NOT_APPLIED, 402),
}  # fmt: skip


@pytest.mark.parametrize(("first", "second", "applied", "status"), JOINED.values(), ids=JOINED)
def test_joined(first: Outcome, second: Outcome, applied: Applied, status: int | None) -> None:
    """The doubt of an earlier attempt is ended only by an answer that proves something about it."""
    both = joined(first, second)
    assert (both.applied, both.status) == (applied, status)
    assert both.attempts == first.attempts + second.attempts
    assert both.sent is (Sent.YES if Sent.YES in {first.sent, second.sent} else Sent.NO)


outcomes = st.builds(
    ended,
    st.sampled_from(Applied),
    st.one_of(st.none(), st.integers(100, 599)),
    fault=st.one_of(st.none(), st.sampled_from(Fault)),
    health=st.sampled_from(Health),
    sent=st.sampled_from(Sent),
)


@given(outcomes, st.lists(outcomes, max_size=4))
def test_doubt_stays(first: Outcome, later: list[Outcome]) -> None:
    """However attempts follow one another, what may have happened is not called undone without a refusal of 4xx."""
    both = first
    for second in later:
        both = joined(both, second)
    if first.applied is not NOT_APPLIED and both.applied is NOT_APPLIED:
        assert any(400 <= (one.status or 0) < 500 and one.applied is NOT_APPLIED for one in later)
    if first.applied is APPLIED:
        assert both.applied is APPLIED
    assert both.attempts == 1 + len(later)


HORIZON = [(24, 0, True), (24, 22.9, True), (24, 23, False), (24, 23.5, False), (24, 25, False), (1, 0, False)]


@pytest.mark.parametrize(("kept_h", "age_h", "holds"), HORIZON)
def test_key_holds(kept_h: float, age_h: float, holds: bool) -> None:
    """A key holds until an hour before its vendor may forget it."""
    assert key_holds(NOW - timedelta(hours=age_h), round(kept_h * 3600), NOW) is holds


def test_no_key() -> None:
    """Where no key is kept none holds, not even a new one."""
    assert not key_holds(NOW, 0, NOW)
