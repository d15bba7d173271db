"""
Writes in doubt over the admin door: which there are, look now, a person's word.

What cannot be done is 409 with what to do instead; a look may take as long as its API does.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from proxy.control import merged
from proxy.control.asking import Asked, Asking
from proxy.control.reply import in_words, reply
from proxy.doubt.afar import Afar
from proxy.doubt.doubts import Doubts
from proxy.errors import StartRefused

KIND = "doubt"

PROBE_S = 110.0
"""For a look, which takes as long as its API does: less than the command waits."""

BODY_HINT = 'send {"applied": true, "reason": TEXT}, or false'

REASON_CHARS_MAX = 2000
"""Of a person's words on record: a few sentences and where to read on."""


def add_doubt(asking: Asking, doubts: Doubts, afar: Afar) -> None:
    """
    Add what `breakwater doubt` asks of a running process.
    """

    async def listed(_: Asked) -> web.Response:
        return reply(await afar.listed())

    async def probe(asked: Asked) -> web.Response:
        return reply(await doubts.probe(asked.match["intent"]))

    async def resolve(asked: Asked) -> web.Response:
        intent = asked.match["intent"]
        applied, reason = _word(asked.body)
        await doubts.resolve(intent, applied=applied, reason=reason)
        return reply({"intent": intent, "state": "completed", "applied": applied, "reason": reason})

    asking.owns(KIND, afar.owns)
    asking.look("/v1/doubt", listed, merged.doubts)
    asking.act("POST", "/v1/doubt/{intent}/probe", in_words(probe), KIND, lambda _: PROBE_S)
    asking.act("POST", "/v1/doubt/{intent}/resolve", in_words(resolve), KIND)


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
