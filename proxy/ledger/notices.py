"""The record's verbs for breakers that moved, and for what people were told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakers.breaker import Breaker
from proxy.ledger.blobs import Kept
from proxy.ledger.drafts import Part, system
from proxy.ledger.moved import CHANGED, moved_fields
from proxy.ledger.noticed import TOLD, Notice, noticed
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank


class Notices:
    """
    What is written of breakers and of notices; `untold` is what the record had at the start that nobody was told of.
    """

    def __init__(self, pen: Pen, untold: Mapping[str, Notice]) -> None:
        self._pen, self.untold = pen, tuple(untold.values())

    def __repr__(self) -> str:
        return f"Notices({len(self.untold)} untold at the start)"

    async def breaker_changed(self, before: Breaker | None, after: Breaker, notice: str, *, here: bool = False) -> None:
        """
        Record how a breaker stands now, and under which id that is announced.
        """
        draft = system(CHANGED, **moved_fields(before, after, here=here), **noticed("breaker", notice))
        if after.why:
            draft = replace(draft, parts=(Part("reason", Kept(after.why.encode())),))
        await self._pen.durable(draft, Rank.END)

    async def told(self, notice: str) -> None:
        """
        Record that everyone was told of one.
        """
        await self._pen.durable(system(TOLD, notice=notice), Rank.END)
