"""
A suggestion as it is on record, put together again; or why an approver's word for it would be good no more.

Nobody upstream is asked here: what it touches, and what it moves, is compared where it is judged again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from breakers.suggestion import Suggested
from breakers.verdict import Refuse
from proxy.binding import Rebuilt, digest_of, rebuilt
from proxy.ledger.approvals import Showing
from proxy.rooms import Rooms


@dataclass(frozen=True, slots=True)
class Void:
    """
    Why a word is good no more: as it is on record, and in words.
    """

    why: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Recalled:
    """
    What a suggestion shows, and the write that it is, its caller within its task.
    """

    showing: Showing
    parked: Rebuilt


async def recall(one: Suggested, rooms: Rooms, *, under_any: bool = False) -> Recalled | Void:
    """
    Return a suggestion put together again, or why nobody's word for it is good; with `under_any` whatever policy it was
    shown under.
    """
    try:
        showing = await asyncio.to_thread(rooms.suggesting.records.of, one.id, one.place)
        parked = rebuild(showing, one, rooms)
    except (LookupError, OSError) as error:
        return Void("record", f"{error}")
    if (why := void_by(showing, parked, one, rooms, under_any=under_any)) is not None:
        return Void(why)
    caller = parked.call.caller
    within = await rooms.envelopes.within(caller, None if caller.tokens or not caller.named else caller.task)
    if isinstance(within, Refuse):
        return Void("task", within.detail)
    return Recalled(showing, replace(parked, call=replace(parked.call, caller=within)))


def rebuild(showing: Showing, one: Suggested, rooms: Rooms) -> Rebuilt:
    """
    Return the write that a suggestion shows. Raise `LookupError` where it cannot be put together.
    """
    return rebuilt(showing, one, rooms.accounts[one.api], rooms.namer)


def void_by(showing: Showing, parked: Rebuilt, one: Suggested, rooms: Rooms, *, under_any: bool = False) -> str | None:
    """
    Return why a word is good no more, as far as that can be told without asking anybody.
    """
    account, caller = rooms.accounts[one.api], parked.call.caller
    if digest_of(showing.shown) != one.digest or parked.offer.suggestion != one.id:
        return "digest"
    if parked.left_out:
        return "left-out"
    if parked.policy != rooms.policy.version and not under_any:
        return "policy"
    if parked.credential != account.current().ref:
        return "credential"
    if not caller.tokens and any(key.kid == caller.key_id and key.revoked for key in rooms.keys.all()):
        return "key"
    return None
