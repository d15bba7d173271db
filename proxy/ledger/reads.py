"""
Reads that are charged to a cap, on record: before they are sent, because no crash may forget one, and at their end.

Both are waited for. What was held and has no end on record counts as taken whole. A lease is on record in the same way:
so many calls that were taken ahead of the reads that will spend them, before the first does, and once none does more.
"""

from __future__ import annotations

from breakers.call import Outcome
from breakers.store.protocol import HeldRead
from proxy.ledger import records
from proxy.ledger.charges import bud, spent
from proxy.ledger.drafts import Draft, present, stamp
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
        await self._pen.durable(records.read_outcome(held, outcome, seen, self._ring, took), Rank.END)

    async def leased(self, held: HeldRead) -> None:
        """
        Record what is leased, under an id of its own, before any of it is taken.
        """
        await self._pen.durable(lease_taken(held), Rank.READ)

    async def given_back(self, held: HeldRead, took: tuple[int, ...]) -> None:
        """
        Record what was taken of a lease, of which nothing is taken any more.
        """
        await self._pen.durable(lease_ended(held, took), Rank.END)


def lease_taken(held: HeldRead) -> Draft:
    """
    Return the record of so many calls that were leased, under an id of the lease's own.
    """
    call = held.go.call
    fields = {**_lease(held), "at": stamp(call.at), "bud": bud(held.go.charges)}
    return Draft("lease.taken", call.caller.task, fields)


def lease_ended(held: HeldRead, took: tuple[int, ...]) -> Draft:
    """
    Return the record of what was taken of a lease.
    """
    return Draft("lease.ended", held.go.call.caller.task, present({**_lease(held), "spent": spent(took)}))


def _lease(held: HeldRead) -> dict[str, object]:
    return {"lease": held.go.call.id, "agent": held.go.call.caller.agent}
