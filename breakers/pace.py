"""
What an upstream that throttles asks for: for how long it wants to be left alone, and by which calls.

It says when in `Retry-After` (seconds, or a date) or in the headers that its dialect names (seconds, a moment since
1970 or in ISO 8601); what it says is held to five minutes. A date is read beside the upstream's own `Date`, so a clock
that is wrong, there or here, changes nothing. Where it does not say when, its dialect does. A header may say why: some
vendors throttle one operation, or writes on one object, and everything else may go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from breakers.call import Call, Health, Outcome
from breakers.retries import stated_delay_s
from breakers.touching import named
from config.dialect import Dialect

WHY_MAX = 100

# RFC 9110 5.6.7: the form in which a server says what time it is.
_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_DATE_LENGTH = 29


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Until when the calls in these scopes are not wanted, and what was said of that.
    """

    scopes: tuple[str, ...]
    until: datetime
    why: str


def scopes_of(call: Call) -> tuple[str, ...]:
    """
    Return every scope that a call is in: its account, its operation and, of a write, the objects that it names.
    """
    of_all, of_operation = call.api, f"{call.api} {call.operation.spec.name}"
    return (of_all, of_operation, *(_of_objects(call) if call.operation.writes else ()))


def paced(call: Call, outcome: Outcome, dialect: Dialect, now: datetime) -> Pace | None:
    """
    Return what an answer that throttles asks for; None of any other.
    """
    if outcome.health is not Health.THROTTLE:
        return None
    headers = dict(outcome.headers)
    reason = headers.get(dialect.throttle.reason or "", "").strip()
    until = now + timedelta(seconds=_wait_s(headers, dialect, now))
    why = reason if reason.isascii() and reason.isprintable() else ""
    said = f"{outcome.status} {why}".strip() if outcome.status is not None else why
    return Pace(_scopes(call, reason, dialect), until, said[:WHY_MAX])


def _wait_s(headers: Mapping[str, str], dialect: Dialect, now: datetime) -> float:
    there, resets = _clock(headers) or now, dialect.resets
    stated = stated_delay_s(headers, there, resets)
    if stated is None and not any(name.replace("reset", "remaining") in headers for name in resets):
        # Something is left of another quota: its reset says nothing of what was meant.
        stated = stated_delay_s(headers, there, resets, throttled=True)
    return float(dialect.throttle.otherwise_s) if stated is None else stated


def _clock(headers: Mapping[str, str]) -> datetime | None:
    """
    Return what time it is where the answer comes from, if it says so.
    """
    said = headers.get("date", "").strip()
    if len(said) != _DATE_LENGTH:
        return None
    try:
        return datetime.strptime(said, _DATE).replace(tzinfo=UTC)
    except ValueError:
        return None


def _scopes(call: Call, reason: str, dialect: Dialect) -> tuple[str, ...]:
    if reason in dialect.throttle.objects and call.operation.writes and (objects := _of_objects(call)):
        return objects
    if reason in dialect.throttle.objects or reason in dialect.throttle.operations:
        return (f"{call.api} {call.operation.spec.name}",)
    return (call.api,)


def _of_objects(call: Call) -> tuple[str, ...]:
    return tuple(f"{call.api} {kind}/{one}" for kind, one in named(call.operation))
