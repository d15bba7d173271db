"""
Reads that a breaker keeps back, judged by this process alone while the store cannot be asked.

Nobody may move a breaker then, and one that blocks reads would do so for as long as the store is away. So each process
goes on by itself from what it saw last: once its time is over one read at a time tries the upstream, as the table says,
under generations of its own, which mean nothing to anybody else. Once the store answers, what stands there holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from breakers.breaker import READ, Breaker
from breakers.call import Outcome
from breakers.errorrate import is_shut
from breakers.observe import after, due, refunded, taken, told
from breakers.store.protocol import Exhausted, HeldRead, Reservation, Stale, Store
from breakers.verdict import Forward
from proxy.sampling import Admitted

OWN_GEN = -(10**9)
"""Where generations of one process alone begin: below zero, which no breaker that is shared ever reaches."""

SPREAD = 0.5
"""In the middle of the range of waiting times: whoever is alone need not keep out of others' way."""


class Alone:
    """
    The breakers of reads that this process moves by itself, as long as it has to.
    """

    def __init__(self) -> None:
        self._own: dict[str, Breaker] = {}

    def __repr__(self) -> str:
        return f"Alone({len(self._own)} breakers)"

    @property
    def is_trying(self) -> bool:
        """
        Tell whether a read has a permit.
        """
        return any(own.probe is not None for own in self._own.values())

    def look(self, view: Mapping[str, Breaker], at: datetime) -> None:
        """
        Go on by itself, from these as they were last seen, and move what time moves.
        """
        for key, seen in view.items():
            if key not in self._own and key.endswith(f"/{READ}") and is_shut(seen):
                self._own[key] = replace(seen, gen=OWN_GEN, probe=None)
        for key, own in self._own.items():
            self._own[key] = due(own, at, SPREAD) or own

    def over(self) -> None:
        """
        Have what stands in the store hold again.
        """
        self._own.clear()

    def laid_over(self, breakers: Mapping[str, Breaker]) -> Mapping[str, Breaker]:
        """
        Return breakers as this process judges by them.
        """
        if not self._own:
            return breakers
        return {key: self._own.get(key, one) for key, one in breakers.items()}

    async def reserve(self, go: Forward, store: Store) -> Reservation | Stale | Exhausted:
        """
        Take what a call consumes: a permit of this process alone from here, everything else from the store.
        """
        mine = [wish for wish in go.wishes if wish.gen < 0]
        if not mine:
            return await store.reserve(go)
        for wish in mine:
            own = taken(self._own.get(wish.key), wish, go.call.id, go.facts.at)
            if own is None:
                self.given_up(go.call.id)
                return Stale()
            self._own[wish.key] = own
        held: Reservation | Stale | Exhausted | None = None
        try:
            held = await store.reserve(replace(go, wishes=tuple(wish for wish in go.wishes if wish.gen >= 0)))
        finally:
            if not isinstance(held, HeldRead):
                self.given_up(go.call.id)
        return held

    def given_up(self, call: str) -> None:
        """
        Take back the permit of a call that proved nothing.
        """
        for key, own in self._own.items():
            self._own[key] = refunded(own, call) or own

    def ended(self, admitted: Admitted, outcome: Outcome, at: datetime, *, slow: bool) -> None:
        """
        Take in how an attempt ended.
        """
        for key, own in self._own.items():
            if key in admitted.heals:
                result = told(key, admitted.call, admitted.heals[key], outcome, slow=slow)
                self._own[key] = after(own, result, at, SPREAD) or own
