"""What was taken of every cap, over the admin door."""

from __future__ import annotations

from aiohttp import web

from breakers.spend import Total
from breakers.store.protocol import Store
from proxy.alerting import amount
from proxy.control.reply import reply


def add_spend(app: web.Application, store: Store) -> None:
    """
    Add what `breakwater spend` asks of a running process: `?node=KIND:NAME` for one node.
    """

    async def spend(request: web.Request) -> web.Response:
        return reply([row(total) for total in await store.totals(request.query.get("node", ""))])

    app.router.add_get("/v1/spend", spend)


def row(total: Total) -> dict[str, object]:
    """
    Return one total as people read it; `cap` is the one that was last judged by, None where none was yet.
    """
    left = max(0, total.cap - total.settled - total.held)
    return {
        "node": total.node,
        "period": total.period,
        "measure": total.measure,
        "cap": amount(total.measure, total.cap) if total.cap else None,
        "settled": amount(total.measure, total.settled),
        "held": amount(total.measure, total.held),
        "left": amount(total.measure, left) if total.cap else None,
        "resets_at": None if total.until is None else total.until.isoformat(),
    }
