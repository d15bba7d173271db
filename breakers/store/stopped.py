"""
The stop, where several processes share it.

| key | what it holds |
|---|---|
| `stops` | by scope, the newest record of it; under `#` the generation, which grows with every change |

A record is a line that scripts compare (`lua/stopping.lua`), then one that only we read. What cannot be read is
`stop-writes`, under the epoch that this process knows of that scope: only an order that is newer than that takes its
place, and no replay does.

What a process has heard of a stop it never forgets: a server that lacks it is told again, by `start` and by whoever
asks what is stopped. So a server that lost its data lifts no stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import orjson

from breakers.call import Call
from breakers.stops import ALL, Mode, Stop, Stops, scopes_of
from breakers.store.link import Shared, reading, text
from breakers.store.packed import micros, moment
from breakers.suggestion import Cause, Park

UNREADABLE = "what the shared state says of this stop cannot be read"
"""The reason of a stop that was concluded from junk: whoever finds it says so."""

GENERATION = "#"

EPOCH_DIGITS_MAX = 15
"""Of more digits a script does not compare a number exactly."""


class Stopped:
    """
    The records of the stop, over what is shared; `known` are the newest that this process has heard of.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        self.known = Stops()
        self.generation = 0
        # The generation of which every scope is known here, not only those of the calls that asked.
        self.whole = 0
        # By scope: the record that was read last, as it stands there.
        self._last: dict[str, bytes] = {}
        # By scope: the epoch of what was ordered here and that the server has not confirmed yet.
        self._ordered: dict[str, int] = {}

    def __repr__(self) -> str:
        mode = self.known.by_scope[ALL].mode if ALL in self.known.by_scope else "unknown"
        return f"<Stopped {self._shared.tag} all={mode} scopes={len(self.known.by_scope)} generation={self.generation}>"

    async def all(self) -> Stops:
        """
        Return the newest record of every scope, and tell the server what it lacks.

        Where it does not hold what was replayed into it, it is taken for emptied; nothing is lifted by that.
        """
        with reading():
            expected = self._shared.epoch
            epoch, *pairs = await self._shared.run("stops", ("epoch", "stops"))
            # What was replayed into it meanwhile may not have been there when it answered.
            if self._shared.epoch == expected and (epoch is None or text(epoch) != expected):
                self._shared.freeze()
            fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
            self.generation = self.whole = int(fields.pop(GENERATION.encode(), 0))
        found = self._read((_scope(field), value) for field, value in fields.items())
        lacking = [stop for scope, stop in self.known.by_scope.items() if _lacks(found.get(scope), stop)]
        self.known = self.known.joined(Stops(found))
        for stop in lacking:
            await self._tell(stop)
        return self.known

    async def change(self, stop: Stop) -> None:
        """
        Note a record that was made just now, here or elsewhere.
        """
        known = self.known.by_scope.get(stop.scope)
        if known is None or stop.epoch > known.epoch:
            self._ordered[stop.scope] = stop.epoch
        await self.replay(stop)

    async def replay(self, stop: Stop) -> None:
        """
        Note a record that was made before.
        """
        self.known = self.known.changed(stop)
        await self._tell(stop)

    async def again(self, told: Stops) -> None:
        """
        Tell the server all that this process has heard of, and what a ledger says beside.

        Where neither says anything of everything, that runs as it did before anybody could stop it: what the server
        knows of it holds.
        """
        # Where the server lost it, the generation is counted anew: the one of before may be met again.
        self.whole = -1
        self.known = self.known.joined(told)
        if ALL not in self.known.by_scope:
            self.known = self.known.changed(Stop(ALL, Mode.RUN, 0))
        for stop in tuple(self.known.by_scope.values()):
            await self._tell(stop)

    def of(self, scopes: Sequence[str], generation: bytes | None, values: Sequence[bytes | None]) -> Stops:
        """
        Return what binds a call by what a script found under the scopes that it is in.

        Raise `ValueError` or `TypeError` where the generation is none.
        """
        self.generation = int(generation or 0)
        for scope, value in zip(scopes, values, strict=True):
            if value is not None and self._last.get(scope) != value:
                self.known = self.known.changed(self._stop(scope, value))
                self._last[scope] = value
        return self.known

    async def _tell(self, stop: Stop) -> None:
        left_us = "" if stop.until is None else micros(stop.until) - micros(self._now())
        is_ordered = self._ordered.get(stop.scope) == stop.epoch
        told = (stop.scope, str(stop.mode), stop.epoch, left_us, str(stop.back), pack_stop(stop), int(is_ordered))
        with reading():
            generation, value = await self._shared.run("stop", ("stops",), *told)
            self.generation = int(generation)
        if is_ordered:
            self._ordered.pop(stop.scope, None)
        self.known = self.known.joined(Stops(self._read([(stop.scope, value)])))

    def _read(self, found: Iterable[tuple[str, bytes]]) -> dict[str, Stop]:
        return {scope: self._stop(scope, value) for scope, value in found}

    def _stop(self, scope: str, value: bytes) -> Stop:
        try:
            return unpack_stop(scope, value)
        except (ValueError, TypeError, OverflowError):
            known = self.known.by_scope.get(scope)
            return Stop(scope, Mode.STOP_WRITES, 0 if known is None else known.epoch, reason=UNREADABLE)


def scoped(call: Call) -> tuple[str | int, ...]:
    """
    Return what a script is told of the scopes of a call, each with whether its grant answers a stop of it.
    """
    answers = frozenset[str]() if call.grant is None else call.grant.answers
    return tuple(said for scope in scopes_of(call) for said in (scope, int(Park(Cause.KILL, scope, "").id in answers)))


def pack_stop(stop: Stop) -> bytes:
    """
    Return what only we read of a record, as one line.
    """
    at, until = (None if one is None else micros(one) for one in (stop.at, stop.until))
    return orjson.dumps([stop.actor, stop.reason, at, until, stop.aborts, stop.reconciles])


def unpack_stop(scope: str, value: bytes) -> Stop:
    """
    Return a record. Raise `ValueError` or `TypeError` where it is not what was packed.
    """
    head, line = value.split(b"\n")
    mode, epoch, till, back = head.decode("ascii").split(" ")
    actor, reason, at_us, until_us, aborts, reconciles = orjson.loads(line)
    are_flags = isinstance(aborts, bool) and isinstance(reconciles, bool)
    if not (isinstance(actor, str) and isinstance(reason, str) and are_flags):
        raise TypeError("this is no record of a stop")
    if (until_us is None) is not (till == "0") or not epoch.isdecimal() or len(epoch) > EPOCH_DIGITS_MAX:
        raise ValueError("this is no record of a stop")
    at, until = (None if one is None else moment(one) for one in (at_us, until_us))
    return Stop(scope, Mode(mode), int(epoch), actor, reason, at, until, Mode(back), aborts, reconciles)


def _scope(field: bytes) -> str:
    # What is no text is no scope of any call; it is shown all the same.
    return field.decode(errors="backslashreplace")


def _lacks(found: Stop | None, known: Stop) -> bool:
    """
    Tell whether the server has to be told what is known; what cannot be read there is left to an order.
    """
    return found is None or (found.reason != UNREADABLE and known.overrules(found))
