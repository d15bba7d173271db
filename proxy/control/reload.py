"""A changed configuration over the admin door: taken, or refused with every fault that it has."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from config.faults import ConfigurationFault
from proxy.control.reply import refuse, reply
from proxy.errors import StartRefused
from proxy.reloading import Reloading

HINT = "nothing was changed; `breakwater check` names the same faults"


def add_reload(app: web.Application, reloading: Reloading) -> None:
    """
    Add what `breakwater reload` asks of a running process.
    """

    async def reload(request: web.Request) -> web.Response:
        try:
            # Several processes try it, before the first of them takes it.
            tries = request.query.get("try") == "1"
            applied = await (reloading.tried() if tries else reloading.reload())
        except ConfigurationFault as broken:
            count = len(broken.faults)
            error = f"the configuration has {count} {'fault' if count == 1 else 'faults'}"
            return reply({"error": error, "hint": HINT, "faults": [asdict(fault) for fault in broken.faults]}, 409)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)
        return reply({"version": applied.version, "was": applied.was, "changed": list(applied.changed)})

    app.router.add_post("/v1/reload", reload)
