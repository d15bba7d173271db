"""The reads of one look: each under the account's own credential and in its own time, and what the API asks to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from breakers.call import Health, Outcome
from breakers.retries import stated_delay_s
from proxy.doubt.recorded import Doubt
from proxy.images import parse_image
from proxy.rooms import Rooms
from proxy.sight import SIGHT_BYTES_MAX, Plan, Sight, Taken, look_of, sight_of, take

READ_S = 10.0
"""For each read: nobody waits, and a list of a hundred objects takes a vendor longer than one of them."""


class Reader:
    """
    Reads for the sake of one write in doubt; `later_s` is what an answer last asked to wait.

    `ahead` is how far our clock is ahead of the one that dated the last answer, as far as that said so.
    """

    def __init__(self, doubt: Doubt, rooms: Rooms) -> None:
        self.doubt, self.rooms = doubt, rooms
        self.account = rooms.accounts[doubt.call.api]
        self.later_s: float | None = None
        self.ahead = timedelta()

    def __repr__(self) -> str:
        return f"Reader({self.doubt.opened.intent}, later_s={self.later_s})"

    async def take(self, plan: Plan, bytes_max: int = SIGHT_BYTES_MAX) -> Taken | None:
        """
        Make a read, or None where a value in it could lead it elsewhere.
        """
        look = look_of(plan, self.doubt.call, self.rooms, READ_S)
        if look is None:
            return None
        taken = await take(replace(look, reconciles=True), self.rooms, bytes_max)
        outcome, now = taken.outcome, self.rooms.clock.now()
        self.ahead = _ahead(outcome, now)
        throttled, resets = outcome.health is Health.THROTTLE, self.account.dialect.resets
        if outcome.status != 200:  # the field's own number
            self.later_s = stated_delay_s(dict(outcome.headers), now, resets, throttled=throttled) or self.later_s
        return taken

    async def see(self, plan: Plan) -> Sight:
        """
        Return what a read of one object showed.
        """
        taken, now = await self.take(plan), self.rooms.clock.now()
        if taken is None:
            return Sight(now, failed="what names it is not an object's id")
        return sight_of(taken, now, self.account.title)


def _ahead(outcome: Outcome, now: datetime) -> timedelta:
    try:
        return now - parsedate_to_datetime(dict(outcome.headers).get("date", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return timedelta()


def parsed(taken: Taken | None) -> object:
    """
    Return the parsed answer of a read that came whole and was 200; None for any other.
    """
    if taken is None or taken.outcome.status != 200 or taken.outcome.fault is not None or taken.cut:
        return None
    try:
        return parse_image(taken.body)
    except ValueError:
        return None
