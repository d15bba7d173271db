"""
What was spent and what is held at every cap, added up from raw records and nothing else: the oracle of every store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

Entry = Mapping[str, Any]
Sums = dict[str, tuple[int, int]]
"""By `node|period|measure`: what was taken, and what may have been."""


def spent_on_record(entries: Iterable[Entry]) -> Sums:
    """
    Return what the records of a log, and of those before it, say of every cap; a read without an end was taken whole.
    """
    every = list(entries)
    known: set[str] = set()
    taken: Counter[str] = Counter()
    held: Counter[str] = Counter()
    ends = dict(_ends(every))
    for entry in every:
        # What a new log says of a doubt of a former one was said there.
        call = held_as(entry)
        if not entry.get("bud") or call in known:
            continue
        known.add(call)
        assert all(_is_judged(charge) for charge in entry["bud"]), f"{call} was charged at no cap"
        keys = ["|".join(charge[:3]) for charge in entry["bud"]]
        amounts = [int(charge[3]) for charge in entry["bud"]]
        end = ends.get(call)
        if end is not None:
            assert len(end) == len(keys), f"{call} took of other caps than it was charged at"
            taken.update(dict(zip(keys, end, strict=True)))
        elif entry["k"] in {"call.held", "lease.taken"}:
            taken.update(dict(zip(keys, amounts, strict=True)))
        else:
            held.update(dict(zip(keys, amounts, strict=True)))
    sums = {key: (taken[key], held[key]) for key in {*taken, *held}}
    return {key: sum_ for key, sum_ in sums.items() if sum_ != (0, 0)}


def held_as(entry: Entry) -> str:
    """
    Return what an entry's charges are held as: a call, or a lease that reads take from.
    """
    held: str = entry.get("call") or entry.get("lease", "")
    return held


def in_micros(shown: int | str) -> int:
    """
    Return an amount as the program prints it: a count, or money in micro-units.
    """
    return shown if isinstance(shown, int) else int(Decimal(shown.split()[0]) * 10**6)


def _is_judged(charge: list[Any]) -> bool:
    _, _, _, amount, _, cap, alerts = charge
    return 0 <= int(amount) <= int(cap) and all(1 <= percent <= 100 for percent in alerts)


def _ends(entries: Iterable[Entry]) -> Iterator[tuple[str, list[int]]]:
    for entry in entries:
        resolved = entry["k"] == "recovery.resolved" and entry["state"] == "completed"
        ended = entry["k"] == "call.outcome" and entry["eff"] != "unknown"
        if (resolved or ended or entry["k"] == "lease.ended") and "spent" in entry:
            yield held_as(entry), [int(amount) for amount in entry["spent"]]
