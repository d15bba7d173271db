"""The three verdicts as a table: every row of the theory, for writes, for keys that nobody honours, and for reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Applied, Fault, Health, Retry, Sent
from breakers.results import Judged, judge_result
from config.catalog import Effect
from config.dialect import Dialect

APPLIED, NOT_APPLIED, UNKNOWN = Applied.APPLIED, Applied.NOT_APPLIED, Applied.UNKNOWN
OK, FAIL, LOCAL, THROTTLE, IGNORE = Health.OK, Health.FAIL, Health.FAIL_LOCAL, Health.THROTTLE, Health.IGNORE
NEVER, SAME, SAFE = Retry.NEVER, Retry.SAME_KEY_ONLY, Retry.SAFE

DIALECT = Dialect.model_validate(
    {
        "throttled": [
            {"status": 429},
            {"status": 403, "header": "retry-after"},
            {"status": 403, "header": "quota-left", "equals": "0"},
            {"status": 403, "text": "secondary rate limit"},
        ],
        "declined": [402, 424, 422],
        "key_in_use": [{"status": 409, "pointer": "/error/code", "equals": "key_in_use"}],
    }
)
PLAIN = Dialect()
IN_USE = b'{"error": {"code": "key_in_use"}}'
OTHER = b'{"error": {"code": "lock_timeout"}}'


def judge(
    effect: Effect = Effect.WRITE,
    status: Any = None,
    fault: Any = None,
    sent: Any = Sent.YES,
    headers: Any = None,
    body: Any = b"{}",
    dialect: Dialect = DIALECT,
    key: bool = True,
) -> Judged:
    return judge_result(
        effect,
        sent=sent,
        status=status,
        fault=fault,
        headers=headers or {},
        body=body,
        dialect=dialect,
        honours_key=key,
    )


UNSENT = [
    (Fault.UNRESOLVED, NOT_APPLIED, LOCAL, SAFE),
    (Fault.CONNECT, NOT_APPLIED, LOCAL, SAFE),
    (Fault.TLS, NOT_APPLIED, LOCAL, SAFE),
    (Fault.REFUSED_ADDRESS, NOT_APPLIED, LOCAL, SAFE),
    (Fault.RESET, NOT_APPLIED, LOCAL, SAFE),
    (Fault.TIMEOUT, NOT_APPLIED, LOCAL, SAFE),
    (Fault.STOPPED, NOT_APPLIED, IGNORE, NEVER),
    (Fault.LATE, NOT_APPLIED, IGNORE, NEVER),
    (Fault.LOST, NOT_APPLIED, IGNORE, NEVER),
    (Fault.UNASKED, NOT_APPLIED, IGNORE, NEVER),
    (None, NOT_APPLIED, LOCAL, SAFE),
]


@pytest.mark.parametrize(("fault", "applied", "health", "retry"), UNSENT)
@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("key", [True, False])
def test_unsent(effect: Effect, key: bool, fault: Any, applied: Applied, health: Health, retry: Retry) -> None:
    """What never left changed nothing, whatever it was, and our own stop says nothing of the upstream."""
    assert judge(effect, fault=fault, sent=Sent.NO, key=key)[:2] == (applied, health)
    assert judge(Effect.WRITE, fault=fault, sent=Sent.NO, key=key)[2] is retry


@pytest.mark.parametrize("fault", [*sorted(set(Fault) - {Fault.STOPPED}), None])
def test_no_answer(fault: Any) -> None:
    """Once a byte has left and no answer came, nobody knows."""
    assert judge(fault=fault) == (UNKNOWN, FAIL, SAME)
    assert judge(fault=fault, key=False) == (UNKNOWN, FAIL, NEVER)
    assert judge(Effect.READ, fault=fault) == (NOT_APPLIED, FAIL, SAFE)


def test_stopped_midway() -> None:
    """A stop of ours after the first byte leaves the effect unknown and the upstream blameless."""
    assert judge(fault=Fault.STOPPED) == (UNKNOWN, IGNORE, NEVER)
    assert judge(Effect.READ, fault=Fault.STOPPED) == (NOT_APPLIED, IGNORE, NEVER)


ANSWERED: list[tuple[Any, ...]] = [
    (range(200, 300), APPLIED, OK, NEVER),
    ((301, 307, 308), NOT_APPLIED, IGNORE, NEVER),
    ((300, 302, 303, 304, 305, 306, 399), UNKNOWN, IGNORE, NEVER),
    ((400, 401, 403, 404, 405, 409, 410, 412, 413, 415), NOT_APPLIED, IGNORE, NEVER),
    ((402, 422), NOT_APPLIED, OK, NEVER),
    ((408,), UNKNOWN, FAIL, SAME),
    ((429,), NOT_APPLIED, THROTTLE, SAFE),
    ((406, 407, 411, 414, 416, 417, 418, 421, 423, 424, 425, 426, 428, 431, 451, 499), UNKNOWN, IGNORE, NEVER),
    ((501, 505), NOT_APPLIED, IGNORE, NEVER),
    ((500, 502, 503, 504, 506, 507, 508, 510, 511, *range(520, 600)), UNKNOWN, FAIL, SAME),
    ((0, 100, 101, 199, 600, 999), UNKNOWN, FAIL, SAME),
]
ROWS: list[tuple[Any, ...]] = [(status, *row) for statuses, *row in ANSWERED for status in statuses]


@pytest.mark.parametrize(("status", "applied", "health", "retry"), ROWS)
def test_write_answered(status: Any, applied: Applied, health: Health, retry: Retry) -> None:
    """Each status of an answer to a write has its row, and a key that nobody honours makes nothing re-sendable."""
    assert judge(status=status) == (applied, health, retry)
    assert judge(Effect.IRREVERSIBLE, status=status) == (applied, health, retry)
    assert judge(status=status, sent=Sent.NO) == (applied, health, retry)
    assert judge(status=status, key=False) == (applied, health, NEVER if retry is SAME else retry)


def test_plain_dialect() -> None:
    """Without a vendor's own words a 422 is a plain refusal and a 409 in any wording too."""
    assert judge(status=422, dialect=PLAIN) == (NOT_APPLIED, IGNORE, NEVER)
    assert judge(status=402, dialect=PLAIN) == (NOT_APPLIED, OK, NEVER)
    assert judge(status=409, body=IN_USE, dialect=PLAIN) == (NOT_APPLIED, IGNORE, NEVER)


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.MALFORMED, Fault.TOO_LARGE, Fault.RESET, Fault.TIMEOUT])
@pytest.mark.parametrize(
    ("status", "applied", "health", "retry"),
    [
        (200, APPLIED, FAIL, NEVER),
        (201, APPLIED, FAIL, NEVER),
        (302, UNKNOWN, FAIL, NEVER),
        (400, NOT_APPLIED, FAIL, NEVER),
        (402, NOT_APPLIED, FAIL, NEVER),
        (409, UNKNOWN, FAIL, SAME),
        (429, NOT_APPLIED, THROTTLE, SAFE),
        (500, UNKNOWN, FAIL, SAME),
    ],
)
def test_not_whole(status: Any, fault: Any, applied: Applied, health: Health, retry: Retry) -> None:
    """An answer that breaks off keeps what its status proves, and only a whole body can rule out a key in flight."""
    assert judge(status=status, fault=fault, body=OTHER) == (applied, health, retry)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (403, {"retry-after": "30"}, b"{}", (NOT_APPLIED, THROTTLE, SAFE)),
        (403, {"quota-left": "0"}, b"{}", (NOT_APPLIED, THROTTLE, SAFE)),
        (403, {"quota-left": "7"}, b"{}", (NOT_APPLIED, IGNORE, NEVER)),
        (403, {}, b"you hit a secondary rate limit", (NOT_APPLIED, THROTTLE, SAFE)),
        (403, {}, b"{}", (NOT_APPLIED, IGNORE, NEVER)),
        (409, {}, IN_USE, (UNKNOWN, IGNORE, SAME)),
        (409, {}, OTHER, (NOT_APPLIED, IGNORE, NEVER)),
        (409, {}, b"", (UNKNOWN, IGNORE, SAME)),
        (409, {}, b"<html>", (UNKNOWN, IGNORE, SAME)),
        (409, {}, b"[" * 100_000, (UNKNOWN, IGNORE, SAME)),
        (500, {"retry-after": "30"}, b"secondary rate limit", (UNKNOWN, FAIL, SAME)),
        (503, {"retry-after": "30"}, b"{}", (UNKNOWN, FAIL, SAME)),
        (424, {}, b"{}", (UNKNOWN, IGNORE, NEVER)),
        (200, {"retry-after": "30"}, IN_USE, (APPLIED, OK, NEVER)),
    ],
)
def test_wording(status: Any, headers: Any, body: Any, expected: Judged) -> None:
    """A dialect reads a refusal further, and never turns doubt or success into something milder."""
    assert judge(status=status, headers=headers, body=body) == expected


