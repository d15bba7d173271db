"""
What a judgement asks to be read, where reads may pass: reads of ours are calls, too.

An upstream that asked for fewer calls is not asked anything. Where the breaker of reads is being tried, they are made
under its one permit, which goes on to the call itself if that wants it, and is given back if it does not; so who only
writes tries an upstream as well, one call at a time.
"""

from __future__ import annotations

import contextlib
from functools import partial

from breakers.breaker import Breaker, Wish
from breakers.call import Call
from breakers.facts import Facts
from breakers.observe import taken
from breakers.policy import NOTHING_FOUND, Policy
from breakers.throttle import throttle
from breakers.verdict import Ask, Forward, Refuse
from proxy.look import look
from proxy.patience import Patience, patient
from proxy.rooms import Rooms


class Looking:
    """
    The reads for the sake of one call; what they were permitted and is not used is given back when its `turn` ends.
    """

    def __init__(
        self, call: Call, policy: Policy, turn: contextlib.ExitStack, rooms: Rooms, patience: Patience | None = None
    ) -> None:
        self._call, self._policy, self._rooms, self._patience = call, policy, rooms, patience or patient()
        self._holds = False
        turn.callback(self._give_back)

    def __repr__(self) -> str:
        return f"Looking({self._call.id}, holds={self._holds})"

    async def answered(self, ask: Ask, facts: Facts) -> Facts | Refuse | None:
        """
        Return the facts with what was read; None where another has the permit by now, and nothing was sent.

        Raise `StoreUnavailable` where a permit cannot be asked for.
        """
        if isinstance(left_alone := throttle(self._call, self._policy, facts, NOTHING_FOUND), Refuse):
            return left_alone
        for wish in ask.wishes:
            change = partial(self._rooms.observer.change, wish.key, partial(self._taken, wish, facts))
            if await self._patience.ask(self._rooms.store, change) is None:
                return None
            self._holds = True
        return facts.with_looks(*await look(self._call, ask.reads, self._rooms))

    def reserved(self, go: Forward) -> None:
        """
        Note what the call has taken for itself: that permit is not ours to give back any more.
        """
        self._holds = self._holds and not any(wish.probe for wish in go.wishes)

    def _taken(self, wish: Wish, facts: Facts, known: Breaker | None) -> Breaker | None:
        return taken(known, wish, self._call.id, facts.at)

    def _give_back(self) -> None:
        if self._holds:
            self._rooms.sampler.given_up(self._call.id)
