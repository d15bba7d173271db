"""
Which part of what an agent has done somebody looks at afterwards, and by what it is judged.

The share is on the card, and on a rule where one operation needs another. The rubric is one for all agents, so that
what is marked can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic import WithJsonSchema as Schema

from config.faults import Unreadable
from config.written import Name, Strict, Text

_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%")
_PPM_IN_PERCENT = 10_000

ALL_PPM = 100 * _PPM_IN_PERCENT

RUBRIC_MAX = 12
"""Questions: whoever has more of them answers none."""

RUBRIC: Mapping[str, str] = MappingProxyType(
    {
        "needed": "It served the purpose on the agent's card, and its task needed it.",
        "target": "It touched the right object, and no other.",
        "values": "What it wrote is right: amounts, recipients, words.",
        "care": "It looked before it wrote, and did no more than was needed.",
    }
)
"""Good for any API: each is answered with 1 (not at all) to 5 (entirely)."""


def _read_share(written: object) -> int:
    if type(written) is int and written == 0:
        return 0
    if isinstance(written, str) and (match := _PERCENT.fullmatch(written)) is not None:
        ppm = int(match[1]) * _PPM_IN_PERCENT + int((match[2] or "").ljust(4, "0"))
        if ppm <= ALL_PPM:
            return ppm
        raise Unreadable("a share is at most everything", "write `100%`")
    if isinstance(written, str):
        raise Unreadable(f"`{written[:40]}` is not a share", "write percent, with its sign: `2%`")
    raise Unreadable("this must be a share in percent", f"write its sign: `{str(written)[:40]}%`")


def write_share(ppm: int) -> str:
    """
    Return a share as it is written.
    """
    whole, part = divmod(ppm, _PPM_IN_PERCENT)
    return (f"{whole}.{part:04d}".rstrip("0").rstrip(".") if part else str(whole)) + "%"


Share = Annotated[
    int,
    BeforeValidator(_read_share),
    PlainSerializer(write_share, return_type=str),
    Schema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?%$", "examples": ["2%"]}),
]
"""A share in parts per million, written in percent: `2%`."""


def _admit_rubric(rubric: Mapping[str, str]) -> Mapping[str, str]:
    if not 1 <= len(rubric) <= RUBRIC_MAX:
        raise Unreadable(f"a rubric has one to {RUBRIC_MAX} questions", "leave it out for the four that it has")
    return MappingProxyType(rubric)


class Reviews(Strict):
    """
    How what was done is judged by whoever looks at it afterwards.
    """

    rubric: Annotated[Mapping[Name, Text], AfterValidator(_admit_rubric)] = Field(
        default_factory=lambda: RUBRIC, validate_default=True
    )
    """What is asked of each write that is reviewed, by name: a sentence that is answered with 1 to 5 (entirely)."""
