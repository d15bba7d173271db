"""What resuming takes, and whether the program may stop by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from config.written import Strict, Whole

TWO = 2
"""One who asks, and one who looks at it once more: a third adds nobody."""


class KillSettings(Strict):
    """
    How a stop is lifted, and what begins one beside people.
    """

    resume_by: Annotated[Whole, Field(ge=1, le=TWO)] = 1
    """How many different operators it takes to resume, each with a token of his or her own where it is two."""
    auto: bool = True
    """Whether writes become suggestions where the clock jumps, or a write turns out to have been made twice."""
