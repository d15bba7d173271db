"""
When a call is sent to its upstream again, and after what delay.

| what the newest attempt was | sent again | after |
|---|---|---|
| held back by us, at a forbidden address, cut short by a stop | never | |
| a write of which no byte left, with none in doubt before it | twice | at once, then the delay |
| a write in doubt, under a key that the vendor still keeps | twice, the same bytes | the delay |
| any other write, whatever the vendor said of it | never | |
| a read that failed or was throttled before its body began | twice; a look once | the delay |
| a read whose answer nobody can read: the next is no other | never | |

The delay is full jitter (`breakers.retries`) or what the upstream asks for, whichever is longer. Nothing waits past the
time that is left: then the answer that there is goes back at once, and its caller reads there when to come again. That
time is the call's own, and of an agent's read what its caller waits. A write of which no byte left goes back while its
caller can still be told so: once that one has gone, "nothing was sent" has turned into "nobody knows yet".
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from enum import StrEnum

from breakers.call import Applied, Fault, Health, Outcome, Retry, Sent
from breakers.noun import noun
from breakers.results import HELD_BACK
from breakers.retries import (
    DELAY_BASE_S,
    DELAY_CAP_S,
    THROTTLED_BASE_S,
    RetryBudget,
    full_jitter_s,
    key_holds,
    stated_delay_s,
)
from proxy.clock import Clock, Randomness

RESENDS_MAX = 2

LOOK_RESENDS_MAX = 1
"""A judgement waits for it."""

BODY_BYTES_MAX = 1024 * 1024
"""A write in doubt that is larger is left to whoever looks for it: three of them at once would crowd out the rest."""

_NEVER_AGAIN = HELD_BACK | {Fault.REFUSED_ADDRESS, Fault.ABANDONED}
_NEVER_READ_AGAIN = _NEVER_AGAIN | {Fault.MALFORMED, Fault.TOO_LARGE}

Fields = Iterable[tuple[str, str]]

# As many as a float holds exactly, and one more than the largest number in them.
_DRAW_BYTES = 6
_DRAWS = 2.0**48


class Why(StrEnum):
    """
    Why a call is sent again.
    """

    UNSENT = "unsent"
    IN_DOUBT = "in-doubt"
    FAILED = "failed"
    THROTTLED = "throttled"


@noun
class Bounds:
    """
    What bounds the re-sends of one call; times are monotonic.

    `ends` is when the call is over, `told` says until when its caller waits. `connect_s` is what a connection may take.
    `since` and `kept_s` tell, for a write, since when and for how long the vendor keeps its key.
    """

    ends: float
    told: Callable[[], float]
    resends_max: int = RESENDS_MAX
    connect_s: float = 0.0
    since: datetime | None = None
    kept_s: int = 0
    resets: tuple[str, ...] = ()


class Retries:
    """
    What every account may still send again; `on_retry` is called with the account and the reason of each re-send.
    """

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        on_retry: Callable[[str, str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        self._randomness, self._on_retry = randomness, on_retry
        self._budgets: dict[str, RetryBudget] = {}
        # By account: a second, and the first attempts in it that are in no budget yet.
        self._firsts: dict[str, tuple[int, int]] = {}

    def begin(self, api: str, bounds: Bounds) -> Tries:
        """
        Count a first attempt and return what its call may still try.
        """
        second = math.floor(self.clock.monotonic())
        known = self._firsts.get(api)
        if known is not None and known[0] == second:
            self._firsts[api] = (second, known[1] + 1)
        else:
            self._budgets[api] = self._budget(api)
            self._firsts[api] = (second, 1)
        return Tries(self, api, bounds)

    def _budget(self, api: str) -> RetryBudget:
        """
        Return an account's budget with all that was counted, and count anew.
        """
        budget, known = self._budgets.get(api, RetryBudget()), self._firsts.pop(api, None)
        return budget if known is None else budget.deposited(*known)

    def spend(self, api: str, why: Why) -> bool:
        """
        Take one re-send out of an account's budget; False where there is none.
        """
        self._budgets[api] = budget = self._budget(api)
        left = budget.withdrawn(self.clock.monotonic())
        if left is None:
            return False
        self._budgets[api] = left
        self._on_retry(api, str(why))
        return True

    def draw(self) -> float:
        """
        Return a number from [0, 1).
        """
        return int.from_bytes(self._randomness(_DRAW_BYTES), "big") / _DRAWS


class Tries:
    """
    The attempts of one call.
    """

    __slots__ = ("_api", "_bounds", "_resent", "_retries")

    def __init__(self, retries: Retries, api: str, bounds: Bounds) -> None:
        self._retries, self._api, self._bounds = retries, api, bounds
        self._resent = 0

    @property
    def left_s(self) -> float:
        """
        Return how long the next attempt may take.
        """
        return max(0.0, self._bounds.ends - self._retries.clock.monotonic())

    def write(self, ended: Outcome, last: Outcome, fields: Fields) -> float | None:
        """
        Return the delay after which a write is sent again, or None.

        `ended` is what its attempts say together, `last` what the newest says, `fields` are the headers of its answer.
        """
        bounds, why = self._bounds, why_write(ended, last)
        if why is None:
            return None
        if why is Why.UNSENT:
            delay_s = 0.0 if self._resent == 0 else self._delay_s(last, fields)
            return self._spent(why, delay_s, min(bounds.ends, bounds.told()) - bounds.connect_s)
        if bounds.since is None or not key_holds(bounds.since, bounds.kept_s, self._retries.clock.now()):
            return None
        return self._spent(why, self._delay_s(last, fields), bounds.ends)

    def read(self, last: Outcome, fields: Fields) -> float | None:
        """
        Return the delay after which a read is sent again, or None.
        """
        why = why_read(last)
        if why is None:
            return None
        return self._spent(why, self._delay_s(last, fields), min(self._bounds.ends, self._bounds.told()))

    def _spent(self, why: Why, delay_s: float, until: float) -> float | None:
        if self._resent >= self._bounds.resends_max or self._retries.clock.monotonic() + delay_s >= until:
            return None
        if not self._retries.spend(self._api, why):
            return None
        self._resent += 1
        return delay_s

    def _delay_s(self, last: Outcome, fields: Fields) -> float:
        throttled = last.health is Health.THROTTLE
        # A key that is in use stays so for as long as the first request under it takes.
        later = throttled or (last.applied is Applied.UNKNOWN and last.health is Health.IGNORE)
        base_s = THROTTLED_BASE_S if later else DELAY_BASE_S
        drawn_s = full_jitter_s(self._resent + 1, base_s, DELAY_CAP_S, self._retries.draw())
        now = self._retries.clock.now()
        return max(drawn_s, stated_delay_s(dict(fields), now, self._bounds.resets, throttled=throttled) or 0.0)


def why_write(ended: Outcome, last: Outcome) -> Why | None:
    """
    Return why a write may be sent again, if it may: `ended` is what all its attempts say together, `last` the newest.
    """
    if last.fault in _NEVER_AGAIN or last.retry is Retry.NEVER:
        return None
    if ended.applied is Applied.UNKNOWN:
        return Why.IN_DOUBT
    return Why.UNSENT if ended.sent is Sent.NO else None


def why_read(last: Outcome) -> Why | None:
    """
    Return why a read may be sent again, if it may.
    """
    if last.fault in _NEVER_READ_AGAIN or last.retry is not Retry.SAFE:
        return None
    if last.health is Health.THROTTLE:
        return Why.THROTTLED
    return Why.UNSENT if last.sent is Sent.NO else Why.FAILED
