"""
What calls of an API cost, as people write it: a price for each call, and prices by the unit of what an answer says was
used.

What a price by the unit comes to is known only from the answer; so each says how much is used at most, as a number or
as the argument in which the caller bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator, model_validator
from pydantic import WithJsonSchema as Schema

from config.caps import COUNT_MAX, Sum
from config.catalog import Place
from config.faults import Unreadable
from config.money import Money
from config.written import Strict, Whole

_POINTER = re.compile(r"(?:/[^/]+)+")

# How many prices by the unit one call has at most: models price input, output, two kinds of cache, and tools.
METERED_MAX = 8

_AT_MOST = "write a whole number, or the argument that bounds it: `body.max_tokens`"


def _read_pointer(written: object) -> object:
    if not isinstance(written, str) or not _POINTER.fullmatch(written) or len(written) > 200:
        raise Unreadable("this must be a JSON pointer into the answer", "write `/usage/output_tokens`")
    return written


def _read_at_most(written: object) -> int | str:
    if isinstance(written, int) and not isinstance(written, bool) and 0 <= written <= COUNT_MAX:
        return written
    place, dot, name = written.partition(".") if isinstance(written, str) else ("", "", "")
    if not dot or not name or place not in tuple(Place):
        raise Unreadable("this must say how many units are used at most", _AT_MOST)
    return f"{place}.{name}"


class Metered(Strict):
    """
    A price by the unit of something that the answer counts.
    """

    answer: Annotated[str, BeforeValidator(_read_pointer)]
    """Where the answer says how many units were used: a JSON pointer."""
    each: Sum
    """What `per` units cost."""
    per: Annotated[Whole, Field(ge=1, le=COUNT_MAX)] = 1
    """For how many units `each` is the price."""
    at_most: Annotated[
        int | str,
        PlainValidator(_read_at_most),
        Schema(
            {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}], "examples": [4096, "body.max_tokens"]}
        ),
    ]
    """How many units one call uses at most: a number, or the argument that says so."""


class Price(Strict):
    """
    What one call costs: both parts together, in one currency.
    """

    call: Sum | None = None
    """For the call itself."""
    metered: Annotated[tuple[Metered, ...], Field(max_length=METERED_MAX)] = ()
    """For what it used, as its answer says."""

    @model_validator(mode="after")
    def _is_one_currency(self) -> Price:
        """
        Refuse a price of nothing, and one in two currencies.
        """
        if not self.currencies:
            raise Unreadable("a price says what a call costs", "write `{call: 0.001 USD}`")
        if len(set(self.currencies)) > 1:
            raise Unreadable("a price is in one currency", "write every part of it in the same one")
        return self

    @property
    def currencies(self) -> tuple[str, ...]:
        """
        Return the currency of each part.
        """
        return tuple(part.currency for part in self._parts())

    def _parts(self) -> Iterator[Money]:
        if self.call is not None:
            yield self.call
        yield from (one.each for one in self.metered)


def ranked(names: tuple[str, ...], pattern: str) -> tuple[bool, int]:
    """
    Return how much a pattern says of an operation of these names: one of them counts before a glob, a longer glob more.
    """
    return pattern in names, len(pattern)
