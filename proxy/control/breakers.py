"""
Breakers over the admin door: how they stand, and an operator's word for one.

Whoever holds the role `resume` may keep writes back and let a breaker go on; letting everything pass where it would not
is breaking the glass, for an hour at most. What an operator says ends by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Literal

import orjson
from aiohttp import web
from pydantic import Field

from breakers.breaker import IRREVERSIBLE, READ, WRITE, Breaker, State
from breakers.observe import FORCED_MAX_S, FORCED_PASSING_MAX_S, forced, released
from config.faults import did_you_mean, listed
from config.written import Seconds, Strict, write_duration
from proxy.control.acting import BREAK_GLASS, acting
from proxy.control.reply import refuse, reply
from proxy.errors import StartRefused
from proxy.ledger.drafts import stamp
from proxy.orders import read_order
from proxy.rooms import Rooms

REASON_CHARS_MAX = 500
"""Of a person's words: a few sentences, and where to read on."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CLASSES = (READ, WRITE, IRREVERSIBLE)

HINT = (
    "write `api:API/CLASS`, `agent:AGENT/API/CLASS`, `credential:API` or `task:ID`; CLASS is read, write, irreversible"
)

STATES = {
    "suggest-only": State.FORCED_SUGGEST_ONLY,
    "blocked": State.FORCED_BLOCKED,
    "passing": State.FORCED_PASSING,
}
"""What an operator may force, by the word for it."""


class ForceOrder(Strict):
    """
    What a breaker is forced to, for how long, and why.
    """

    to: Literal["suggest-only", "blocked", "passing"]
    """What traffic does from then on."""
    ttl_s: Seconds | None = Field(default=None, alias="ttl")
    """For how long; a day, or an hour where everything is to pass."""
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)
    """Why."""


class ReleaseOrder(Strict):
    """
    Why a breaker may go on.
    """

    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)
    """Why."""


def add_breakers(app: web.Application, rooms: Rooms) -> None:
    """
    Add what `breakwater breakers` asks of a running process.
    """

    async def listing(_: web.Request) -> web.Response:
        return reply([said(one) for one in rooms.observer.all()])

    async def shown(request: web.Request) -> web.Response:
        key = _key(request, rooms)
        found = [said(one) for one in rooms.observer.all() if one.key == key]
        # One that never moved passes, and has no record.
        return reply(found[-1] if found else said(Breaker(key)))

    async def force(request: web.Request) -> web.Response:
        key, order = _key(request, rooms), read_order(ForceOrder, await _body(request), "breakers force")
        state, who, at = STATES[order.to], acting(request), rooms.clock.now()
        if state is State.FORCED_PASSING and not who.holds(BREAK_GLASS):
            return refuse(403, f"this needs the role `{BREAK_GLASS}`", "see `operators` in the configuration")
        longest_s = FORCED_PASSING_MAX_S if state is State.FORCED_PASSING else FORCED_MAX_S
        if order.ttl_s is not None and order.ttl_s > longest_s:
            return refuse(400, f"`{order.to}` holds for {write_duration(longest_s)} at most", "force it again then")
        until = None if order.ttl_s is None else at + timedelta(seconds=order.ttl_s)
        moved = await rooms.observer.change(
            key, lambda known: forced(known, key, state, by=who.name, why=order.reason, at=at, until=until)
        )
        assert moved is not None
        return reply(said(moved))

    async def release(request: web.Request) -> web.Response:
        key, order = _key(request, rooms), read_order(ReleaseOrder, await _body(request), "breakers release")
        who, at = acting(request), rooms.clock.now()

        def let_go(known: Breaker | None) -> Breaker | None:
            return None if known is None else released(known, by=who.name, why=order.reason, at=at)

        moved = await rooms.observer.change(key, let_go)
        if moved is None:
            return refuse(
                409, "it passes: there is nothing to release", "`breakwater breakers list` prints what does not"
            )
        return reply(said(moved))

    app.router.add_get("/v1/breakers", listing)
    app.router.add_get("/v1/breakers/{key:.+}", _refusing(shown))
    app.router.add_post("/v1/breakers/{key:.+}/force", _refusing(force))
    app.router.add_post("/v1/breakers/{key:.+}/release", _refusing(release))


def said(breaker: Breaker) -> dict[str, object]:
    """
    Return what an operator is told of a breaker.
    """
    probe = breaker.probe
    return {
        "breaker": breaker.key,
        "state": str(breaker.state),
        "generation": breaker.gen,
        "round": breaker.round,
        "since": None if breaker.since is None else stamp(breaker.since),
        "until": None if breaker.until is None else stamp(breaker.until),
        "trips": breaker.trips,
        "good_results": breaker.oks,
        "step": breaker.step,
        "rate_a_minute": breaker.rate / 1000,
        "probe": None if probe is None else {"call": probe.call, "expires": stamp(probe.expires)},
        "why": breaker.why,
        "by": breaker.by or None,
    }


def _refusing(handler: Handler) -> Handler:
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StartRefused as no:
            return refuse(400, no.error, no.hint)

    return answered


def _key(request: web.Request, rooms: Rooms) -> str:
    key = request.match_info["key"]
    check_key(key, rooms)
    return key


def check_key(key: str, rooms: Rooms) -> None:
    """
    Raise `StartRefused` for what is the key of no breaker that an operator may look at or force.
    """
    kind, _, rest = key.partition(":")
    names = rest.split("/")
    match kind, names:
        case ("api", [api, of]):
            _known(api, rooms.accounts, "API")
            _known(of, CLASSES, "class")
        case ("agent", [agent, api, of]):
            _known(agent, rooms.agents, "agent")
            _known(api, rooms.accounts, "API")
            _known(of, CLASSES, "class")
        case ("credential", [api]):
            _known(api, rooms.accounts, "API")
        case ("task", [agent, id_]) if id_ and len(id_) <= 64 and id_.isascii():
            _known(agent, rooms.agents, "agent")
        case ("kill", _):
            raise StartRefused("this is the way back after a stop", "`breakwater resume --full` ends it")
        case _:
            raise StartRefused(f"`{key[:80]}` is no breaker", HINT)


def _known(name: str, names: Collection[str], what: str) -> None:
    if name not in names:
        hint = did_you_mean(name, names) or f"there are {listed(sorted(names))}"
        raise StartRefused(f"no {what} is called `{name[:80]}`", hint)


async def _body(request: web.Request) -> object:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise StartRefused("the body is not JSON", 'send {"to": …, "reason": …}') from None
