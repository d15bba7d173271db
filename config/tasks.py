"""How long tasks may be open where nobody says otherwise, and at most."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from config.faults import Unreadable
from config.written import Seconds, Strict

LIFE_MAX_S = 86_400.0
"""A unit of work that takes longer than a day is several; and a token that is lost is worth nothing after it."""


def _not_above(seconds: float) -> float:
    if seconds > LIFE_MAX_S:
        raise Unreadable("a task is open for a day at most", "write at most `24h`, and open another one after it")
    return seconds


class TaskSettings(Strict):
    """
    How long tasks, and with them their tokens, live.
    """

    ttl_s: Annotated[Seconds, AfterValidator(_not_above)] = Field(default=3_600.0, alias="ttl")
    """For how long a task is open where whoever opens it does not say."""
    max_ttl_s: Annotated[Seconds, AfterValidator(_not_above)] = Field(default=LIFE_MAX_S, alias="max_ttl")
    """For how long one may be opened."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.ttl_s > self.max_ttl_s:
            raise Unreadable("`ttl` is longer than `max_ttl`", "raise `max_ttl`, or lower `ttl`")
        return self
