"""Whether an agent's calls are compared with what they were, and what happens where they differ: on its card."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from config.faults import Unreadable
from config.written import Seconds, Strict

DAY_S = 86_400.0

BASELINE_S = 14 * DAY_S
"""Two of each weekday: one is no habit."""

ONCE_IN_S = 30 * DAY_S
"""Somebody who is called for nothing once a month still comes."""

DAYS_MIN, DAYS_MAX = 1, 60


def _days(seconds: float) -> float:
    if seconds % DAY_S or not DAYS_MIN * DAY_S <= seconds <= DAYS_MAX * DAY_S:
        raise Unreadable(f"a baseline is {DAYS_MIN} to {DAYS_MAX} whole days", "write `14d`")
    return seconds


def _seldom(seconds: float) -> float:
    if seconds < DAY_S:
        raise Unreadable("who is called for nothing more than once a day does not come", "write `30d`")
    return seconds


class Drift(Strict):
    """
    What an agent's calls are compared with, and what comes of it.
    """

    enabled: Annotated[bool, Field(strict=True)] = True
    """Whether they are compared; `drift: false` in place of all of this turns it off, too."""
    baseline_s: Annotated[Seconds, AfterValidator(_days)] = Field(default=BASELINE_S, alias="baseline")
    """How many of its last days they are compared with; until there are so many nothing is said."""
    once_in_s: Annotated[Seconds, AfterValidator(_seldom)] = Field(default=ONCE_IN_S, alias="once_in")
    """In how much time there may be one false alarm: less of it tells sooner, and more often for nothing."""
    act: Literal["alarm", "suggest"] = "alarm"
    """`alarm`: somebody is told. `suggest`: its writes are parked, too, until an operator has looked."""

    @property
    def days(self) -> int:
        """
        Return the days of the baseline.
        """
        return round(self.baseline_s / DAY_S)

    @property
    def once_in_days(self) -> float:
        """
        Return in how many days there may be one false alarm.
        """
        return self.once_in_s / DAY_S

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [False, "off"]}, handler(core)]}


def _read_drift(written: object) -> object:
    if written is False or written == "off":
        return {"enabled": False}
    if written is True or written is None or isinstance(written, str):
        raise Unreadable("this must be a mapping, or `false`", "leave it out for the defaults")
    return written


WrittenDrift = Annotated[Drift, BeforeValidator(_read_drift)]

STANDARD = Drift()
"""Of a card that says nothing."""
