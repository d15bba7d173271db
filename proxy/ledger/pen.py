"""
Puts records on record: waited for, or only taken.

What is handed over as a function is drafted by the batch that writes it, and no call waits for that.
"""

from __future__ import annotations

from proxy.errors import LedgerUnavailable
from proxy.ledger.drafts import DISK_FULL, Draft, Record, system
from proxy.ledger.tail import Written
from proxy.ledger.writer import Rank, State, Writer


class Pen:
    """
    What every verb of the ledger writes with.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __repr__(self) -> str:
        return f"Pen({self._writer!r})"

    async def durable(self, record: Record, rank: Rank) -> Written:
        """
        Return where a record stands, once it is durable.

        Raise `LedgerUnavailable` where it cannot be.
        """
        self._writer.admit(rank)
        return await self._writer.submit(record, rank)

    async def read(self, record: Record, *, durable: bool) -> None:
        """
        Take the record of a read that was admitted before it was made, and wait for it where it is to be durable.
        """
        if not durable:
            return self.note(record)
        self._writer.admit(Rank.END)
        await self._writer.submit(record, Rank.READ)
        return None

    def note(self, record: Record, rank: Rank = Rank.READ) -> None:
        """
        Take a record of what was admitted, as it comes; it becomes durable soon, and nobody waits for it.
        """
        # That it was lost is counted, and needs no second voice.
        self._writer.admit(Rank.END)
        self._writer.leave(record, rank)

    async def close(self, reason: str) -> bool:
        """
        Say behind all that was taken that the log was closed, and write nothing more; tell whether that is durable.
        """

        def closed() -> Draft:
            # Drafted once all before it is on disk, or is lost because there was no room.
            return system("log.closed", reason=DISK_FULL if self._writer.state is State.READONLY else reason)

        try:
            await self.durable(closed, Rank.LAST)
        except LedgerUnavailable:
            # Where nothing can be said any more, the next start finds a stop that was not clean.
            return False
        finally:
            self._writer.stop()
        return True
