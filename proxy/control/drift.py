"""Drift over the admin door: how each agent stands, and that an operator has looked at an alarm."""

from __future__ import annotations

import orjson
from aiohttp import web

from config.faults import did_you_mean
from proxy.control import merged
from proxy.control.asking import Asked, Asking
from proxy.control.doubt import REASON_CHARS_MAX
from proxy.control.reply import refuse, reply
from proxy.rooms import Rooms

BODY_HINT = 'send {"reason": TEXT, "learn": false}, or true'


def add_drift(asking: Asking, rooms: Rooms) -> None:
    """
    Add what `breakwater drift` asks of a running process.
    """

    async def listed(_: Asked) -> web.Response:
        return reply(rooms.drifting.said())

    async def reset(asked: Asked) -> web.Response:
        agent, drifting = asked.match["agent"], rooms.drifting
        said = _word(asked.body)
        if said is None:
            return refuse(400, "the body is not a word on drift", BODY_HINT)
        reason, learn = said
        if not drifting.knows(agent) and agent not in drifting.standing:
            known = [str(one["agent"]) for one in drifting.said()]
            hint = did_you_mean(agent, known) or "`breakwater drift list` prints those whose calls are compared"
            return refuse(404, "no calls of an agent of that name are compared", hint)
        standing = drifting.standing.get(agent)
        alarm = None if standing is None else standing.id
        if alarm is None and not learn:
            return refuse(409, "no alarm over this agent's calls stands", "`--learn` forgets what its calls were")
        await rooms.ledger.drift.reset(agent, alarm, asked.who.name, reason, learn=learn)
        # Stop here: on record. The next start knows of no alarm.
        drifting.reset(agent, learn=learn)
        rooms.metrics.drift.standing.labels(agent).set(0)
        return reply({"agent": agent, "alarm": alarm, "learn": learn})

    asking.look("/v1/drift", listed, merged.drifts)
    asking.reach("POST", "/v1/drift/{agent}/reset", reset)


def _word(data: bytes) -> tuple[str, bool] | None:
    try:
        body = orjson.loads(data)
        reason, learn = body["reason"], body["learn"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    good = isinstance(reason, str) and isinstance(learn, bool) and 0 < len(reason.strip()) <= REASON_CHARS_MAX
    return (reason.strip(), learn) if good else None
