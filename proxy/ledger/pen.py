"""Puts drafts on record: waited for, or only taken."""

from __future__ import annotations

from proxy.errors import LedgerUnavailable
from proxy.ledger.drafts import Draft, checked
from proxy.ledger.tail import Written
from proxy.ledger.writer import Rank, Writer


class Pen:
    """
    What every verb of the ledger writes with.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __repr__(self) -> str:
        return f"Pen({self._writer!r})"

    async def durable(self, draft: Draft, rank: Rank) -> Written:
        """
        Return where a record stands, once it is durable.

        Raise `LedgerUnavailable` where it cannot be.
        """
        self._writer.admit(rank)
        return await self._writer.submit(_writable(draft), rank)

    async def read(self, draft: Draft, *, durable: bool) -> None:
        """
        Take the record of a read that was admitted before it was made, and wait for it where it is to be durable.
        """
        if not durable:
            return self.note(draft)
        self._writer.admit(Rank.END)
        await self._writer.submit(_writable(draft), Rank.READ)
        return None

    def note(self, draft: Draft) -> None:
        """
        Take a record of what was admitted, as it comes; it becomes durable soon, and nobody waits for it.
        """
        # That it was lost is counted, and needs no second voice.
        self._writer.admit(Rank.END)
        self._writer.leave(_writable(draft))


def _writable(draft: Draft) -> Draft:
    try:
        return checked(draft)
    except ValueError as error:
        raise LedgerUnavailable(f"this cannot be put on record: {error}") from error
