"""What this replica says of itself to the others of its fleet, every second."""

from __future__ import annotations

import asyncio
import os
import platform
from importlib.metadata import version

from breakers.store.members import Presence
from proxy.rooms import Rooms

EVERY_S = 1.0
"""A replica that was not heard of for five of these counts as gone."""


def presence_of(rooms: Rooms) -> Presence:
    """
    Return what this process says of itself now.
    """
    killswitch = rooms.killswitch
    return Presence(
        host=platform.node(),
        pid=os.getpid(),
        software=version("breakwater"),
        config=rooms.policy.version,
        kill_epoch=killswitch.here.epoch,
        applied_at=killswitch.here.applied_at,
        in_flight=len(killswitch.flights.calls()),
        last_dispatch=killswitch.flights.last_dispatch,
    )


async def beat_on(rooms: Rooms) -> None:
    """
    Say it for ever, and hear who else is there.
    """
    while True:
        try:
            await rooms.standing.beat(presence_of(rooms))
        except Exception as error:  # whatever it is: the next beat is another attempt
            rooms.log.failure("", error)
        await asyncio.sleep(EVERY_S)
