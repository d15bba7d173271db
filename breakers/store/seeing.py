"""
What a write is judged by where several processes share it: read for it in one step, or by what this process has seen.

What was only seen is marked. Nothing is concluded from it but that a write may pass, and the step that takes what the
write consumes compares all of it first; where something has moved that step says how it stands, so that a write which
may pass costs one question, and one that may not costs no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from breakers.breaker import keys_of
from breakers.call import Call
from breakers.facts import Facts
from breakers.known import Known
from breakers.store.braking import Asked, SharedBrakes
from breakers.store.ending import Ending
from breakers.store.lately import Lately
from breakers.store.link import Shared
from breakers.store.packed import Packer, millis


class Seeing(SharedBrakes):
    """
    The part of a shared store that says what is known.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime], packer: Packer) -> None:
        super().__init__(shared, now)
        self._packer, self._lately, self._ending = packer, Lately(shared, packer), Ending()

    def seen(self, call: Call) -> Facts | None:
        names = call.names
        if names is None or call.grant is not None or self._shared.emptied or self._owes():
            return None
        known = self._lately.known(names)
        if known is None:
            return None
        kept = self._seen(call)
        # Where the ledger is replayed meanwhile, all of it was of another time.
        marks = (self._shared.epoch, *self._gauged.marks(keys_of(call)))
        # Under a newer generation than that of the whole, something may be stopped of which nothing is known here.
        at, generation = self._now(), self._stopped.whole
        return Facts(at, generation, known=known, stops=kept.stops, breakers=kept.breakers, marks=marks)

    def _owes(self) -> bool:
        """
        Tell whether something has to be told before anybody is judged.
        """
        return bool(self._returns)

    def _read(self, call: Call, which: Asked, found: Sequence[Any]) -> Facts:
        """
        Return what a script found: at which moment of the server's clock, what keeps back, and what stands under names.
        """
        now_ms, stops, breakers, suggestions, *hashes = found
        at, names = self._now(), () if call.names is None else call.names.asked
        self._packer.ahead_ms = now_ms - millis(at)
        kept = self._kept(call, which, now_ms, (stops, breakers, suggestions))
        known = [self._packer.under(fields, now_ms, at) for fields in hashes]
        for name, fields in zip(names, hashes, strict=True):
            self._lately.found(name, fields)
        versions = {name: version for name, (version, _) in zip(names, known, strict=True)}
        under = {name: records for name, (_, records) in zip(names, known, strict=True) if records}
        return Facts(
            *(at, kept.generation),
            known=Known(under, versions),
            stops=kept.stops,
            breakers=kept.breakers,
            suggested=kept.suggested,
        )
