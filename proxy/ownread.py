"""
An agent's read under way: what is on record of it, and what the store is told at its end, whatever cuts it.

    reserved > on record as held > sent > its end on record > settled

Only a read that is charged to a cap is on record before it is sent, and only its end is waited for. Once it is held,
its end is seen to by the process: neither a caller who hangs up nor a stop leaves it without one.
"""

from __future__ import annotations

import asyncio

from breakers.call import Applied, Call, Fault, Health, Outcome, Retry, Sent
from breakers.known import Ended, State
from breakers.policy import Policy
from breakers.spend import amounts, released
from breakers.store.protocol import HeldRead
from proxy.ledger.book import Delivered
from proxy.metering import read_took
from proxy.noticing import Watch
from proxy.rooms import Rooms

NOTHING_SEEN = Delivered(0, b"", 0, complete=False)


class OwnRead:
    """
    One read from its reservation to its end.
    """

    __slots__ = ("_held", "_left", "_policy", "_record", "_rooms", "_seen_to", "_watch")

    def __init__(self, held: HeldRead, policy: Policy, watch: Watch, rooms: Rooms) -> None:
        self._held, self._policy, self._watch, self._rooms = held, policy, watch, rooms
        self._record: asyncio.Task[None] | None = None
        self._left = self._seen_to = False

    def __repr__(self) -> str:
        return f"OwnRead({self.call.id}, left={self._left}, seen to={self._seen_to})"

    @property
    def call(self) -> Call:
        """
        Return the call that it is.
        """
        return self._held.go.call

    async def begin(self) -> None:
        """
        Have it on record before it is sent, where it is charged to a cap.

        Raise `LedgerUnavailable` where that cannot be: it may not be sent.
        """
        if self._held.go.charges:
            self._record = self._rooms.settling.see_to(self._rooms.ledger.charged_reads.held(self._held))
            await asyncio.shield(self._record)

    def sent(self) -> None:
        """
        Note that its first byte leaves now.
        """
        self._left = True

    async def ended(self, outcome: Outcome, seen: Delivered, body: bytes | None = None) -> None:
        """
        Have its end on record, and settle what it took; `body` is the answer's, where it was read whole.
        """
        self._watch.read(outcome, seen)
        if not self._held.go.charges:
            # It holds nothing that there is to settle.
            await self._rooms.ledger.read_done(self._held, outcome, seen)
            return
        took = read_took(self._held.go, outcome, body, self._policy)
        self._seen_to = True
        await asyncio.shield(self._rooms.settling.see_to(self._end(outcome, seen, took)))

    def leave(self) -> None:
        """
        See to its end where nobody has: nothing of it is answered any more.
        """
        if not self._left:
            # Nothing of it was sent: it has tried nothing.
            self._rooms.sampler.given_up(self.call.id)
            self._rooms.slices.never_sent(self._held)
        if self._held.go.charges and not self._seen_to:
            self._seen_to = True
            self._rooms.settling.see_to(self._give_up())

    async def _end(self, outcome: Outcome, seen: Delivered, took: tuple[int, ...]) -> None:
        try:
            await self._rooms.ledger.charged_reads.ended(self._held, outcome, seen, took)
        except Exception:
            # Whatever it was: on record it has no end, so the next start takes it whole.
            await self._settle(amounts(self._held.go.charges))
            raise
        # Stop here: its end is on record, and the store holds it still. The next start settles it from there.
        await self._settle(took)

    async def _give_up(self) -> None:
        """
        Give back what was held where nothing left; what left is taken, although nobody saw how it ended.
        """
        if self._record is not None:
            await asyncio.wait({self._record})
        if self._record is None or self._record.exception() is not None:
            await self._rooms.settling.settle(self._held, None)
            return
        charges = self._held.go.charges
        took = amounts(charges) if self._left else released(charges)
        await self._end(CUT if self._left else NEVER_SENT, NOTHING_SEEN, took)

    async def _settle(self, took: tuple[int, ...]) -> None:
        ended = Ended(State.COMPLETED, self._rooms.clock.now(), applied=False, spent=took)
        await self._rooms.settling.settle(self._held, ended)


NEVER_SENT = Outcome(Applied.NOT_APPLIED, Health.IGNORE, Retry.SAFE, Sent.NO, attempts=0, fault=Fault.ABANDONED)
CUT = Outcome(Applied.NOT_APPLIED, Health.IGNORE, Retry.SAFE, Sent.YES, fault=Fault.ABANDONED)
