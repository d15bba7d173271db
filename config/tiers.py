"""
How much an agent may do alone, and what a person is to see first: tiers, and the approval rules of a card.

The stricter tier stands first: `shadow` parks every write and tells nobody, `suggest` parks it for whoever looks,
`approve` for its approver, and `auto` parks only what a rule parks. Reads pass in each of them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic import WithJsonSchema as Schema

from config.caps import Sums
from config.faults import Unreadable, did_you_mean
from config.operators import APPROVER
from config.written import Name, Seconds, Strict

SHADOW, SUGGEST, APPROVE, AUTO = TIERS = ("shadow", "suggest", "approve", "auto")
"""The tiers, the strictest first."""


def _read_tier(written: object) -> object:
    if isinstance(written, bool):
        raise Unreadable("this is no tier: YAML reads it as true or false", f"write one of {', '.join(TIERS)}")
    if not isinstance(written, str) or written not in TIERS:
        word = str(written)[:40]
        raise Unreadable(f"`{word}` is no tier", did_you_mean(word, TIERS))
    return written


Tier = Annotated[str, BeforeValidator(_read_tier), Schema({"enum": list(TIERS)})]
"""The name of a tier."""


class Approve(Strict):
    """
    What of an operation waits for an approver; `{}` is every write, for whoever holds `approver`.
    """

    over: Sums | None = None
    """Only what moves more than this. A list has a sum for each currency; what is uncertain is over it."""
    by: Name = APPROVER
    """The role that approves it, which somebody under `operators` holds."""
    within_s: Seconds | None = Field(default=None, alias="within")
    """How long that may take; then it is refused. Without it, as long as any suggestion waits."""


def strictest(tiers: tuple[str, ...]) -> str:
    """
    Return the strictest of some tiers.
    """
    return min(tiers, key=TIERS.index)
