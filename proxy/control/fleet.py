"""The fleet over the admin door: which replicas there are, and that one of them will not come back."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from breakers.store.members import Member, id_of
from proxy.control.acting import acting
from proxy.control.doubt import REASON_CHARS_MAX
from proxy.control.reply import in_words, refuse, reply
from proxy.fleetnews import shown_state
from proxy.forgetting import forget
from proxy.ledger.drafts import stamp
from proxy.rooms import Rooms


def add_fleet(app: web.Application, rooms: Rooms) -> None:
    """
    Add what `breakwater fleet` asks of a running process.
    """

    async def listed(_: web.Request) -> web.Response:
        return reply(said_fleet(rooms))

    async def forgotten(request: web.Request) -> web.Response:
        reason = _reason(await request.read())
        if reason is None:
            return refuse(400, "the body is not why a replica is forgotten", 'send {"reason": TEXT}')
        done = await forget(request.match_info["id"], acting(request).name, reason, rooms)
        return reply({"replica": done.replica, "doubts": list(done.doubts)})

    app.router.add_get("/v1/fleet", listed)
    app.router.add_post("/v1/fleet/{id}/forget", in_words(forgotten))


def said_fleet(rooms: Rooms) -> dict[str, Any]:
    """
    Return what an operator is told of the fleet: who belongs to it by this replica's record, or is heard of.
    """
    known, heard = rooms.ledger.fleet.known, rooms.store.members()
    rows = [_row(member, known.name, on_record=member.name in known.names) for member in heard]
    shown = {member.name for member in heard}
    rows += [_unheard(name, known.name) for name in sorted(known.names - shown)]
    return {
        "replica": id_of(known.name),
        "fault": rooms.standing.fault,
        "members": sorted(rows, key=lambda row: str(row["replica"])),
        "forgotten": sorted({id_of(name) for name in known.forgotten}),
    }


def _row(member: Member, own: str, *, on_record: bool) -> dict[str, object]:
    said = member.presence
    return {
        "replica": member.id,
        "self": member.name == own,
        "state": shown_state(member),
        "on_record": on_record,
        "since": stamp(member.since),
        "heard_at": stamp(member.heard_at),
        "silent_s": round(member.silent_s, 1),
        "host": said.host,
        "pid": said.pid,
        "software": said.software,
        "policy": said.config,
        "kill_epoch": said.kill_epoch,
        "in_flight": said.in_flight,
    }


def _unheard(name: str, own: str) -> dict[str, object]:
    """
    Return the row of a replica that is on record, and that the shared state knows nothing of.
    """
    row: dict[str, object] = dict.fromkeys(
        ("since", "heard_at", "silent_s", "host", "pid", "software", "policy", "kill_epoch", "in_flight")
    )
    return {"replica": id_of(name), "self": name == own, "state": "silent", "on_record": True, **row}


def _reason(data: bytes) -> str | None:
    try:
        body = orjson.loads(data)
        reason = body["reason"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
        return None
    return reason.strip()
