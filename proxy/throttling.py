"""What wants fewer calls of this process: an account, one of its operations or an object, until when, in its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from breakers.call import Call, Outcome
from breakers.facts import Throttled
from breakers.pace import paced, scopes_of
from config.dialect import Dialect

SCOPES_MAX = 10_000
"""Objects are as many as agents name; of more than these the oldest is asked again a little early."""


class Throttling:
    """
    The scopes that an upstream wants left alone, by account.
    """

    def __init__(self, dialects: Mapping[str, Dialect], now: Callable[[], datetime]) -> None:
        self._dialects, self._now = dialects, now
        self._asked: dict[str, Throttled] = {}

    def __repr__(self) -> str:
        return f"Throttling({len(self._asked)} scopes)"

    def heard(self, call: Call, outcome: Outcome) -> None:
        """
        Take what an answer says that throttles; what was asked for before stands, where that is longer.
        """
        now = self._now()
        pace = paced(call, outcome, self._dialects[call.api], now)
        if pace is None:
            return
        self._asked = {scope: one for scope, one in self._asked.items() if one.until > now}
        for scope in pace.scopes:
            known = self._asked.pop(scope, None)
            later = known is not None and known.until > pace.until
            self._asked[scope] = known if known is not None and later else Throttled(pace.until, pace.why)
        while len(self._asked) > SCOPES_MAX:
            del self._asked[next(iter(self._asked))]

    def of(self, call: Call, at: datetime) -> Throttled | None:
        """
        Return what keeps a call back for longest at this moment, if anything does.
        """
        if not self._asked:
            return None
        found = [self._asked[scope] for scope in scopes_of(call) if scope in self._asked]
        return max((one for one in found if one.until > at), key=lambda one: one.until, default=None)
