"""
The stop, as data: modes in their order, scopes, records of either, and which of them bind a call.

Modes are ordered: `run`, `suggest` (writes are parked), `stop-writes`, `stop-all` (reads, too). A scope is `all`,
`api:NAME`, `agent:NAME`, `task:ID` or `op:[API:]OPERATION`; what binds a call is the strictest of all that match. Each
scope's record has an epoch that only grows: an older one never undoes a newer one, and of two with one epoch the
stricter holds. What has no record of scope `all` is not known to run: it is stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever only stops loads nothing of a call
    from breakers.call import Call

ALL = "all"
"""The scope of everything."""

REASON_CHARS_MAX = 500
"""Of a person's words on record: a few sentences, and where to read on."""

CANARY = "canary"
"""The scope of nothing: a drill stops it, to see how long that takes."""


class Mode(StrEnum):
    """
    How much may pass.
    """

    RUN = "run"
    SUGGEST = "suggest"
    STOP_WRITES = "stop-writes"
    STOP_ALL = "stop-all"

    @property
    def strictness(self) -> int:
        """
        Return the place of the mode in their order, `run` the first.
        """
        return _ORDER.index(self)


_ORDER = (Mode.RUN, Mode.SUGGEST, Mode.STOP_WRITES, Mode.STOP_ALL)


@dataclass(frozen=True, slots=True)
class Stop:
    """
    One record of one scope: its mode, who set it when and why.

    With `until` it holds until then only, and `back` is the mode from then on: a stop that was lifted for an hour comes
    back by itself. `aborts` tells that writes under way were to be cut, `reconciles` that under `stop-all` what is in
    doubt may still be read.
    """

    scope: str
    mode: Mode
    epoch: int
    actor: str = ""
    reason: str = ""
    at: datetime | None = None
    until: datetime | None = None
    back: Mode = Mode.STOP_WRITES
    aborts: bool = False
    reconciles: bool = False

    def mode_at(self, at: datetime) -> Mode:
        """
        Return the mode as it is at a moment.
        """
        return self.back if self.until is not None and at >= self.until else self.mode

    def overrules(self, other: Stop) -> bool:
        """
        Tell whether this record of the same scope takes the other's place: newer, or stricter under one epoch.
        """
        if self.epoch != other.epoch:
            return self.epoch > other.epoch
        if self.mode is other.mode and self.until is other.until is None:
            return False
        strict = (self.mode.strictness, self.back.strictness if self.until is not None else self.mode.strictness)
        than = (other.mode.strictness, other.back.strictness if other.until is not None else other.mode.strictness)
        return strict > than


UNKNOWN = Stop(ALL, Mode.STOP_WRITES, 0, reason="no record says that it runs")


@dataclass(frozen=True, slots=True)
class Stops:
    """
    The newest record of every scope; `runs` tells that nothing is stopped, nor will be by itself.
    """

    by_scope: Mapping[str, Stop] = field(default_factory=lambda: MappingProxyType({}))
    runs: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        running = all(stop.mode is Mode.RUN and stop.until is None for stop in self.by_scope.values())
        object.__setattr__(self, "runs", running and ALL in self.by_scope)

    def binding(self, scopes: Iterable[str], at: datetime) -> Stop:
        """
        Return the strictest of the records that match any of these scopes at a moment, of `all` as well.
        """
        found = [self.by_scope.get(ALL, UNKNOWN)]
        found += [self.by_scope[scope] for scope in scopes if scope != ALL and scope in self.by_scope]
        return max(found, key=lambda stop: stop.mode_at(at).strictness)

    def changed(self, stop: Stop) -> Stops:
        """
        Return these with one more record taken in, or as they are where it is overruled.
        """
        return Stops(MappingProxyType({**self.by_scope, stop.scope: stop})) if self._lacks(stop) else self

    def joined(self, other: Stops) -> Stops:
        """
        Return the newest of both for each scope.
        """
        if self.by_scope is other.by_scope:
            return self
        newer = {stop.scope: stop for stop in other.by_scope.values() if self._lacks(stop)}
        return Stops(MappingProxyType({**self.by_scope, **newer})) if newer else self

    def _lacks(self, stop: Stop) -> bool:
        known = self.by_scope.get(stop.scope)
        return known is None or (known is not stop and stop.overrules(known))


RUNNING = Stops(MappingProxyType({ALL: Stop(ALL, Mode.RUN, 1)}))
"""Of a deployment that nobody ever stopped."""


def binding_on(call: Call, stops: Stops, at: datetime) -> Stop:
    """
    Return the strictest of the records that bind a call at a moment.
    """
    return stops.binding(scopes_of(call), at)


def scopes_of(call: Call) -> tuple[str, ...]:
    """
    Return every scope that a call is in.
    """
    caller, name = call.caller, call.operation.spec.name
    above = () if caller.opened is None else tuple(f"task:{one.id}" for one in caller.opened.above)
    return (
        *(ALL, f"api:{call.api}", f"agent:{caller.agent}", f"task:{caller.task}", *above),
        *(f"op:{name}", f"op:{call.api}:{name}"),
    )