@pytest.mark.parametrize(
    ("status", "health", "retry"),
    [
        (200, OK, NEVER),
        (304, OK, NEVER),
        (301, IGNORE, NEVER),
        (302, IGNORE, NEVER),
        (401, IGNORE, NEVER),
        (404, IGNORE, NEVER),
        (409, IGNORE, NEVER),
        (408, FAIL, SAFE),
        (429, THROTTLE, SAFE),
        (501, IGNORE, NEVER),
        (500, FAIL, SAFE),
        (503, FAIL, SAFE),
    ],
)
@pytest.mark.parametrize("key", [True, False])
def test_read_answered(status: Any, health: Health, retry: Retry, key: bool) -> None:
    """A read changes nothing, needs no key to be sent again, and is not judged by a body that was streamed away."""
    assert judge(Effect.READ, status=status, body=b"", key=key) == (NOT_APPLIED, health, retry)


def test_read_not_whole() -> None:
    """A read whose answer breaks off may simply be sent again."""
    assert judge(Effect.READ, status=200, fault=Fault.TRUNCATED) == (NOT_APPLIED, FAIL, SAFE)


@given(
    effect=st.sampled_from(Effect),
    status=st.none() | st.integers(0, 700),
    fault=st.none() | st.sampled_from(Fault),
    sent=st.sampled_from(Sent),
    headers=st.dictionaries(st.sampled_from(["retry-after", "quota-left"]), st.sampled_from(["0", "x"])),
    body=st.binary(max_size=20) | st.sampled_from([IN_USE, OTHER]),
    key=st.booleans(),
)
def test_rules_between_columns(
    effect: Effect, status: Any, fault: Any, sent: Any, headers: Any, body: Any, key: bool
) -> None:
    """Doubt is re-sent under its key or not at all, what did happen never is, and a read changes nothing."""
    applied, _, retry = judge(effect, status, fault, sent, headers, body, key=key)
    assert retry is not SAFE or applied is NOT_APPLIED
    assert retry is not SAME or (applied is UNKNOWN and key)
    assert (applied is APPLIED) == (effect is not Effect.READ and status is not None and 200 <= status <= 299)
    assert effect is not Effect.READ or applied is NOT_APPLIED
    assert not (status is None and sent is Sent.NO) or applied is NOT_APPLIED
