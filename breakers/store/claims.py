"""How a write takes all that it consumes of what several processes share, in one step."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from breakers.store import moves
from breakers.store.braking import asked as judged_by
from breakers.store.braking import granted
from breakers.store.charged import GIVEN_UP_MS, Charged, Said, keys_of, totals_of
from breakers.store.envelopes import enveloped_by
from breakers.store.events import opened_by
from breakers.store.link import Shared
from breakers.store.packed import pack_opened
from breakers.store.protocol import Exhausted
from breakers.store.suggested import SHELF
from breakers.verdict import Forward


class Claims:
    """
    Claims of names for a lease, over what is shared.
    """

    def __init__(self, shared: Shared, charged: Charged, lease_ms: int) -> None:
        self._shared, self._charged, self._lease_ms = shared, charged, lease_ms

    def __repr__(self) -> str:
        return f"<Claims {self._shared.tag} lease={self._lease_ms} ms>"

    async def claim(self, go: Forward) -> Said | Exhausted:
        """
        Claim a write's names, hold what it may take, and give it what it wishes for and its grant.
        """
        call, known = go.call, go.facts.known
        asked, held = ((), ()) if call.names is None else (call.names.asked, call.names.held)
        marks: tuple[str, ...] = (go.facts.marks or ())[1:]
        which, enveloped = judged_by(call), enveloped_by(call.caller)
        every = (record for records in known.under.values() for record in records)
        taken = {record.intent: record for record in every if moves.has_lapsed(record, go.facts.at)}
        further = sorted({name for record in taken.values() for name in moves.held(record)} - {*asked})
        # Whoever takes nothing of any cap does not wait for what others hold there: that lapses by itself.
        for intent in taken if go.charges else ():
            await self._charged.take_over(intent)
        keys = (
            *("epoch", "stops", "versions", f"intent:{call.id}", *keys_of(call.id), "breakers", *SHELF),
            *(f"name:{name}" for name in asked),
            *(f"intent:{intent}" for intent in taken),
            *(f"name:{name}" for name in further),
            *enveloped,
            *totals_of(go.charges),
        )
        claim = (self._shared.epoch, go.facts.generation, call.id, self._lease_ms, GIVEN_UP_MS)
        opened = pack_opened(opened_by(call, charges=go.charges))
        counts = (len(asked), len(taken), len(further))
        versions = tuple(known.versions.get(name, 0) for name in asked)
        names: tuple[str | int, ...] = (*versions, *(int(name in held) for name in asked), *taken)
        rest = (*names, *which.told, len(marks), *marks, len(enveloped))
        charged = self._charged.unrecorded(go.charges, "write")

        def ask(last: int) -> Awaitable[Any]:
            told = (charged, *granted(go, taken), *rest, *self._charged.told(go.charges, ask=True))
            return self._shared.run("reserve", keys, *claim, opened, *counts, self._charged.at(), last, *told)

        return await self._charged.admitted(go.charges, ask)
