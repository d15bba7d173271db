"""
Connections that only this process cannot make: it keeps itself back, and nobody else.

That no connection can be made says as much of us as of the upstream. So it trips the breaker of all only where two
processes say so; one that is alone with it (its name resolution is broken, its way out is cut) blocks the account for
itself, for a time that doubles, and tries again by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from breakers.breaker import READ, Breaker, State, Sums
from breakers.evidence import IN_A_ROW
from breakers.transitions import back_off_s

WITHIN_S = 60.0
"""Within what time so many faults in a row are a pattern."""


class LocalFaults:
    """
    The accounts that this process alone cannot reach, and how often in a row it could not.
    """

    def __init__(self) -> None:
        self._failed: dict[str, deque[float]] = {}
        self._trips: dict[str, int] = {}
        self._kept_back: dict[str, Breaker] = {}

    def __repr__(self) -> str:
        return f"LocalFaults({len(self._kept_back)} accounts kept back)"

    def failed(self, api: str, now: float) -> None:
        """
        Note that a connection could not be made, at this monotonic time.
        """
        self._failed.setdefault(api, deque(maxlen=IN_A_ROW)).append(now)

    def reached(self, api: str) -> None:
        """
        Note that an account answered, whatever it said.
        """
        self._failed.pop(api, None)
        self._trips.pop(api, None)

    def judge(self, sums: Sums, now: float, at: datetime, draw: float) -> Breaker | None:
        """
        Return the breaker by which this process keeps an account back from now on, where it is alone with its faults.
        """
        kind, _, rest = sums.key.partition(":")
        api = rest.partition("/")[0]
        failed = self._failed.get(api) or deque[float]()
        if kind != "api" or sums.alive < 2 or sums.locals >= 2 or len(failed) < IN_A_ROW:
            return None
        if api in self._kept_back or now - failed[0] > WITHIN_S:
            return None
        self._trips[api] = trips = self._trips.get(api, 0) + 1
        key = f"api:{api}/{READ}"
        breaker = Breaker(
            key,
            State.BLOCKED,
            since=at,
            until=at + timedelta(seconds=back_off_s(key, trips, draw)),
            trips=trips,
            why=f"T2: {IN_A_ROW} in a row could not connect, from this process alone",
        )
        self._kept_back[api] = breaker
        return breaker

    def over(self, at: datetime) -> tuple[Breaker, ...]:
        """
        Return those whose time is over, and let their accounts be tried again.
        """
        done = tuple(one for one in self._kept_back.values() if one.until is not None and one.until <= at)
        for api in [api for api, one in self._kept_back.items() if one in done]:
            del self._kept_back[api]
            self._failed.pop(api, None)
        return done

    def laid_over(self, api: str, breakers: Mapping[str, Breaker]) -> Mapping[str, Breaker]:
        """
        Return breakers as this process judges by them: an account that it cannot reach is blocked.
        """
        here = self._kept_back.get(api)
        return breakers if here is None else {**breakers, here.key: here}

    def all(self) -> tuple[Breaker, ...]:
        """
        Return those that keep this process back now.
        """
        return tuple(self._kept_back.values())
