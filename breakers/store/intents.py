"""
The records of intents, where several processes share them: what each becomes is decided by the functions of every
store, and a script puts it there if the record is still the one that was seen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from breakers.breaker import Wish
from breakers.known import IN_FLIGHT, Earlier, Ended, State
from breakers.spend import released
from breakers.store import moves
from breakers.store.charged import Charged, keys_of, totals_of
from breakers.store.events import IntentOpened, opened_by
from breakers.store.gauged import permits
from breakers.store.history import Decide, History, ending
from breakers.store.lately import Lately
from breakers.store.link import Shared, reading, text
from breakers.store.packed import Kept, Move, Packer, micros, pack_charges
from breakers.store.protocol import OpenIntent, StoreUnavailable
from breakers.store.suggested import SHELF
from breakers.verdict import Forward

ANSWER_BYTES_MAX = 256 * 1024
"""A larger answer stays in the ledger of the process that has it."""

ROUNDS = 16
"""How often a move is decided anew because the record moved meanwhile: it has few states, so more is no coincidence."""


class Owing(NamedTuple):
    """
    How an intent of this process ended, and its sealed answer; what it wished for, where it was let go.
    """

    opened: IntentOpened
    ended: Ended
    answer: bytes | None
    let_go: tuple[Wish, ...] | None


def never_sent(go: Forward, at: datetime) -> Owing:
    """
    Return how a write ended whose claim had no answer: whether or not it was taken, nobody sends it.
    """
    charges = go.charges
    ended = Ended(State.COMPLETED, at, applied=False, delivered=False, spent=released(charges))
    return Owing(opened_by(go.call, charges=charges), ended, None, go.wishes)


class Intents:
    """
    The records, over what is shared.
    """

    def __init__(self, shared: Shared, packer: Packer, charged: Charged, lately: Lately) -> None:
        self._shared, self._packer, self._charged, self._lately = shared, packer, charged, lately
        # The name of this replica, which what it tells is known by.
        self.replica = ""

    def __repr__(self) -> str:
        return f"<Intents {self._shared.tag}>"

    async def change(
        self,
        intent: str,
        seen: bytes | None,
        decide: Decide,
        answer: bytes | None = None,
        let_go: tuple[Wish, ...] | None = None,
    ) -> tuple[bool, Kept | None]:
        """
        Move a record as `decide` says, from what it is when it moves. Return whether it moved, and from or at what.

        `seen` is what it is taken to be; None asks first. What it is charged with and what it carries out move in the
        same step. Of what was `let_go` before it was sent the grant is given back, and the permits of these wishes.
        """
        small = answer if answer is not None and len(answer) <= ANSWER_BYTES_MAX else b""
        with reading():
            value: bytes = seen if seen is not None else await self._shared.ask("GET", f"intent:{intent}") or b""
            for _ in range(ROUNDS):
                kept = self._packer.read(value)
                move = decide(kept)
                if move is None:
                    return False, kept
                done, value = await self._move(intent, value, move, small, let_go)
                if done:
                    return True, kept
        raise StoreUnavailable("the record of an intent did not hold still")

    async def replay(self, history: History, *, carried: bool) -> None:
        """
        Make a record what the ledger says of its intent; `carried` tells whether this process has it in flight.
        """

        def decide(kept: Kept | None) -> Move | None:
            record, standing = (None, True) if kept is None else (kept.record, kept.standing)
            told = history.told(record, standing=standing, carried=carried)
            opened = replace(history.opened, replica=self.replica)
            return None if told is None else Move(told[0], opened, told[1], history.spent)

        # Most are new to an emptied Redis: to take each for new spares a question.
        await self.change(history.opened.intent, b"", decide)

    async def settle(self, owing: Owing, seen: bytes | None = None) -> None:
        """
        End an intent of this process, or note that nobody knows how it ended.
        """
        opened, ended, answer, let_go = owing
        await self.change(opened.intent, seen, ending(opened, ended, is_live=True), answer, let_go)

    async def earlier(self, intent: str) -> Earlier | None:
        """
        Return the record of an intent, while it is kept.
        """
        value = await self._shared.ask("GET", f"intent:{intent}")
        with reading():
            kept = self._packer.read(value)
        return None if kept is None else self._packer.as_of(kept, self._packer.now())

    async def open(self) -> tuple[OpenIntent, ...]:
        """
        Return the intents in flight and in doubt, oldest first.
        """
        values = await self._shared.ask("HVALS", "open")
        with reading():
            every = [self._packer.read(value) for value in values]
        known = sorted((kept for kept in every if kept is not None), key=lambda kept: moves.newest_first(kept.record))
        return tuple(
            OpenIntent(kept.opened, kept.record.state not in IN_FLIGHT, kept.record.state is State.PARKED)
            for kept in known
        )

    async def lingering(self) -> frozenset[str]:
        """
        Return the ids of those.
        """
        with reading():
            return frozenset(text(intent) for intent in await self._shared.ask("HKEYS", "open"))

    async def _move(
        self, intent: str, value: bytes, move: Move, answer: bytes, let_go: tuple[Wish, ...] | None
    ) -> tuple[int, bytes]:
        names, charges = moves.held(move.record), move.opened.charges
        keys = (
            *("versions", f"intent:{intent}", "open", f"answer:{intent}", *keys_of(intent), "breakers", *SHELF),
            *(f"name:{name}" for name in names),
            *totals_of(charges),
        )
        at = micros(move.record.ended_at or move.opened.at)
        carried = (move.opened.suggestion, int(let_go is not None), at, *permits(let_go or ()))
        charged = self._charged.told(charges, move.spent)
        told = (len(names), self._charged.at(), pack_charges(charges), *carried, *charged)
        run = self._shared.run("move", keys, *self._packer.arguments(value, move, answer), *told)
        done, found, *hashes = await run
        for name, fields in zip(names, hashes, strict=False):
            self._lately.found(name, fields)
        return done, found
