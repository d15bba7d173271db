"""The admin door's answers: JSON, and a refusal that says what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from proxy.errors import StartRefused

Handler = Callable[[web.Request], Awaitable[web.Response]]


def reply(body: object, status_code: int = 200) -> web.Response:
    """
    Return a JSON answer.
    """
    return web.Response(body=orjson.dumps(body), status=status_code, content_type="application/json")


def refuse(status_code: int, error: str, hint: str) -> web.Response:
    """
    Return a refusal: what was wrong, and what to do.
    """
    return reply({"error": error, "hint": hint}, status_code)


def in_words(handler: Handler) -> Handler:
    """
    Return a handler that answers what cannot be done by 409, with what to do instead.
    """

    async def answered(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)

    return answered
