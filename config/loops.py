"""
What counts as doing the same over and over, on an agent's card.

Every number has a default, and a card that says nothing has them all. What is declared to be polling is not a loop, and
what is declared volatile tells no two calls apart.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from config.faults import Unreadable
from config.habit import POLL_FOR_S, POLL_INTERVAL_S
from config.written import Frozen, Seconds, Strict, Text, Whole


class Poll(Strict):
    """
    How a read may be polled.
    """

    min_interval_s: Seconds = Field(default=POLL_INTERVAL_S, alias="min_interval")
    """What comes sooner than this after the one before is no polling, and counts."""
    max_s: Seconds = Field(default=POLL_FOR_S, alias="max")
    """For how long the same answer may be asked for again."""


class TaskTotals(Strict):
    """
    What one opened task may come to before a person looks at it.
    """

    calls: Annotated[Whole, Field(ge=1, le=1_000_000)] = 500
    """Calls that reach an API; polling is not among them."""
    writes: Annotated[Whole, Field(ge=1, le=1_000_000)] = 50
    """Writes among them."""
    lasts_s: Seconds = Field(default=3600.0, alias="lasts")
    """Time since it was opened."""


def _read_volatile(written: object) -> object:
    if not isinstance(written, list | tuple) or not written:
        raise Unreadable("this must be a list of arguments", "write `[nonce]`")
    return written


class Loops(Strict):
    """
    What counts as a loop: within 10 minutes or 200 calls of one task, where nothing else is said.
    """

    enabled: Annotated[bool, Field(strict=True)] = True
    """Whether anything does; `loops: false` in place of all of this turns it off, too."""
    errors: Annotated[Whole, Field(ge=2, le=100)] = 4
    """Of equal calls that the API refuses in the same way, which one is not made any more; the one before is warned."""
    answers: Annotated[Whole, Field(ge=2, le=200)] = 10
    """After so many equal answers the same read is not made again; after half as many it is warned."""
    cycles: Annotated[Whole, Field(ge=2, le=20)] = 3
    """After so many rounds of the same two, three or four calls with the same answers none of them is made again."""
    writes: Annotated[Whole, Field(ge=1, le=1000)] = 30
    """Writes of one operation at one place that may be made in five minutes, by a task and by the agent."""
    refusals: Annotated[Whole, Field(ge=2, le=1000)] = 20
    """After so many refusals by the card within a minute the task is suspended for a minute."""
    task: TaskTotals = TaskTotals()
    """What one opened task may come to."""
    volatile: Frozen[Annotated[tuple[Text, ...], BeforeValidator(_read_volatile)]] = Field(
        default_factory=dict, validate_default=True
    )
    """Arguments that tell no two calls apart: `{OPERATION-OR-GLOB: [ARGUMENT]}`."""
    poll: Frozen[Poll] = Field(default_factory=dict, validate_default=True)
    """Reads that are made again until their answer changes: `{OPERATION-OR-GLOB: {min_interval, max}}`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [False, "off"]}, handler(core)]}


def _read_loops(written: object) -> object:
    if written is False or written == "off":
        return {"enabled": False}
    if written is True or written is None or isinstance(written, str):
        raise Unreadable("this must be a mapping, or `false`", "leave it out for the defaults")
    return written


CardLoops = Annotated[Loops, BeforeValidator(_read_loops)]

STANDARD = Loops()
"""Of a card that says nothing."""
