"""
The stop over the admin door: stop a scope, see that it stopped, drill, resume, break the glass.

Everyone who is let in may stop; `roles` says who may lift. What cannot be done is 409 with what to do instead; where
it takes another person the answer is 202.
"""

from __future__ import annotations

import os

import orjson
from aiohttp import web
from pydantic import Field

from breakers.stops import ALL, CANARY, REASON_CHARS_MAX, Mode
from config.written import Seconds, Strict, Whole
from proxy.control import merged
from proxy.control.acting import acting
from proxy.control.asking import Asked, Asking
from proxy.control.reply import in_words, refuse, reply
from proxy.drill import drill
from proxy.errors import StartRefused
from proxy.inforce import InForce
from proxy.killing import LEASE_S
from proxy.lifting import Lifting, Waits, Wanted
from proxy.ordered import Ordered, said
from proxy.orders import read_order
from proxy.proof import Proof, proof_of
from proxy.rooms import Rooms
from proxy.scopes import read_scope


class KillOrder(Strict):
    """
    What is to be stopped, and how.
    """

    scope: str = ALL
    """Which calls."""
    mode: Mode = Mode.STOP_WRITES
    """How much of them."""
    reason: str = Field(default="", max_length=REASON_CHARS_MAX)
    """Why."""
    abort: bool = False
    """Whether writes on their way are cut; nobody knows then how they ended."""
    allow_reconcile: bool = False
    """Whether what is in doubt is still looked for under `stop-all`."""


class LiftOrder(Strict):
    """
    What is to be lifted: the record with this epoch, and no newer one.
    """

    scope: str = ALL
    """Which calls."""
    epoch: Whole
    """The record that whoever lifts it has seen."""
    reason: str = Field(max_length=REASON_CHARS_MAX)
    """Why."""


class ResumeOrder(LiftOrder):
    """
    What is to be resumed.
    """

    to: Mode = Mode.RUN
    """Up to which mode."""
    full: bool = False
    """Whether all may pass at once."""


class GlassOrder(LiftOrder):
    """
    What is to run for a time.
    """

    ttl_s: Seconds = Field(alias="ttl")
    """For how long."""


def add_kill(app: web.Application, asking: Asking, rooms: Rooms) -> None:
    """
    Add what `breakwater kill` and `breakwater resume` ask of a running process.
    """
    lifting = Lifting(rooms.killswitch, rooms.observer, rooms.ledger.stops, rooms.clock)

    def scope_of(written: str) -> str:
        if written != CANARY and written in rooms.killswitch.stops.by_scope:
            # What was stopped once is lifted by that name, whatever has gone from the configuration since.
            return written
        return read_scope(written, {name: one.catalog for name, one in rooms.accounts.items()}, rooms.agents)

    async def kill(request: web.Request) -> web.Response:
        order = read_order(KillOrder, await _body(request), "kill")
        scope = scope_of(order.scope)
        refuse_less(order, scope, rooms.killswitch.here)
        ordered = await rooms.killswitch.order(
            scope,
            order.mode,
            acting(request).name,
            order.reason.strip(),
            aborts=order.abort,
            reconciles=order.allow_reconcile,
        )
        proof = said_proof(await proof_of(scope, rooms), rooms)
        # What the others have on its way is theirs to say: whoever wants to know asks all of them.
        proved = proof if is_alone(rooms) else {**proof, "confirmed": False}
        return reply({**said_ordered(ordered), **proved})

    async def shown(asked: Asked) -> web.Response:
        scope = scope_of(asked.query.get("scope", ALL))
        return reply(said_proof(await proof_of(scope, rooms), rooms))

    async def drilled(request: web.Request) -> web.Response:
        done = await drill(rooms.killswitch, acting(request).name, rooms.clock, rooms.metrics)
        return reply({"epoch": done.epoch, "here_s": done.here_s, "told_s": done.told_s, "why": done.why})

    async def resume(request: web.Request) -> web.Response:
        order, who = read_order(ResumeOrder, await _body(request), "resume"), acting(request)
        scope = scope_of(order.scope)
        wanted, people = Wanted(scope, order.to, order.epoch, order.full), rooms.settings.kill.resume_by
        return said_lifted(
            await lifting.resume(wanted, who.name, order.reason.strip(), people=people, personal=who.personal)
        )

    async def break_glass(request: web.Request) -> web.Response:
        order = read_order(GlassOrder, await _body(request), "resume")
        scope = scope_of(order.scope)
        wanted = Wanted(scope, Mode.RUN, order.epoch, full=True, for_s=order.ttl_s)
        return said_lifted(await lifting.break_glass(wanted, acting(request).name, order.reason.strip()))

    app.router.add_post("/v1/kill", in_words(kill))
    asking.look("/v1/kill", in_words(shown), merged.kill)
    app.router.add_post("/v1/kill/drill", in_words(drilled))
    app.router.add_post("/v1/resume", in_words(resume))
    app.router.add_post("/v1/break-glass", in_words(break_glass))


