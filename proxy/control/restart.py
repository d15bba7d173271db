"""Restarting over the admin door: a worker says who may, and its parent, which asked it, replaces the workers."""

from __future__ import annotations

from aiohttp import web

from proxy.control.acting import acting
from proxy.control.reply import refuse, reply


def add_restart(app: web.Application, worker: int | None) -> None:
    """
    Add what a parent asks before it does what `breakwater restart` asks for.
    """

    async def restart(request: web.Request) -> web.Response:
        if worker is None:
            hint = "`breakwater serve --workers 1` has one that can be replaced while it runs"
            return refuse(409, "this is one process without a parent that could replace it", hint)
        return reply({"granted": True, "by": acting(request).name})

    app.router.add_post("/v1/restart", restart)
    app.router.add_get("/v1/restart", restart)
