"""
One call on its way to a verdict: facts, reads that a gate asks for, and the step that takes what the call consumes.

A write is judged first by what this process has seen, without a question. That decides nothing but that it may pass:
the step that takes what it consumes compares all of it, and where something has moved says how it stands, by which the
write is judged anew. Whatever else comes of what was only seen is forgotten, and asked for: a repeat is answered from
its first before any gate that may have changed, and nobody is refused, or parked, by what was so a moment ago.

So a write that passes asks twice before its first byte, here and with its mark; one that does not, once.
"""

from __future__ import annotations

import contextlib
from functools import partial

from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.loops import detected
from breakers.store.protocol import Exhausted, HeldRead, HeldWrite, Stale
from breakers.touching import touched
from breakers.verdict import Ask, Forward, Pending, Reason, Refuse, Repeat, Suggest
from proxy.errand import Errand
from proxy.exhausted import exhausted
from proxy.inbound import Inbound
from proxy.killing import STALE
from proxy.looking import Looking
from proxy.rooms import Rooms

REDECISIONS_MAX = 4
"""A look, a generation that moved, another look, another move: more than that is a state that does not settle."""

Judged = HeldWrite | HeldRead | Repeat | Refuse | Suggest | Pending


async def judged(call: Call, turn: contextlib.ExitStack, inbound: Inbound | Errand, rooms: Rooms) -> Judged:
    """
    Judge a call, with whatever reads that needs, and take what it consumes where it may pass.
    """
    try:
        return await Judgement(call, turn, inbound, rooms).made()
    except BaseException:
        # Whatever it was, nothing of it is sent: it was no call.
        inbound.watch.withdraw()
        raise


class Judgement:
    """
    A call that is being judged; what it holds until then is given back when its `turn` ends.
    """

    def __init__(self, call: Call, turn: contextlib.ExitStack, inbound: Inbound | Errand, rooms: Rooms) -> None:
        self._call, self._turn, self._inbound, self._rooms = call, turn, inbound, rooms
        # Whoever looks at something: few do.
        self._looking: Looking | None = None
        self._has_turn = not call.operation.writes
        # What was taken, or would be if there were room for it, was compared with all that there is.
        self._is_compared = False

    def __repr__(self) -> str:
        return f"Judgement({self._call.id}, {self._looking or 'looking at nothing'})"

    async def made(self) -> Judged:
        """
        Return what comes of the call. Raise `StoreUnavailable` where that cannot be told in time.
        """
        seen = self._rooms.store.seen(self._call)
        facts = await self._asked() if seen is None else self._noted(seen)
        for _ in range(REDECISIONS_MAX if seen is None else REDECISIONS_MAX + 1):
            said = await self._judged(facts)
            if not isinstance(said, Facts):
                if facts.marks is None or self._is_compared:
                    return said
                said = await self._asked(facts)
            facts = said
        return Refuse(Reason.UNSETTLED_STATE, "reserve", "The state that judges it kept moving.")

    async def _judged(self, facts: Facts) -> Judged | Facts:
        """
        Return what comes of the call by these facts, or those by which it is to be judged again.
        """
        with self._inbound.trail.stage("decide"):
            verdict = decide(self._call, self._inbound.policy, facts)
        if not self._has_turn and isinstance(verdict, Ask | Forward):
            # A write's turn with what it touches begins here, and ends once what it changed was seen.
            if objects := touched(self._call):
                self._turn.enter_context(self._rooms.pending.turn(self._call.id, objects))
            self._has_turn = True
        match verdict:
            case Ask() as ask:
                with self._inbound.trail.stage("look"):
                    return await self._looks().answered(ask, facts) or await self._asked(facts)
            case Forward() as go:
                return await self._passing(go)
            case Suggest() | Pending() as parked:
                # It was let pass by what was seen, maybe.
                self._inbound.watch.withdraw()
                return parked
            case Refuse() | Repeat() as said:
                return said

    def _looks(self) -> Looking:
        if self._looking is None:
            rooms, inbound = self._rooms, self._inbound
            self._looking = Looking(self._call, inbound.policy, self._turn, rooms, inbound.trail.patience)
        return self._looking

    async def _passing(self, go: Forward) -> Judged | Facts:
        """
        Take what a call consumes that may pass, unless something beside its judgement is against it.
        """
        call, inbound, rooms = self._call, self._inbound, self._rooms
        writes = call.operation.writes
        if writes and (no := not_now(rooms)) is not None:
            return no
        # Of the standing task of the day there is nothing to ask.
        if call.caller.named and (no := await inbound.trail.patience.ask(rooms.store, self._still)) is not None:
            return no
        if (no := inbound.binds(go)) is not None:
            return no
        if (many := inbound.watch.admit(go)) is not None:
            return inbound.watch.noted(go.facts) if many.parks else detected(many)
        inbound.trail.verdict = "forward"
        with inbound.trail.stage("reserve"):
            # One that wants nothing that this process could give it by itself is the store's alone.
            reserve = self._leased if go.wishes or go.charges else rooms.store.reserve
            held = await inbound.trail.patience.ask(rooms.store, reserve, go)
        if isinstance(held, Stale):
            return await self._moved(held, go.facts)
        self._is_compared = True
        if isinstance(held, Exhausted):
            return exhausted(held, go.facts.at, call.caller.task)
        if self._looking is not None:
            self._looking.reserved(go)
        rooms.drifting.saw(go)
        return held

    async def _moved(self, stale: Stale, facts: Facts) -> Refuse | Facts:
        """
        Return by what the call is judged again, or why not, where its task or its token is what bars it.
        """
        if stale.envelope is not None:
            no = self._rooms.envelopes.told(self._call.caller, stale.envelope)
            if no is not None:
                self._is_compared = True
                return no
        return await self._asked(facts) if stale.facts is None else self._noted(stale.facts, facts)

    async def _still(self) -> Refuse | None:
        return await self._rooms.envelopes.still(self._call.caller, writes=self._call.operation.writes)

    async def _leased(self, go: Forward) -> HeldWrite | HeldRead | Stale | Exhausted:
        rooms = self._rooms
        return await rooms.slices.reserve(go, partial(rooms.sampler.alone.reserve, store=rooms.store))

    async def _asked(self, before: Facts | None = None) -> Facts:
        """
        Return what the store says that the call is judged by, with what was read `before`.
        """
        store = self._rooms.store
        return self._noted(await self._inbound.trail.patience.ask(store, store.facts, self._call), before)

    def _noted(self, facts: Facts, before: Facts | None = None) -> Facts:
        """
        Return facts with what this process knows beside the store, and with what was read before.
        """
        rooms, facts = self._rooms, self._inbound.watch.noted(facts)
        facts = rooms.sampler.noted(self._call, rooms.killswitch.noted(rooms.drifting.noted(self._call, facts)))
        return facts if before is None else facts.with_looks(before.looks, before.images, before.fetched)


def not_now(rooms: Rooms) -> Refuse | None:
    """
    Return why no write may begin at the moment, although it would pass.
    """
    if rooms.stopping:
        # What was being judged when the stop began would join what the stop is waiting for.
        return Refuse(Reason.STOPPING, "reserve", "It is shutting down.")
    if rooms.standing.fault is not None:
        return Refuse(Reason.STORE_UNAVAILABLE, "store", f"{rooms.standing.fault}.")
    if not rooms.killswitch.is_fresh:
        return Refuse(Reason.STORE_UNAVAILABLE, "store", f"{STALE}.")
    return None
