"""
When the breakers of an API account, or those of an agent, move: beside the API, and on the card.

Every number has a default, and whoever says nothing has them all. A breaker reads failures of the upstream (500, 503,
no answer in time), never what it refuses: a 404 or a declined card is the answer of a healthy API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic import WithJsonSchema as Schema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from config.faults import Fault, Unreadable
from config.shape import Places
from config.source import Trail
from config.written import Seconds, Strict, write_duration

ERRORS_PPM = 5_000
"""0.5 %: of an API that promises three nines, five times what it promises."""

OVER_S = 300
"""Five minutes: long enough that 0.5 % means something, and nothing of the last hour's trouble counts."""

SLOW_S = 10.0
"""Far above what a healthy API needs for one call, and below every time-out."""

# Counted in buckets of ten seconds: fewer than six of them are no window, and an hour is no news any more.
OVER_MIN_S, OVER_MAX_S = 60.0, 3600.0

_PERCENT = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,4}))?%")
_PPM_IN_PERCENT = 10_000


def read_percent(written: object) -> int:
    """
    Read `0.5%` as parts per million, more than none and less than all. Raises `Unreadable`.
    """
    if isinstance(written, str) and (match := _PERCENT.fullmatch(written)) is not None:
        ppm = int(match[1]) * _PPM_IN_PERCENT + int((match[2] or "").ljust(4, "0"))
        if ppm > 0:
            return ppm
        raise Unreadable("a share of nothing is passed by the first failure", "write `0.5%`, or `breaker: false`")
    if isinstance(written, str):
        raise Unreadable(f"`{written[:40]}` is not a share", "write percent, with its sign: `0.5%`")
    spelled = f"{written}%"
    way = f"write its sign: `{spelled}`" if _PERCENT.fullmatch(spelled) else "write percent, with its sign: `0.5%`"
    raise Unreadable("this must be a share in percent", way)


def write_percent(ppm: int) -> str:
    """
    Return a share as it is written.
    """
    whole, part = divmod(ppm, _PPM_IN_PERCENT)
    return f"{whole}.{part:04d}".rstrip("0").rstrip(".") + "%"


def _window(seconds: float) -> float:
    if not OVER_MIN_S <= seconds <= OVER_MAX_S:
        raise Unreadable("a breaker looks back a minute at least and an hour at most", "write `5m`")
    return seconds


class Breakers(Strict):
    """
    When its breakers move, and what then happens.
    """

    enabled: Annotated[bool, Field(strict=True)] = True
    """Whether any does; `breaker: false` in place of all of this turns them off, too."""
    errors_ppm: Annotated[
        int,
        BeforeValidator(read_percent),
        PlainSerializer(write_percent, return_type=str),
        Schema({"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]{1,4})?%$", "examples": ["0.5%"]}),
    ] = Field(default=ERRORS_PPM, alias="errors")
    """The share of its calls that may fail. More than that, as far as so few calls can prove it, trips the breaker."""
    over_s: Annotated[Seconds, AfterValidator(_window)] = Field(default=float(OVER_S), alias="over")
    """Within which time they are counted: `1m` to `1h`."""
    slow_s: Seconds = Field(default=SLOW_S, alias="slow")
    """What takes longer is slow; where most calls are, the breaker trips."""
    act: Literal["suggest", "watch"] = "suggest"
    """`suggest`: while it is tripped writes are parked. `watch`: all is counted and told, and nothing is kept back."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [False, "off"]}, handler(core)]}


def _read_breakers(written: object) -> object:
    if written is False or written == "off":
        return {"enabled": False}
    if written is True or written is None or isinstance(written, str):
        raise Unreadable("this must be a mapping, or `false`", "leave it out for the defaults")
    return written


WrittenBreakers = Annotated[Breakers, BeforeValidator(_read_breakers)]

STANDARD = Breakers()
"""Of whoever says nothing."""


def never_slow(trail: Trail, written: Breakers, longest_s: float, places: Places) -> Iterator[Fault]:
    """
    Yield a time that somebody wrote of which nothing is slow, because no write takes that long.
    """
    if "slow_s" in written.model_fields_set and written.slow_s >= longest_s:
        message = f"nothing takes longer: `timeouts.write_total` is {write_duration(longest_s)}"
        yield places.value((*trail, "breaker", "slow")).fault(message, "write less, `10s` say")
