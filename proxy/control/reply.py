"""The admin door's answers: JSON, and a refusal that says what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import orjson
from aiohttp import web

from breakers.store.protocol import StoreUnavailable
from proxy.errors import LedgerUnavailable, StartRefused

Asks = TypeVar("Asks")
Said = TypeVar("Said", bound=web.StreamResponse)


def reply(body: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """
    Return a JSON answer.
    """
    return web.Response(body=orjson.dumps(body), status=status_code, headers=headers, content_type="application/json")


def refuse(status_code: int, error: str, hint: str) -> web.Response:
    """
    Return a refusal: what was wrong, and what to do.
    """
    return reply({"error": error, "hint": hint}, status_code)


def in_words(handler: Callable[[Asks], Awaitable[web.Response]]) -> Callable[[Asks], Awaitable[web.Response]]:
    """
    Return a handler that answers what cannot be done by 409, with what to do instead.
    """

    async def answered(asks: Asks) -> web.Response:
        try:
            return await handler(asks)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)

    return answered


async def in_order(handler: Callable[[Asks], Awaitable[Said]], asks: Asks) -> Said | web.Response:
    """
    Return what a handler answers, or that the record or the store is not there for it.
    """
    try:
        return await handler(asks)
    except LedgerUnavailable:
        return refuse(503, "the ledger cannot be written, so nothing was changed", "see /readyz and the log")
    except StoreUnavailable as error:
        return refuse(503, f"the store cannot be asked: {error}", "see /readyz and the log")
    except web.HTTPException as error:
        return refuse(error.status, error.reason, "see `breakwater --help` for what there is")
