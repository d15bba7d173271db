"""How many parked writes wait for a person at once, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from config.faults import Unreadable
from config.written import Seconds, Strict, Whole

EXPIRE_MAX_S = 31 * 86_400.0
"""What was not looked at for a month nobody means any more, and no cap has a longer period."""


def _not_above(seconds: float) -> float:
    if seconds > EXPIRE_MAX_S:
        raise Unreadable(
            "a suggestion waits for 31 days at most", "write at most `31d`; whoever asks again is kept anew"
        )
    return seconds


class SuggestionSettings(Strict):
    """
    What is kept of parked writes.
    """

    open_max: Annotated[Whole, Field(ge=1, le=10_000)] = 100
    """How many of one agent may wait at once; beyond it a write is refused, and none that waits is pushed out."""
    expire_s: Annotated[Seconds, AfterValidator(_not_above)] = Field(default=86_400.0, alias="expire")
    """For how long one waits where no approval rule says less."""
