"""
What a forked child does to itself before it serves: stop dead, or lose its disk, at one named step of the first write.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any

from breakers.store.memory import MemoryStore
from config import settings
from proxy.forward import Forwarder
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Handle, RealDisk
from proxy.pending import Pending

ROOMS: Mapping[str, type] = {"ledger": Ledger, "forward": Forwarder, "store": MemoryStore, "pending": Pending}

Verb = Callable[..., Awaitable[Any]]


def install(hook: Mapping[str, Any]) -> None:
    """
    Put one hook in place: `{room, verb, when}`, `{verb, step, nth, act}` or `{drain_margin_s}`.
    """
    if "room" in hook:
        stop_at(ROOMS[hook["room"]], hook["verb"], after=hook["when"] == "after")
    if "step" in hook:
        break_disk(hook["verb"], hook["step"], hook["nth"], ACTS[hook["act"]])
    if "drain_margin_s" in hook:
        settings.DRAIN_MARGIN_S = hook["drain_margin_s"]


def die() -> None:
    """
    Stop here.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def stop_at(room: type, verb: str, *, after: bool) -> None:
    """
    Stop before or after a room's verb.
    """
    original: Verb = getattr(room, verb)

    async def stopped(self: object, *arguments: object) -> Any:
        if not after:
            die()
        result = await original(self, *arguments)
        die()
        return result

    def stopped_at_once(self: object, *arguments: object) -> Any:
        if not after:
            die()
        result = original(self, *arguments)
        die()
        return result

    setattr(room, verb, stopped if iscoroutinefunction(original) else stopped_at_once)


def break_disk(verb: str, step: str, nth: int, act: Callable[[Handle, Sequence[bytes]], None]) -> None:
    """
    Do `act` at the n-th `step` of the disk (`append` or `sync`) after the ledger's verb was called.
    """
    armed = False
    left = nth
    original: Verb = getattr(Ledger, verb)
    work: Callable[..., None] = getattr(RealDisk, step)

    async def arming(self: Ledger, *arguments: object) -> Any:
        nonlocal armed
        armed = True
        return await original(self, *arguments)

    def breaking(self: RealDisk, handle: Handle, pieces: Sequence[bytes] = ()) -> None:
        nonlocal left
        left -= armed
        if armed and left == 0:
            return act(handle, pieces)
        return work(self, handle, pieces) if step == "append" else work(self, handle)

    setattr(Ledger, verb, arming)
    setattr(RealDisk, step, breaking)


def _die(handle: Handle, pieces: Sequence[bytes]) -> None:
    die()


def _tear(handle: Handle, pieces: Sequence[bytes]) -> None:
    data = b"".join(pieces)
    os.write(handle, data[: len(data) // 2])
    die()


def _fail(handle: Handle, pieces: Sequence[bytes]) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


ACTS: Mapping[str, Callable[[Handle, Sequence[bytes]], None]] = {"die": _die, "tear": _tear, "eio": _fail}