def refuse_less(order: KillOrder, scope: str, here: InForce) -> None:
    """
    Raise `StartRefused` for an order by which more of a scope would pass than does.
    """
    known, stands = here.mode(scope), here.known.by_scope.get(scope)
    if order.mode is Mode.RUN or order.mode.strictness < known.strictness:
        hint = f"`breakwater resume --scope {scope} --to {order.mode} --reason …` is how a stop is made less"
        raise StartRefused(f"`{scope}` is `{known}`: that is more than `{order.mode}`", hint)
    if order.allow_reconcile and known is Mode.STOP_ALL and stands is not None and not stands.reconciles:
        hint = f"`breakwater resume --scope {scope} --to stop-writes --reason …` lets them be looked for"
        raise StartRefused(f"`{scope}` is stopped without looking for writes in doubt", hint)


def said_ordered(ordered: Ordered) -> dict[str, object]:
    """
    Return what came of an order.
    """
    return {**said(ordered.stop), "recorded": ordered.recorded, "shared": ordered.shared, "why": ordered.why or None}


def said_proof(proof: Proof, rooms: Rooms) -> dict[str, object]:
    """
    Return how a scope stands, and what proves it.
    """
    return {
        "record": said(proof.record),
        "in_force": {**said(proof.stop), "mode": str(proof.mode)},
        "process": {
            **({} if is_alone(rooms) else {"replica": rooms.ledger.replica}),
            "log": rooms.ledger.origin,
            "pid": os.getpid(),
            "epoch": proof.epoch,
            "applied_at": proof.applied_at.isoformat(),
            "heard": proof.heard,
            "in_flight": [
                {
                    "intent": flight.call.id,
                    "api": flight.call.api,
                    "operation": flight.call.operation.spec.name,
                    "agent": flight.call.caller.agent,
                    "since": None if flight.since is None else flight.since.isoformat(),
                }
                for flight in proof.in_flight
            ],
            "last_dispatch": None if proof.last_dispatch is None else proof.last_dispatch.isoformat(),
        },
        "elsewhere": None
        if proof.elsewhere is None
        else [
            {"intent": one.intent, "api": one.api, "operation": one.operation, "agent": one.agent}
            for one in proof.elsewhere
        ],
        "confirmed": proof.confirmed,
        "within_s": rooms.settings.timeouts.drain_s,
        **({} if is_alone(rooms) else {"fence": fence(proof, rooms)}),
    }


def is_alone(rooms: Rooms) -> bool:
    """
    Tell whether no other process can share what this one knows.
    """
    return rooms.store.kind == "memory"


def fence(proof: Proof, rooms: Rooms) -> dict[str, object]:
    """
    Return since when the shared state has this stop, after what time a process that hears nothing of it has stopped by
    itself, and after what more whatever that had on its way is over.
    """
    since_s = None if proof.shared_s is None else round(proof.shared_s, 3)
    return {"since_s": since_s, "after_s": LEASE_S, "longest_s": rooms.settings.timeouts.drain_s}


def said_lifted(lifted: Ordered | Waits) -> web.Response:
    """
    Return what came of lifting a stop, or who is waited for.
    """
    if isinstance(lifted, Waits):
        return reply({"waits": True, "by": lifted.by, "until": lifted.until.isoformat()}, 202)
    if not lifted.holds:
        error = f"`{lifted.stop.scope}` was stopped by another order at the same time, and stays so"
        return refuse(409, error, "`breakwater status` says by which")
    return reply({"waits": False, **said_ordered(lifted)})


async def _body(request: web.Request) -> object:
    try:
        return orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise StartRefused("the body is not JSON", "see docs/KILL.md for what is sent here") from None
