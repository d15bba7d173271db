"""Puts drafts on record: waited for, or only taken."""

from __future__ import annotations

import asyncio

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
        return await self._submit(draft, rank)

    def note(self, draft: Draft) -> asyncio.Future[Written]:
        """
        Take a record; it becomes durable with the next batch, and nobody needs to wait for it.
        """
        # That it was lost is counted, and needs no second voice.
        future = self._submit(draft, Rank.READ, admitted=True)
        future.add_done_callback(_look)
        return future

    def _submit(self, draft: Draft, rank: Rank, *, admitted: bool = False) -> asyncio.Future[Written]:
        try:
            return self._writer.submit(checked(draft), rank, admitted=admitted)
        except ValueError as error:
            raise LedgerUnavailable(f"this cannot be put on record: {error}") from error


def _look(future: asyncio.Future[Written]) -> None:
    if not future.cancelled():
        future.exception()
