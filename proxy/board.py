"""
What every process of a deployment must know of who may call or act: agents' keys and operators' tokens.

One that is made at one process is put on the board of the store that all share (`pinned.py`), and so is that it was
revoked. Each process looks there twice a second and takes what it does not know on its own record; so whatever the
board loses, any of them puts back. A revocation wins over everything, for ever, and takes hold before it is on record;
what was made takes hold once it is.

A process that cannot look does not know what was revoked elsewhere. So agents' keys open reads for `keys.away` longer
and no more, and operators' tokens then only look and stop; writes have ended by themselves before that. The token in
the state folder goes on: whoever can read it has this process anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from breakers.store.protocol import StoreUnavailable
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.keys import AgentKey, Keys, OperatorToken, OperatorTokens
from proxy.ledger.access import Access
from proxy.logline import Log
from proxy.pinned import Pinned, PinSeal, id_of, letter, pinned

LOOK_S = 0.5
"""Between two looks: with the time that a look takes, what was done elsewhere takes hold within a second."""

RECORDED_AT_ONCE = 64
"""Of what a new process learns at its start: a batch of the record, and no more waiting than it takes."""

AWAY = "nothing was heard of the other processes for too long: whether this key was revoked there is not known"


class Pins(Protocol):
    """
    Where the board is.
    """

    async def changed(self, state: str) -> tuple[str, Mapping[str, bytes] | None]:
        """
        Return the state of the board, and all that stands there where it is not the state that is known.
        """

    async def pin(self, id_: str, kind: str, record: bytes, *, state: str, over: bytes = b"") -> bool:
        """
        Put a record there; False where something stands there that is not to be replaced by it.
        """


class Board:
    """
    The board, as one process sees it. Without pins, in a store that nobody shares, there is nothing to look at.

    `away_s` says for how long what is known here is good without a look.
    """

    def __init__(
        self,
        pins: Pins | None,
        seal: PinSeal,
        views: tuple[Keys, OperatorTokens],
        access: Access,
        replica: str,
        clock: Clock,
        log: Log,
    ) -> None:
        self._pins, self._seal, self._replica = pins, seal, replica
        (self._keys, self._operators), self._access = views, access
        self._clock, self._log = clock, log
        self._state, self._turn = "", asyncio.Lock()
        # By id: what stood there at the last look, and what it says, or None where none of us has put it there.
        self._there: dict[str, tuple[bytes, Pinned | None]] = {}
        # By id: what was revoked elsewhere and is not on record here, and whether it was known here before.
        self._owed: dict[str, bool] = {}
        self._heard = clock.monotonic()
        self.away_s = 0.0

    def __repr__(self) -> str:
        return f"Board({len(self._there)} there, {len(self._owed)} not on record)"

    @property
    def is_fresh(self) -> bool:
        """
        Tell whether it was looked at lately enough to go by what is known here.
        """
        return self._pins is None or self._clock.monotonic() - self._heard <= self.away_s

    def vouch(self) -> None:
        """
        Raise `StoreUnavailable` where nobody knows any more whether a key is still valid.
        """
        if not self.is_fresh:
            raise StoreUnavailable(AWAY)

    async def watch(self) -> None:
        """
        Look for ever.
        """
        while self._pins is not None:
            await asyncio.sleep(LOOK_S)
            await self.try_look()

    async def try_look(self) -> bool:
        """
        Look, and tell whether that could be done; if not, the next look does all of it.
        """
        try:
            await self.look()
        except (StoreUnavailable, LedgerUnavailable):
            return False
        except Exception as error:  # whatever it is: the next look is another attempt
            self._log.failure("", error)
            return False
        return True

    async def look(self) -> None:
        """
        Take what the board has and this process does not know, and put there what it lacks.

        Raise `StoreUnavailable` or `LedgerUnavailable` where that has to wait; what was revoked is revoked by then.
        """
        if self._pins is None:
            return
        async with self._turn:
            began = self._clock.monotonic()
            await self._read(self._pins)
            theirs = [one for _, one in self._there.values() if one is not None]
            known = self._known()
            for one in theirs:
                self._revoke(one, known.get(one.id))
            self._heard = began
            await self._record(theirs)
            await self._put(self._pins)

    async def _read(self, pins: Pins) -> None:
        state, there = await pins.changed(self._state)
        if there is not None:
            before, self._there = self._there, {}
            for id_, value in there.items():
                known = before.get(id_)
                same = known is not None and known[0] == value
                self._there[id_] = known if same and known is not None else (value, self._seal.open(id_, value))
        self._state = state

    def _revoke(self, one: Pinned, own: AgentKey | OperatorToken | None) -> None:
        if not one.revoked or (own is not None and own.revoked):
            return
        self._owed[one.id] = own is not None
        match one.shown():
            case AgentKey() as key:
                self._keys.minted(key)
                self._keys.revoked(key.kid)
            case OperatorToken() as token:
                self._operators.minted(token)
                self._operators.revoked(token.kid)

    async def _record(self, theirs: list[Pinned]) -> None:
        known = self._known()
        new = [one for one in theirs if one.id not in known or one.id in self._owed]
        for begins in range(0, len(new), RECORDED_AT_ONCE):
            await asyncio.gather(*(self._learn(one) for one in new[begins : begins + RECORDED_AT_ONCE]))

    async def _learn(self, one: Pinned) -> None:
        shown = one.shown()
        if self._owed.get(one.id):
            await self._access.revoked_elsewhere(shown, one.replica)
        else:
            await self._access.minted_elsewhere(shown, one.replica)
        # Stop here: on record. The next start knows it.
        self._owed.pop(one.id, None)
        match shown:
            case AgentKey():
                self._keys.minted(shown)
            case OperatorToken():
                self._operators.minted(shown)

    async def _put(self, pins: Pins) -> None:
        """
        Put there what it lacks, and what is on record here in the place of what is not to be believed.
        """
        for id_, own in self._known().items():
            value, theirs = self._there.get(id_, (b"", None))
            if theirs is None or (own.revoked and not theirs.revoked):
                one = pinned(own, self._replica)
                junk = value if theirs is None else b""
                await pins.pin(id_, letter(one), self._seal.seal(one), state=self._seal.name(), over=junk)

    def _known(self) -> dict[str, AgentKey | OperatorToken]:
        every: tuple[AgentKey | OperatorToken, ...] = (*self._keys.all(), *self._operators.all())
        return {id_of(one): one for one in every}
