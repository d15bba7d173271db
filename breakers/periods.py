"""
Hours, days and months of a calendar in a time zone: which one a moment is in, and when it is over.

A day is as long as its zone says, 23 or 25 hours where clocks change; an hour that a clock shows twice is two hours,
told apart by their offset from UTC, and one that it skips is none. Nothing but the zone's own data computes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from breakers.spend import LIFE

HOUR, DAY, MONTH = "hour", "day", "month"
PERIODS = (HOUR, DAY, MONTH)

# The calls of one second share what is computed for it: offsets are whole seconds, so no period begins within one.
# Room for the periods of every node of a busy second.
_REMEMBERED = 4096

_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)

# How much of a moment as ISO 8601 writes it names an hour; what stands behind its seconds is its offset.
_TO_THE_HOUR, _TO_THE_SECOND = len("2026-11-21T14"), len("2026-11-21T14:00:00")


def span_of(period: str) -> str:
    """
    Return what kind of period an id names, `life` among them; the length of an id says it.
    """
    return {len(LIFE): LIFE, len("2026-11"): MONTH, len("2026-11-21"): DAY}.get(len(period), HOUR)


@dataclass(frozen=True, slots=True)
class Period:
    """
    One hour, day or month: its id, which no other of its zone has, and when it is over.
    """

    id: str
    until: datetime


def period_at(kind: str, zone: str, at: datetime) -> Period:
    """
    Return the hour, day or month of a zone's calendar that a moment is in.
    """
    return _period(kind, zone, at.replace(microsecond=0))


@lru_cache(maxsize=_REMEMBERED)
def day_ends(day: str) -> datetime | None:
    """
    Return when a day of UTC is over that is written as its period is; None where it is not.
    """
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + _DAY
    except ValueError:
        return None


@lru_cache(maxsize=_REMEMBERED)
def _period(kind: str, zone: str, at: datetime) -> Period:
    at, tz, name = at.astimezone(UTC), ZoneInfo(zone), _NAMES[kind]
    local = at.astimezone(tz)
    this = name(local)
    return Period(this, _first_after(at, _after(kind, local), lambda moment: name(moment.astimezone(tz)) == this))


def _after(kind: str, local: datetime) -> datetime:
    """
    Return a moment at which a period is over, mostly the first.
    """
    if kind == HOUR:
        return local.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second) + _HOUR
    midnight = local.replace(hour=0, minute=0, second=0)
    following = midnight + _DAY if kind == DAY else (midnight.replace(day=1) + 31 * _DAY).replace(day=1)
    # What a clock shows twice, or never, stands for two moments: behind the later one it is over.
    return max(following.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def _first_after(inside: datetime, outside: datetime, is_inside: Callable[[datetime], bool]) -> datetime:
    """
    Return the first moment that is outside, between one that is inside and one that is not.
    """
    if is_inside(outside - _SECOND):
        return outside
    while outside - inside > _SECOND:
        middle = inside + timedelta(seconds=int((outside - inside).total_seconds()) // 2)
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return outside


def _hour(local: datetime) -> str:
    written = local.isoformat(timespec="seconds")
    return written[:_TO_THE_HOUR] + written[_TO_THE_SECOND:]


def _day(local: datetime) -> str:
    return f"{local.year:04}-{local.month:02}-{local.day:02}"


def _month(local: datetime) -> str:
    return f"{local.year:04}-{local.month:02}"


_NAMES: dict[str, Callable[[datetime], str]] = {HOUR: _hour, DAY: _day, MONTH: _month}
