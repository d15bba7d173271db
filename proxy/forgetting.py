"""
A replica that will not come back is forgotten by an operator's order: nobody waits for it any more.

    asked      whether it may be here; then nothing happens
    on record  by whom, and why
               Stop here: nobody else knows. The next start of this process goes on from here.
    told       the shared state, where the epoch turns: a process of it that goes on writes nothing
               Stop here: as above. What it had under way is in flight for whoever repeats it, and so sends nothing.
    written off  each write that it had open is in doubt, on record here, and then in the store: a person decides

What it claimed and did not send lapses by itself; what its reads held stays counted. What only its own ledger knew, and
the shared state has lost, nobody knows any more: that is what the operator decides by the order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from breakers.known import Ended, State
from breakers.store.members import SILENT_S, id_of
from breakers.store.protocol import StoreUnavailable
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.fleets import FORGOTTEN
from proxy.rooms import Rooms

AGAIN_S = 5.0
"""Until what was ordered before a stop is tried again."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """
    A replica that was forgotten, and the writes of it that a person has to decide about.
    """

    replica: str
    doubts: tuple[str, ...]


async def forget(replica: str, by: str, reason: str, rooms: Rooms) -> Forgotten:
    """
    Forget a replica; ordered once more, it is seen through.

    Raise `StartRefused` where it may be here or is none, `LedgerUnavailable` and `StoreUnavailable` where that cannot
    be recorded, or told; what is on record by then is seen through later.
    """
    record = rooms.ledger.fleet
    if not any(id_of(name) == replica for name in record.ordered) or record.name_of(replica) is not None:
        name = await _forgettable(replica, rooms)
        await record.forgot(name, by, reason)
        # Stop here: on record, and nobody else knows.
        rooms.announcer.say(FORGOTTEN, f"{FORGOTTEN}:{name}", {"replica": replica, "by": by, "reason": reason})
    return Forgotten(replica, await see_through(rooms))


async def _forgettable(replica: str, rooms: Rooms) -> str:
    name = rooms.ledger.fleet.name_of(replica)
    if rooms.store.kind == "memory":
        raise StartRefused("this Breakwater has no fleet: its store is its own memory", "see `store` in the settings")
    if replica == id_of(rooms.ledger.fleet.known.name):
        raise StartRefused("this is the replica that was asked", "ask another one to forget it, once it has stopped")
    if name is None:
        raise StartRefused(f"no replica {replica} belongs to this fleet", "see `breakwater fleet list`")
    if (silent_s := await rooms.store.forget(name, asks=True)) is not None:
        hint = f"stop it first: one that nobody has heard of for more than {SILENT_S:.0f} s can be forgotten"
        raise StartRefused(f"the replica {replica} may be here: it was heard of {silent_s:.1f} s ago", hint)
    return name


async def see_through(rooms: Rooms) -> tuple[str, ...]:
    """
    Tell the store whom this replica was ordered to forget, and write off what those had open; return which writes.
    """
    record, written = rooms.ledger.fleet, list[str]()
    if not (ordered := record.ordered):
        return ()
    for name in sorted(ordered):
        await rooms.store.forget(name, asks=False)
    # Stop here: told, and what they had under way is in flight.
    for one in await rooms.store.open_intents():
        if one.opened.replica not in ordered:
            continue
        await record.wrote_off(one.opened)
        # Stop here: in doubt on record; the next start tells the store.
        opened = replace(one.opened, place="")
        await rooms.store.resolve(opened, Ended(State.PARKED, rooms.clock.now(), delivered=False))
        rooms.doubts.take_parked(opened)
        written.append(one.opened.intent)
    return tuple(written)


async def finish_forgetting(rooms: Rooms) -> None:
    """
    See through what was ordered before a stop, as soon as that can be done.
    """
    while True:
        try:
            await see_through(rooms)
        except (StoreUnavailable, LedgerUnavailable):
            await asyncio.sleep(AGAIN_S)
            continue
        return
