"""What is on record of the configuration: each one that was applied while a process ran, and which was before."""

from __future__ import annotations

from proxy.ledger.drafts import system
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank


class Configured:
    """
    The record's verb for a configuration that is about to be applied; the first one of a process is on record with it.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"Configured({self._pen!r})"

    async def applied(self, version: str, was: str) -> None:
        """
        Record that every call that begins from now on is judged by this version.
        """
        await self._pen.durable(system("config.applied", hash=version, was=was), Rank.END)
