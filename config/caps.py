"""
Caps as people write them: how much may be moved, paid, called and written, over which time, and at what part of it
somebody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator
from pydantic import WithJsonSchema as Schema

from config.faults import Unreadable, did_you_mean
from config.money import Money
from config.written import Strict, Text, Whole

ALERTS = (50, 80, 100)
"""Where nobody says otherwise: early enough to look, late enough to matter, and when it is over."""

ALERTS_MAX = 8

COUNT_MAX = 2**53
"""The largest integer up to which stores that count in doubles agree with us."""


def _read_sums(written: object) -> tuple[Money, ...]:
    values = written if isinstance(written, list | tuple) else (written,)
    sums: list[Money] = []
    for value in values:
        if isinstance(value, Money):
            sums.append(value)
            continue
        if not isinstance(value, str):
            raise Unreadable(
                "an amount of money has a currency", "write `200 USD`, or a list of sums in other currencies"
            )
        sums.append(Money.parse(value))
    if not sums:
        raise Unreadable("an empty list caps nothing", "write `200 USD`, or leave it out")
    if any(one.micros < 0 for one in sums):
        raise Unreadable("this is not below zero", "write `0 USD` for nothing")
    if len({one.currency for one in sums}) < len(sums):
        raise Unreadable("one currency is capped twice", "write one sum for each currency")
    return tuple(sums)


Sums = Annotated[
    tuple[Money, ...],
    PlainValidator(_read_sums),
    PlainSerializer(lambda sums: [str(one) for one in sums], return_type=list),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


def _read_sum(written: object) -> Money:
    sums = _read_sums(written)
    if len(sums) > 1:
        raise Unreadable("this is one sum of money", "write one, as `5 USD`")
    return sums[0]


Sum = Annotated[
    Money,
    PlainValidator(_read_sum),
    PlainSerializer(str, return_type=str),
    Schema({"type": "string", "examples": ["5 USD"]}),
]


def _read_alerts(written: object) -> object:
    values = tuple(written) if isinstance(written, list | tuple) else written
    if not isinstance(values, tuple) or len(values) > ALERTS_MAX:
        raise Unreadable(f"this must be a list of at most {ALERTS_MAX} percentages", "write `[50, 80, 100]`")
    if list(values) != sorted(set(values)) or not all(type(one) is int and 1 <= one <= 100 for one in values):
        raise Unreadable("percentages are whole, rise, and lie from 1 to 100", "write `[50, 80, 100]`")
    return values


class Caps(Strict):
    """
    What may be taken over one time; what is not written is not capped. Several sums cap several currencies.
    """

    moved: Sums | None = None
    """Money moved by what is done. An operation that moves another currency is refused."""
    paid: Sums | None = None
    """Money paid for the calls, by the API's `prices`."""
    calls: Annotated[Whole, Field(ge=0, le=COUNT_MAX)] | None = None
    """Calls that reach the API, reads and writes."""
    writes: Annotated[Whole, Field(ge=0, le=COUNT_MAX)] | None = None
    """Writes that take effect, or may have."""
    alert: Annotated[tuple[int, ...], BeforeValidator(_read_alerts)] = ALERTS
    """At what percentages of a cap somebody is told, once."""

    @property
    def capped(self) -> bool:
        """
        Tell whether anything is capped.
        """
        return any(held is not None for held in (self.moved, self.paid, self.calls, self.writes))


NO_CAPS = Caps()


class PeriodCaps(Strict):
    """
    Caps by the calendar: in the node's time zone.
    """

    hour: Caps = NO_CAPS
    """In each hour."""
    day: Caps = NO_CAPS
    """On each day."""
    month: Caps = NO_CAPS
    """In each month."""

    @property
    def by_period(self) -> Mapping[str, Caps]:
        """
        Return the caps by the name of their period.
        """
        return {"hour": self.hour, "day": self.day, "month": self.month}


class CallCaps(Strict):
    """
    What one call may take, by itself.
    """

    moved: Sums | None = None
    """Money that it moves."""
    paid: Sums | None = None
    """Money that is paid for it."""


NO_CALL_CAPS = CallCaps()


class CardCaps(PeriodCaps):
    """
    The caps of an agent's card.
    """

    call: CallCaps = NO_CALL_CAPS
    """For each call by itself."""
    task: Caps = NO_CAPS
    """Over the life of each task; a call that names none belongs to the task of its day."""


def _zone(written: str) -> str:
    try:
        return ZoneInfo(written).key
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(written, available_timezones()) or "write an IANA name such as `Europe/Madrid`"
        raise Unreadable(f"`{written[:60]}` is no time zone", hint) from None


Zone = Annotated[Text, AfterValidator(_zone)]
"""An IANA time zone."""


class Team(Strict):
    """
    What the agents of a team take together, whose cards name it.
    """

    tz: Zone = "UTC"
    """The IANA time zone in which its hours, days and months begin."""
    caps: PeriodCaps = PeriodCaps()
    """What all of its agents may take together."""


NO_TEAMS: Mapping[str, Team] = MappingProxyType({})
