"""
Parked writes over the admin door: which wait, what an approver is shown, and an approver's word.

What cannot be done is 409 with what to do instead. Who may say what is asked of the suggestion: whoever is let in here
has shown a personal token, and the desk asks for the role.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from proxy.control.acting import acting
from proxy.control.reply import in_words, reply
from proxy.desk import Desk
from proxy.errors import StartRefused

SUGGESTION_PATH = "/v1/suggestions/{id}"

WAIT_MAX_S = 30.0
"""Of whoever asks for the end of one: less than an admin client waits."""


def add_suggestions(app: web.Application, desk: Desk) -> None:
    """
    Add what `breakwater suggestions` asks of a running process.
    """

    async def listed(request: web.Request) -> web.Response:
        asked = request.query
        return reply(await desk.listed(shadow=asked.get("shadow") == "true", every=asked.get("all") == "true"))

    async def shown(request: web.Request) -> web.Response:
        id_, wait = request.match_info["id"], request.query.get("wait", "0")
        if wait.isdigit() and int(wait):
            await desk.settled(id_, min(float(wait), WAIT_MAX_S))
        return reply(await desk.shown(id_))

    async def approve(request: web.Request) -> web.Response:
        said = await _body(request, {"digest": str})
        return reply(await desk.approve(request.match_info["id"], said["digest"], acting(request)))

    async def reject(request: web.Request) -> web.Response:
        said = await _body(request, {"reason": str})
        return reply(await desk.reject(request.match_info["id"], said["reason"], acting(request)))

    async def edit(request: web.Request) -> web.Response:
        said = await _body(request, {"set": list}, {"reason": str})
        if not all(isinstance(one, str) for one in said["set"]):
            raise StartRefused("an edit is text", 'send {"set": ["body.amount=500"]}')
        return reply(await desk.edit(request.match_info["id"], said["set"], said.get("reason", ""), acting(request)))

    app.router.add_get("/v1/suggestions", in_words(listed))
    app.router.add_get(SUGGESTION_PATH, in_words(shown))
    app.router.add_post(f"{SUGGESTION_PATH}/approve", in_words(approve))
    app.router.add_post(f"{SUGGESTION_PATH}/reject", in_words(reject))
    app.router.add_post(f"{SUGGESTION_PATH}/edit", in_words(edit))


async def _body(
    request: web.Request, needed: dict[str, type], allowed: dict[str, type] | None = None
) -> dict[str, Any]:
    kinds = {**needed, **(allowed or {})}
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        # Its message would quote the body.
        body = None
    is_whole = isinstance(body, dict) and needed.keys() <= body.keys() <= kinds.keys()
    if not is_whole or not all(isinstance(value, kinds[name]) for name, value in body.items()):
        wanted = ", ".join(f'"{name}": …' for name in kinds)
        raise StartRefused("the body is not what is sent here", f"send {{{wanted}}}")
    return dict(body)
