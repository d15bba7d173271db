"""
Reads that are charged to a cap, on record: before they are sent, because no crash may forget one, and at their end.

Both are waited for. What was held and has no end on record counts as taken whole.
"""

from __future__ import annotations

from breakers.call import Outcome
from breakers.store.protocol import HeldRead
from proxy.ledger import records
from proxy.ledger.keyring import KeyRing
from proxy.ledger.pen import Pen
from proxy.ledger.records import Delivered
from proxy.ledger.writer import Rank


class ChargedReads:
    """
    The record's verbs for them. `LedgerUnavailable` from `held` means that the read may not be sent.
    """

    def __init__(self, pen: Pen, ring: KeyRing) -> None:
        self._pen, self._ring = pen, ring

    def __repr__(self) -> str:
        return f"ChargedReads({self._pen!r})"

    async def held(self, held: HeldRead) -> None:
        """
        Record what a read may take, before it is sent.
        """
        await self._pen.durable(records.read_held(held.go, self._ring), Rank.READ)

    async def ended(self, held: HeldRead, outcome: Outcome, seen: Delivered, took: tuple[int, ...]) -> None:
        """
        Record how it ended and what it took.
        """
        await self._pen.durable(records.read_outcome(held.go, outcome, seen, self._ring, took), Rank.END)
