"""The admin door's answers: JSON, and a refusal that says what to do."""

from __future__ import annotations

import orjson
from aiohttp import web


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
