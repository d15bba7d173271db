"""How people read what a call takes of the caps above it: at each cap, or in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from breakers.spend import LIFE
from config.faults import Unreadable
from config.money import Money

Entry = Mapping[str, Any]


def spell_amount(measure: str, amount: str) -> str:
    """
    Return an amount of a measure: a count, or money with its currency.
    """
    currency = measure.partition(":")[2]
    if not currency:
        return amount
    try:
        return str(Money(int(amount), currency))
    except Unreadable:
        return f"{amount} micro-units of {currency}"


def charge_lines(entry: Entry, bud: Sequence[Sequence[Any]]) -> Iterator[str]:
    """
    Yield what an entry says at each cap: what may be taken there, or was; `bud` is what its call was charged.
    """
    for charge in entry.get("bud", ()):
        yield f"may take {_at(charge, str(charge[3]))}"
    for charge, amount in zip(bud, entry.get("spent", ()), strict=False):
        yield f"took {_at(charge, amount)}"


def _at(charge: Sequence[Any], amount: str) -> str:
    node, period, measure = charge[:3]
    when = "" if period == LIFE else f" in {period}"
    return f"{spell_amount(measure, amount)} ({measure.partition(':')[0]}) of {node}{when}"


def charge_summary(entries: Sequence[Entry]) -> str:
    """
    Return in a few words what a call took of the caps above it, or still holds; empty where none stands above it.
    """
    bud = next((entry["bud"] for entry in entries if entry.get("bud")), None)
    if not bud:
        return ""
    spent = next((entry["spent"] for entry in reversed(entries) if entry.get("spent")), None)
    amounts = [charge[3] for charge in bud] if spent is None else spent
    # At every cap of one measure it is the same.
    said = {charge[2]: amount for charge, amount in zip(bud, amounts, strict=False)}
    told = ", ".join(f"{measure.partition(':')[0]} {spell_amount(measure, said[measure])}" for measure in said)
    return f"{'holds' if spent is None else 'took'} of its caps: {told}"
