"""
Parked writes over the admin door: which wait, what an approver is shown, and an approver's word.

What cannot be done is 409 with what to do instead. Who may say what is asked of the suggestion: whoever is let in here
has shown a personal token, and the desk asks for the role.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from proxy.control import merged
from proxy.control.asking import ACTS_WITHIN_S, Asked, Asking
from proxy.control.reply import in_words, reply
from proxy.desk import Desk
from proxy.errors import StartRefused

KIND = "suggestion"

SUGGESTION_PATH = "/v1/suggestions/{id}"

WAIT_MAX_S = 30.0
"""Of whoever asks for the end of one: less than an admin client waits."""


def add_suggestions(asking: Asking, desk: Desk) -> None:
    """
    Add what `breakwater suggestions` asks of a running process.
    """

    async def listed(asked: Asked) -> web.Response:
        said = asked.query
        found = await desk.listed(shadow=said.get("shadow") == "true", every=said.get("all") == "true")
        return reply([merged.owned(one, mine=desk.is_own(one["suggestion"])) for one in found])

    async def shown(asked: Asked) -> web.Response:
        id_, wait_s = asked.match["id"], _wait_s(asked)
        if wait_s:
            await desk.settled(id_, wait_s)
        return reply(await desk.shown(id_))

    async def approve(asked: Asked) -> web.Response:
        said = _body(asked.body, {"digest": str})
        return reply(await desk.approve(asked.match["id"], said["digest"], asked.who))

    async def reject(asked: Asked) -> web.Response:
        said = _body(asked.body, {"reason": str})
        return reply(await desk.reject(asked.match["id"], said["reason"], asked.who))

    async def edit(asked: Asked) -> web.Response:
        said = _body(asked.body, {"set": list}, {"reason": str})
        if not all(isinstance(one, str) for one in said["set"]):
            raise StartRefused("an edit is text", 'send {"set": ["body.amount=500"]}')
        return reply(await desk.edit(asked.match["id"], said["set"], said.get("reason", ""), asked.who))

    asking.owns(KIND, desk.owns)
    asking.look("/v1/suggestions", in_words(listed), merged.suggestions)
    asking.act("GET", SUGGESTION_PATH, in_words(shown), KIND, lambda asked: ACTS_WITHIN_S + _wait_s(asked))
    for verb, answering in (("approve", approve), ("reject", reject), ("edit", edit)):
        asking.act("POST", f"{SUGGESTION_PATH}/{verb}", in_words(answering), KIND)


def _wait_s(asked: Asked) -> float:
    wait = asked.query.get("wait", "0")
    return min(float(wait), WAIT_MAX_S) if wait.isdigit() else 0.0


def _body(data: bytes, needed: dict[str, type], allowed: dict[str, type] | None = None) -> dict[str, Any]:
    kinds = {**needed, **(allowed or {})}
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        # Its message would quote the body.
        body = None
    is_whole = isinstance(body, dict) and needed.keys() <= body.keys() <= kinds.keys()
    if not is_whole or not all(isinstance(value, kinds[name]) for name, value in body.items()):
        wanted = ", ".join(f'"{name}": …' for name in kinds)
        raise StartRefused("the body is not what is sent here", f"send {{{wanted}}}")
    return dict(body)
