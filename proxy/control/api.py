"""
The admin door: health and metrics for machines without a token, everything else with an operator's.

An operator shows a token of his or her own, or the one that lies in the state folder; every call has its actor, and
`roles` says who may make it. An agent's key is never a token here, and the doors of agents know none of these paths.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from proxy.board import AWAY
from proxy.control.acting import ACTING, HOUSE, Operator, acting
from proxy.control.asking import Asking
from proxy.control.breakers import add_breakers
from proxy.control.doubt import add_doubt
from proxy.control.drift import add_drift
from proxy.control.fleet import add_fleet
from proxy.control.kill import add_kill
from proxy.control.operators import add_operators
from proxy.control.reload import add_reload
from proxy.control.reply import in_order, refuse, reply
from proxy.control.restart import add_restart
from proxy.control.reviews import add_reviews
from proxy.control.roles import lacking, may_unheard
from proxy.control.spend import add_spend
from proxy.control.status import add_status, readiness
from proxy.control.suggestions import add_suggestions
from proxy.control.tasks import add_tasks
from proxy.control.timeline import add_timeline
from proxy.control.vault import add_vault
from proxy.desk import Desk
from proxy.doubt.afar import Afar
from proxy.doubt.doubts import Doubts
from proxy.keys import make_key
from proxy.reloading import Reloading
from proxy.rooms import Rooms

OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
BODY_BYTES_MAX = 64 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def admin_app(
    rooms: Rooms,
    doubts: Doubts,
    token: str,
    randomness: Callable[[int], bytes],
    reloading: Reloading | None = None,
) -> web.Application:
    """
    Build the admin door's application; a process that read no files can read none again.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
            who = operator_with(shown, token, rooms)
            if who is None:
                return refuse(401, "this needs an operator's token", "send yours, or the content of STATE/admin.token")
            request[ACTING] = who
            resource = request.match_info.route.resource
            # What is not there is said to be not there, to whoever may look.
            if resource is not None and (why := lacking(request.method, resource.canonical, who)) is not None:
                return refuse(403, *why)
            if who.personal and not rooms.board.is_fresh and not may_unheard(request.method, request.path):
                return refuse(503, AWAY, "look and stop, or show the content of STATE/admin.token; see /readyz")
        return await in_order(handler, request)

    app = web.Application(middlewares=[guard], client_max_size=BODY_BYTES_MAX)
    asking = Asking(app, rooms.letters, rooms.operators, rooms.ledger.access)
    _add_health(app, rooms)
    add_status(asking, rooms)
    _add_keys(app, rooms, randomness)
    add_vault(app, rooms.credentials)
    add_doubt(asking, doubts, Afar(doubts, rooms))
    add_timeline(asking, rooms.settings.state)
    add_tasks(app, rooms.tasks)
    add_spend(app, rooms.store)
    add_drift(asking, rooms)
    add_fleet(app, rooms)
    add_reviews(asking, rooms)
    add_suggestions(asking, Desk(rooms))
    add_breakers(app, rooms)
    add_kill(app, asking, rooms)
    add_operators(app, rooms.operators, rooms.ledger.access, rooms.announcer, rooms.board, randomness)
    add_restart(app, rooms.worker)
    if reloading is not None:
        add_reload(app, reloading)
    return app


def operator_with(shown: str, house: str, rooms: Rooms) -> Operator | None:
    """
    Return who acts by the token that was shown, or None. Both kinds are compared in a time that tells nothing.
    """
    is_house = hmac.compare_digest(shown.encode("utf-8", "replace"), house.encode())
    name = rooms.operators.find(shown)
    if is_house:
        return HOUSE
    return None if name is None else Operator(name, rooms.operators.roles[name])


def _add_health(app: web.Application, rooms: Rooms) -> None:
    async def livez(_: web.Request) -> web.Response:
        return reply({"live": True})

    async def readyz(_: web.Request) -> web.Response:
        why = readiness(rooms)
        return reply({"ready": not why, "why": why}, 503 if why else 200)

    async def metrics(_: web.Request) -> web.Response:
        await rooms.metrics.sample(rooms.ledger, rooms.store, len(rooms.inflight), rooms.clock.now())
        rooms.metrics.breakers(rooms.observer.all())
        rooms.metrics.fleet.sample(rooms.store.members(), rooms.standing.fault)
        return web.Response(body=generate_latest(rooms.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


def _add_keys(app: web.Application, rooms: Rooms, randomness: Callable[[int], bytes]) -> None:
    async def mint(request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
            agent = body["agent"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return refuse(400, 'the body is not {"agent": NAME}', "send JSON with the agent's name")
        if not isinstance(agent, str) or agent not in rooms.agents:
            names = ", ".join(sorted(rooms.agents)) or "none"
            return refuse(400, "no agent of that name has a card", f"agents in the configuration: {names}")
        key, text = make_key(agent, randomness)
        await rooms.ledger.access.key_minted(key.agent, key.kid, key.digest, acting(request).name)
        rooms.keys.minted(key)
        await rooms.board.try_look()
        return reply({"agent": key.agent, "kid": key.kid, "key": text}, 201)

    async def listed(_: web.Request) -> web.Response:
        return reply([{"kid": k.kid, "agent": k.agent, "revoked": k.revoked} for k in rooms.keys.all()])

    async def revoke(request: web.Request) -> web.Response:
        kid = request.match_info["kid"]
        known = {key.kid: key for key in rooms.keys.all()}
        if kid not in known:
            return refuse(404, "no key has that id", "`breakwater key list` prints the ids")
        if not known[kid].revoked:
            await rooms.ledger.access.key_revoked(kid, acting(request).name)
            rooms.keys.revoked(kid)
            await rooms.board.try_look()
        return reply({"kid": kid, "agent": known[kid].agent, "revoked": True})

    app.router.add_post("/v1/keys", mint)
    app.router.add_get("/v1/keys", listed)
    app.router.add_delete("/v1/keys/{kid}", revoke)
