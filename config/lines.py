"""How an amount is put together of the items of a list: each item's unit price times its quantity, summed."""

from __future__ import annotations

from dataclasses import dataclass

UNITS = "units"
"""What an amount counts that is written in whole units of its currency, and not in minor ones."""


@dataclass(frozen=True, slots=True)
class Lines:
    """
    Where an item says its amount, its currency and how often it counts: JSON pointers into the item.

    Of `amount` exactly one must be there; `times` may be absent, and is then one. An item with any member but `members`
    (dotted) is not bounded by what is known here.
    """

    amount: tuple[str, ...]
    currency: str
    times: str = ""
    members: frozenset[str] = frozenset()
