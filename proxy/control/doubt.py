"""
Writes in doubt over the admin door: which there are, look now, a person's word.

What cannot be done is 409 with what to do instead; a look may take as long as its API does.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from breakers.store.protocol import StoreUnavailable
from proxy.control.reply import refuse, reply
from proxy.doubt.doubts import Doubts
from proxy.errors import StartRefused

BODY_HINT = 'send {"applied": true, "reason": TEXT}, or false'

REASON_CHARS_MAX = 2000
"""Of a person's words on record: a few sentences and where to read on."""


def add_doubt(app: web.Application, doubts: Doubts) -> None:
    """
    Add what `breakwater doubt` asks of a running process.
    """

    async def listed(_: web.Request) -> web.Response:
        return reply(doubts.said())

    async def probe(request: web.Request) -> web.Response:
        try:
            return reply(await doubts.probe(request.match_info["intent"]))
        except StartRefused as no:
            return refuse(409, no.error, no.hint)
        except StoreUnavailable as error:
            return refuse(503, f"the shared state cannot be asked: {error}", "see /readyz, and try again")

    async def resolve(request: web.Request) -> web.Response:
        intent = request.match_info["intent"]
        try:
            applied, reason = _word(await request.read())
            await doubts.resolve(intent, applied=applied, reason=reason)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)
        return reply({"intent": intent, "state": "completed", "applied": applied, "reason": reason})

    app.router.add_get("/v1/doubt", listed)
    app.router.add_post("/v1/doubt/{intent}/probe", probe)
    app.router.add_post("/v1/doubt/{intent}/resolve", resolve)


def admit_reason(text: str) -> str:
    """
    Return a person's reason for a word on a write in doubt.

    Raise `StartRefused` where it says nothing, or too much.
    """
    reason = text.strip()
    if not reason:
        raise StartRefused("a word on a write in doubt needs its reason", "say with --reason how you know")
    if len(reason) > REASON_CHARS_MAX:
        raise StartRefused(f"the reason has more than {REASON_CHARS_MAX} characters", "say where the rest of it stands")
    return reason


def _word(data: bytes) -> tuple[bool, str]:
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or body.keys() != {"applied", "reason"}:
        raise StartRefused("the body is not what is sent here", BODY_HINT)
    applied, reason = body["applied"], body["reason"]
    if not isinstance(applied, bool) or not isinstance(reason, str):
        raise StartRefused("the body is not what is sent here", BODY_HINT)
    return applied, admit_reason(reason)
