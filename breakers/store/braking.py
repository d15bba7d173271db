"""
What keeps writes back, where several processes share it: stops, breakers and suggestions, and the verbs for them.

Facts of a write say all of it in the one step that reads what is known of the write; facts of a read say what this
process has seen. A permit, a place in a ramp and a grant are taken in the step that takes everything else. Where that
step has no answer they may be taken: they are given back before anything else is judged, unless the same call asks
again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from breakers.breaker import Breaker, Delta, Sums, keys_of
from breakers.call import Call
from breakers.facts import NO_BREAKERS
from breakers.stops import Stops, scopes_of
from breakers.store.events import BreakerMoved, KillChanged, SuggestionNoted
from breakers.store.gauged import Gauged, permits
from breakers.store.history import Told
from breakers.store.link import Shared
from breakers.store.packed import micros
from breakers.store.stopped import Stopped
from breakers.store.suggested import NOTHING, SHELF, Suggestions, asked_by, worded
from breakers.suggestion import Suggested
from breakers.verdict import Forward


class Kept(NamedTuple):
    """
    What keeps a write back, as a script found it.
    """

    generation: int
    stops: Stops
    breakers: Mapping[str, Breaker]
    suggested: Suggested | None


class Asked(NamedTuple):
    """
    The scopes that a write is in, the breakers that it is judged by, and what a suggestion of it is found by.
    """

    scopes: tuple[str, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def told(self) -> tuple[str | int, ...]:
        """
        Return what a script is told of it; the last breakers are those of the scopes.
        """
        keys = self.keys[: -len(self.scopes)]
        return (len(self.scopes), len(keys), len(self.names), *self.scopes, *keys, *self.names)


class SharedBrakes:
    """
    The part of a shared store that keeps writes back.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        self._stopped, self._gauged = Stopped(shared, now), Gauged(shared, now)
        self._suggestions = Suggestions(shared, now)
        # By call: what may have been taken for it without an answer.
        self._returns: dict[str, Forward] = {}

    async def stops(self) -> Stops:
        return await self._stopped.all()

    async def breakers(self) -> tuple[Breaker, ...]:
        return await self._gauged.all()

    async def move(self, before: Breaker | None, after: Breaker) -> bool:
        return await self._gauged.move(before, after)

    async def count(self, deltas: Sequence[Delta], replica: str) -> tuple[Sums, ...]:
        return await self._gauged.count(deltas, replica)

    async def suggest(self, new: Suggested) -> Suggested:
        return await self._suggestions.suggest(new)

    async def suggestion(self, id_: str) -> Suggested | None:
        return await self._suggestions.get(id_)

    async def suggestions(self) -> tuple[Suggested, ...]:
        return await self._suggestions.all()

    async def turn(self, before: Suggested, after: Suggested) -> bool:
        return await self._suggestions.turn(before, after)

    async def _tell(self, event: KillChanged | BreakerMoved | SuggestionNoted) -> None:
        match event:
            case KillChanged(stop):
                await self._stopped.change(stop)
            case BreakerMoved(breaker):
                await self._gauged.replay(breaker)
            case SuggestionNoted(suggested):
                await self._suggestions.own(suggested)

    async def _tell_all(self, said: Told) -> None:
        """
        Tell the server what a ledger says of all of it, and what this process has seen.
        """
        await self._stopped.again(said.stops)
        await self._gauged.start(event.breaker for event in said.breakers.values())
        await self._suggestions.start(event.suggested for event in said.suggested.values())

    async def _tell_executions(self, said: Told, *, begins: bool) -> None:
        """
        Tell it which suggestions were carried out; where this process `begins`, nothing else of its own is under way.
        """
        for told in said.by_intent.values():
            await self._suggestions.carry(told.opened, told.ended)
        if begins:
            await self._suggestions.give_back(said.calls())

    def _kept(self, call: Call, which: Asked, now_ms: int, found: Sequence[Any]) -> Kept:
        """
        Return what keeps a write back by what a script found at a moment of the server's clock.
        """
        (generation, *stops), records, suggestions = found
        at, known = self._now(), {}
        for key, raw in zip(which.keys, records, strict=True):
            breaker = self._gauged.read(key, raw, now_ms, at)
            if breaker is not None:
                known[key] = breaker
        held = self._stopped.of(which.scopes, generation, stops)
        suggested = self._suggestions.of(call.names, suggestions) if suggestions else None
        return Kept(self._stopped.generation, held, known or NO_BREAKERS, suggested)

    def _seen(self, call: Call) -> Kept:
        """
        Return what keeps a call back by what this process has seen.
        """
        return Kept(self._stopped.generation, self._stopped.known, self._gauged.view(keys_of(call)), None)

    def _had(self, go: Forward, answer: Sequence[Any]) -> None:
        """
        Note what a call has got: when that was, what it carries out, and the breakers that it wished something of.
        """
        now_ms, *records = answer
        if go.call.operation.writes:
            value, *records = records
            self._suggestions.took("" if go.call.grant is None else go.call.grant.suggestion, value)
        self._gauged.had(go.wishes, records, now_ms)

    async def _give_back(self) -> None:
        """
        Give back what may have been taken without an answer.
        """
        for call, go in list(self._returns.items()):
            id_ = "" if go.call.grant is None else go.call.grant.suggestion
            told = (call, micros(self._now()), id_, 0, *permits(go.wishes))
            _, value = await self._shared.run("giveback", ("breakers", *SHELF, f"intent:{call}"), *told)
            self._suggestions.took(id_, value)
            if self._returns.get(call) is go:
                del self._returns[call]


def asked(call: Call) -> Asked:
    """
    Return what keeps a write back, by name.
    """
    return Asked(scopes_of(call), keys_of(call), asked_by(call))


def granted(go: Forward, taken: Container[str]) -> tuple[str | int, ...]:
    """
    Return what a script is told of a write: what it carries out, what the claims had that are `taken` over for it, and
    what it wishes for.
    """
    grant = go.call.grant
    which = ("", "") if grant is None else (grant.suggestion or NOTHING, worded(grant.digest))
    probes = [(one.probe.call, one.key) for one in go.facts.breakers.values() if one.probe is not None]
    given_back = "\n".join(f"{call} {key}" for call, key in probes if call in taken)
    return (*which, given_back, *permits(go.wishes))
