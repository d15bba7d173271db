"""
The proof that a scope has stopped, as one process can give it: what it applied, when, and what is still on its way.

It is confirmed only where the scope is stopped by what is in force here, the shared state was heard of lately, no write
of the scope is on its way from this process, and none that is on record there is on its way from another. What another
process has on its way is known by its mark in the shared state, which stands from before its first byte to its end.

Where several processes share the state each gives this proof of itself, and `control/merged.py` joins them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from breakers.stops import ALL, UNKNOWN, Mode, Stop
from breakers.store.events import IntentOpened
from breakers.store.protocol import StoreUnavailable
from proxy.flights import Flight
from proxy.rooms import Rooms
from proxy.scopes import covers


@dataclass(frozen=True, slots=True)
class Proof:
    """
    How one scope stands: its own `record`, and the `stop` that binds it.

    `elsewhere` are writes of other processes, None where nobody can be asked about them. `heard` tells whether the
    shared state was asked just now, and has what this process knows; `shared_s` for how long it has had this stop.
    """

    record: Stop
    stop: Stop
    mode: Mode
    epoch: int
    applied_at: datetime
    in_flight: tuple[Flight, ...]
    elsewhere: tuple[IntentOpened, ...] | None
    last_dispatch: datetime | None
    heard: bool
    shared_s: float | None = None

    @property
    def confirmed(self) -> bool:
        """
        Tell whether nothing of the scope moves any more.
        """
        return self.heard and self.mode is not Mode.RUN and not self.in_flight and self.elsewhere == ()


async def proof_of(scope: str, rooms: Rooms) -> Proof:
    """
    Return how a scope stands now.
    """
    killswitch = rooms.killswitch
    heard = await killswitch.poll()
    # Nothing new begins meanwhile: what is here is asked last.
    elsewhere = await _elsewhere(scope, rooms)
    stops, now = killswitch.stops, rooms.clock.now()
    own = stops.by_scope.get(scope, UNKNOWN if scope == ALL else Stop(scope, Mode.RUN, 0))
    whole = stops.by_scope.get(ALL, UNKNOWN)
    stop = max((own, whole), key=lambda one: one.mode_at(now).strictness)
    return Proof(
        own,
        stop,
        stop.mode_at(now),
        killswitch.here.epoch,
        killswitch.here.applied_at,
        killswitch.flights.under_way(scope),
        elsewhere,
        killswitch.flights.last_dispatch,
        heard,
        _shared_s(stop, rooms),
    )


def _shared_s(stop: Stop, rooms: Rooms) -> float | None:
    epoch, since = rooms.killswitch.shared.get(stop.scope, (-1, 0.0))
    return None if epoch < stop.epoch else rooms.clock.monotonic() - since


async def _elsewhere(scope: str, rooms: Rooms) -> tuple[IntentOpened, ...] | None:
    if rooms.store.kind == "memory":
        return ()
    try:
        opened = [one.opened for one in await rooms.store.open_intents() if not one.suspended]
    except StoreUnavailable:
        return None
    # Not by whose log a mark names: several processes may have logs of one name.
    ours = rooms.killswitch.flights.calls()
    return tuple(one for one in opened if covers(scope, one) and one.intent not in ours)
