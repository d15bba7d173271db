"""
What a forked child does to itself before it serves: stop dead, stand still, or lose its disk, at one named step of the
first write.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any

from breakers.store.fleet import FleetStore
from breakers.store.memory import MemoryStore
from config import settings
from proxy import app, executing, killing, server
from proxy.doubt import course, doubts
from proxy.forward import Forwarder
from proxy.ledger.approvals import ApprovalRecords
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Handle, RealDisk
from proxy.ledger.reads import ChargedReads
from proxy.pending import Pending

ROOMS: Mapping[str, type] = {
    "ledger": Ledger,
    "approvals": ApprovalRecords,
    "forward": Forwarder,
    "reads": ChargedReads,
    "store": MemoryStore,
    "fleet": FleetStore,
    "pending": Pending,
}

# Before the first look at what is in doubt.
SOON_S = 0.02

STOOD: list[bool] = []

Verb = Callable[..., Awaitable[Any]]


def install(hook: Mapping[str, Any]) -> None:
    """
    Put hooks in place: `{room, verb, when}`, with `still` to stand still there instead of dying; `{verb, step, nth,
    act}`; `{called}`, which has it be told to stop writes before that step of its start; `{recorded_s}`, for which a
    stop waits for a busy disk; `{drain_margin_s}`, `{lease_s}`, and `{soon}`, which looks for what is in doubt without
    a pause before.
    """
    if "room" in hook:
        what = stand_still if hook.get("still") else die
        stop_at(ROOMS[hook["room"]], hook["verb"], what, after=hook["when"] == "after")
    if "step" in hook:
        break_disk(hook["verb"], hook["step"], hook["nth"], ACTS[hook["act"]])
    if "called" in hook:
        call_at(*hook["called"].split("."))
    if "recorded_s" in hook:
        vars(killing)["RECORD_WITHIN_S"] = hook["recorded_s"]
    if "drain_margin_s" in hook:
        settings.DRAIN_MARGIN_S = hook["drain_margin_s"]
    if "lease_s" in hook:
        lease(hook["lease_s"])
    if "soon" in hook:
        for module in (course, doubts):
            vars(module)["PAUSES_S"] = (SOON_S, *course.PAUSES_S[1:])
        vars(executing)["SWEEP_S"] = SOON_S


def die() -> None:
    """
    Stop here.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def call_at(module: str, step: str) -> None:
    """
    Send the signal that stops writes before a step of the start.
    """
    where = {"app": app, "server": server}[module]
    original = getattr(where, step)

    def called(*arguments: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGUSR1)
        return original(*arguments, **more)

    setattr(where, step, called)


def stand_still() -> None:
    """
    Stand still here until somebody says to go on, and never again.
    """
    if not STOOD:
        STOOD.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)


def lease(seconds: float) -> None:
    """
    Let a claim in a shared store last only so long.
    """
    original: Any = FleetStore.__init__

    def shorter(self: FleetStore, link: Any, deployment: str, now: Any, retention: Any, _: float) -> None:
        original(self, link, deployment, now, retention, seconds)

    setattr(FleetStore, "__init__", shorter)  # noqa: B010 a method is replaced


def stop_at(room: type, verb: str, what: Callable[[], None], *, after: bool) -> None:
    """
    Stop before or after a room's verb.
    """
    original: Verb = getattr(room, verb)

    async def stopped(self: object, *arguments: object) -> Any:
        if not after:
            what()
        result = await original(self, *arguments)
        if after:
            what()
        return result

    def stopped_at_once(self: object, *arguments: object) -> Any:
        if not after:
            what()
        result = original(self, *arguments)
        if after:
            what()
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
