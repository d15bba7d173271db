"""What a condition is asked of: a call, the time and what was looked up, as the values of an expression's roots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from config.catalog import Place
from config.money import Money

Arguments = Mapping[tuple[Place, str], object]

NOTHING: Mapping[str, object] = MappingProxyType({})


def values_of(
    arguments: Arguments,
    *,
    words: Mapping[str, str],
    task: Mapping[str, object],
    at: datetime,
    zone: str,
    wanted: Collection[str],
    looks: Mapping[str, object] = NOTHING,
    moved: Money | None = None,
) -> dict[str, object]:
    """
    Return the value of each root that is wanted; `words` are those that are text (`agent`, `api`, `operation`,
    `method`).

    An argument that stands in two places is in neither `args`, because nobody knows which one counts, nor refused where
    a condition names its place. What nothing is known of is left out: who reads it gets no answer.
    """
    places: dict[str, dict[str, object]] = {place.value: {} for place in Place}
    for (place, name), value in arguments.items():
        places[place.value][name] = value
    values: dict[str, object] = {
        "args": _once(places.values()),
        **places,
        **words,
        "task": {name: value for name, value in task.items() if value is not None},
        "now": at,
        "look": looks,
    }
    if "local" in wanted:
        values["local"] = local_time(at, zone)
    return values if moved is None else with_money(values, moved)


def with_money(values: Mapping[str, object], moved: Money) -> dict[str, object]:
    """
    Return values with what a call would move, in micro-units.
    """
    return {**values, "moved": {"amount": moved.micros, "currency": moved.currency}}


def _once(places: Iterable[Mapping[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    twice: set[str] = set()
    for members in places:
        twice |= found.keys() & members.keys()
        found |= members
    return {name: value for name, value in found.items() if name not in twice}


def local_time(at: datetime, zone: str) -> dict[str, object]:
    """
    Return a moment as a clock on the wall shows it there; Monday is 1.
    """
    here = at.astimezone(ZoneInfo(zone))
    return {
        "year": here.year,
        "month": here.month,
        "day": here.day,
        "hour": here.hour,
        "minute": here.minute,
        "weekday": here.isoweekday(),
        "date": here.strftime("%Y-%m-%d"),
        "time": here.strftime("%H:%M"),
    }
