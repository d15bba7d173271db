"""
When an upstream may be asked again, as arithmetic: after what delay, out of what budget, and what two attempts prove.

**The delay** is drawn from the whole of an interval that doubles with each re-send (full jitter), so that callers who
failed together do not come back together. What the upstream itself asks for replaces a shorter one.

**The budget** keeps re-sends from multiplying: agents and their SDKs re-send above us, and three layers of three
attempts are 27. A re-send costs one. Each first attempt earns a tenth of one, which is worth nothing ten seconds later;
three in any ten seconds are free, so that a quiet account can re-send at all. What was earned is spent once, so over
any time the re-sends are at most a tenth of the first attempts and 0.3 a second.

**What two attempts prove.** A first attempt that may have taken effect leaves a doubt, which only an answer ends that
could not be what it is if the first had had another end:

| the first | the second | together |
|---|---|---|
| changed nothing | any | the second |
| in doubt | took effect | took effect: one of them did, under one key, so both are one |
| in doubt | a refusal of what was asked (400, 402, 404, 422 ...) | nothing took effect: an effect would be replayed |
| in doubt | a refusal at the door (401, 403, 407, 408, 409, 425, 429), a redirection, a 5xx | in doubt |
| in doubt | nothing that was sent | in doubt |

The refusals at the door are made before a vendor looks a key up, so they say nothing of an earlier request under it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from breakers.call import Applied, Health, Outcome, Sent
from breakers.results import AT_THE_DOOR

STATED_MAX_S = 300.0
"""Longer than any call may take: what asks for more is answered with its own header, whatever the figure."""

DELAY_BASE_S = 0.05
"""Of the first interval, where an attempt just failed: most such failures are over by then."""

THROTTLED_BASE_S = 1.0
"""Of the first interval, where the upstream said "later"."""

DELAY_CAP_S = 20.0
"""Of every interval."""

# Far above every cap, and far below what a float holds.
_DOUBLINGS_MAX = 64

HORIZON_MARGIN = timedelta(hours=1)
"""Before a vendor forgets a key nothing is sent under it any more: past that it would be a new request."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_VALUE_LENGTH_MAX = 64
# RFC 9110 5.6.7: the one form that may be sent, and the two obsolete ones that must be read.
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
# A moment in seconds since 1970 is above this until for ever; a delay is below.
_EPOCH_FROM = 1_000_000_000


def stated_delay_s(
    headers: Mapping[str, str], now: datetime, resets: Iterable[str] = (), *, throttled: bool = False
) -> float | None:
    """
    Return how many seconds an answer (headers by lower-case name) asks to wait, within 0 and `STATED_MAX_S`, or None.

    `Retry-After-Ms` goes before `Retry-After`, and both before the headers named by `resets`: those are on every answer
    of some vendors, and mean something on a throttled one or where what remains is 0.
    """
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return _clamped(millis / 1000)
    stated = _until(headers.get("retry-after", ""), now, epoch=False)
    if stated is None:
        meant = (name for name in resets if throttled or _used_up(headers, name))
        found = [_until(headers.get(name, ""), now, epoch=True) for name in meant]
        stated = max((seconds for seconds in found if seconds is not None), default=None)
    return None if stated is None else _clamped(stated)


def full_jitter_s(n: int, base_s: float, cap_s: float, draw: float) -> float:
    """
    Return the delay before the `n`-th re-send, from 1 on; `draw` is uniform in [0, 1).
    """
    return draw * min(cap_s, base_s * 2.0 ** min(n - 1, _DOUBLINGS_MAX))


def key_holds(since: datetime, kept_s: int, now: datetime) -> bool:
    """
    Tell whether a vendor that keeps a key for `kept_s` seconds still knows one that was first sent `since`.
    """
    return now < since + timedelta(seconds=kept_s) - HORIZON_MARGIN


TENTHS = 10
EARNED_PER_FIRST = 1
"""In tenths of a re-send, as is all that is earned."""

FLOOR = 3
"""Re-sends in any `TTL_S` that need not be earned."""

EARNED_MAX = (30 - FLOOR) * TENTHS
"""With the floor, the most that can be sent again in one moment."""

TTL_S = 10.0


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """
    What one API account may still send again; each verb returns the next budget.

    `earned` is (second, tenths), oldest first; `given` says when the newest that were not earned were spent.
    """

    earned: tuple[tuple[int, int], ...] = ()
    given: tuple[float, ...] = ()

    def deposited(self, now: float, firsts: int = 1) -> RetryBudget:
        """
        Count first attempts, all of one second.
        """
        earned, second = self._live(now), math.floor(now)
        more = min(firsts * EARNED_PER_FIRST, EARNED_MAX - sum(tenths for _, tenths in earned))
        if more <= 0:
            return replace(self, earned=earned)
        if earned and earned[-1][0] == second:
            return replace(self, earned=(*earned[:-1], (second, earned[-1][1] + more)))
        return replace(self, earned=(*earned, (second, more)))

    def withdrawn(self, now: float) -> RetryBudget | None:
        """
        Spend one re-send, the oldest first; None where there is none.
        """
        earned = self._live(now)
        if sum(tenths for _, tenths in earned) >= TENTHS:
            return replace(self, earned=_less(earned, TENTHS))
        given = tuple(at for at in self.given if now - at < TTL_S)
        return RetryBudget(earned, (*given, now)) if len(given) < FLOOR else None

    def _live(self, now: float) -> tuple[tuple[int, int], ...]:
        return tuple(entry for entry in self.earned if now - entry[0] < TTL_S)


def _less(earned: tuple[tuple[int, int], ...], wanted: int) -> tuple[tuple[int, int], ...]:
    left = []
    for second, tenths in earned:
        taken = min(tenths, wanted)
        wanted -= taken
        if tenths > taken:
            left.append((second, tenths - taken))
    return tuple(left)


def joined(first: Outcome, second: Outcome) -> Outcome:
    """
    Return how a call ended that was sent, or tried, once more.
    """
    attempts = first.attempts + second.attempts
    sent = Sent.YES if Sent.YES in {first.sent, second.sent} else Sent.NO
    doubtful = first.applied is Applied.UNKNOWN
    newer = second.applied is Applied.UNKNOWN and second.sent is Sent.YES
    if first.applied is not Applied.APPLIED and (not doubtful or newer or proves(second)):
        return replace(second, attempts=attempts, sent=sent)
    return replace(first, attempts=attempts, upstream_us=max(first.upstream_us, second.upstream_us))


def proves(outcome: Outcome) -> bool:
    """
    Tell whether the answer to a request under a key that the vendor honours says how every earlier one under it ended.
    """
    if outcome.applied is not Applied.NOT_APPLIED:
        return outcome.applied is Applied.APPLIED
    refused = outcome.status is not None and 400 <= outcome.status < 500
    return refused and outcome.status not in AT_THE_DOOR and outcome.health is not Health.THROTTLE


def _clamped(seconds: float) -> float:
    return min(STATED_MAX_S, max(0.0, seconds))


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _used_up(headers: Mapping[str, str], reset: str) -> bool:
    return _number(headers.get(reset.replace("reset", "remaining"), "")) == 0


def _until(text: str, now: datetime, *, epoch: bool) -> float | None:
    """
    Read a delay or a moment; with `epoch` a number may be one since 1970.
    """
    number = _number(text)
    if number is not None:
        return number - now.timestamp() if epoch and number >= _EPOCH_FROM else number
    at = _moment(text.strip())
    return None if at is None else (at - now).total_seconds()


def _moment(text: str) -> datetime | None:
    if len(text) > _VALUE_LENGTH_MAX:
        return None
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
