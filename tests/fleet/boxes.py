"""Boxes and a board that stand in memory, for letters and keys between processes that are not there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from breakers.store.protocol import StoreUnavailable


@dataclass(repr=False)
class Boxes:
    """Letters in memory; `away` is a store that is gone, `taken` all that was ever put there, `lost` is never put."""

    away: bool = False
    boxes: defaultdict[str, asyncio.Queue[bytes]] = field(default_factory=lambda: defaultdict(asyncio.Queue))
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)

    async def post(self, to: str, letter: bytes) -> bool:
        if self.away:
            raise StoreUnavailable("it is away")
        self.taken.append((to, letter))
        if to in self.full:
            return False
        if to not in self.lost:
            self.boxes[to].put_nowait(letter)
        return True

    async def take(self, box: str, within_s: int) -> bytes | None:
        if self.away:
            raise StoreUnavailable("it is away")
        try:
            async with asyncio.timeout(within_s):
                return await self.boxes[box].get()
        except TimeoutError:
            return None


@dataclass(repr=False)
class Pinboard:
    """The board in memory, by the rules of the script."""

    there: dict[str, bytes] = field(default_factory=dict)
    state: str = ""
    away: bool = False

    async def changed(self, state: str) -> tuple[str, Mapping[str, bytes] | None]:
        if self.away:
            raise StoreUnavailable("it is away")
        return self.state, None if self.state == state else dict(self.there)

    async def pin(self, id_: str, kind: str, record: bytes, *, state: str, over: bytes = b"") -> bool:
        known = self.there.get(id_)
        if known is not None and known != over and (kind == "m" or known.startswith(b"r")):
            return False
        self.state = state
        self.there[id_] = kind.encode() + record
        return True

    def flush(self) -> None:
        """
        Lose everything.
        """
        self.there, self.state = {}, ""
