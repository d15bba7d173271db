"""What an operator sees at a glance, and whether this process should get traffic."""

from __future__ import annotations

import contextlib

from aiohttp import web

from breakers.breaker import State
from breakers.stops import ALL, CANARY, Mode
from breakers.store.protocol import OpenIntent, StoreUnavailable
from proxy.control import merged
from proxy.control.asking import Asked, Asking
from proxy.control.breakers import said as breaker
from proxy.control.kill import said_proof
from proxy.control.reply import reply
from proxy.ordered import said
from proxy.proof import Proof, proof_of
from proxy.rooms import Rooms

PROVING = ("process", "elsewhere", "confirmed", "fence")


def add_status(asking: Asking, rooms: Rooms) -> None:
    """
    Add what `breakwater status` asks of a running process.
    """

    async def shown(_: Asked) -> web.Response:
        return reply(await status(rooms))

    asking.look("/v1/status", shown, merged.status)


def readiness(rooms: Rooms) -> list[str]:
    """
    Return why this process should get no traffic; empty when it should.
    """
    why = []
    if rooms.stopping:
        why.append("stopping")
    if rooms.ledger.state != "ready":
        why.append(f"ledger {rooms.ledger.state}")
    if rooms.standing.fault is not None:
        why.append(f"store: {rooms.standing.fault}")
    return why


async def status(rooms: Rooms) -> dict[str, object]:
    """
    Return the state of doors, store, ledger, kill switch, calls in flight and writes in doubt.

    A store that cannot be asked has no numbers and no doubts; what is stopped this process knows by itself.
    """
    proof = await proof_of(ALL, rooms)
    with contextlib.suppress(StoreUnavailable):
        return _said(rooms, await rooms.store.open_intents(), proof)
    return _said(rooms, None, proof)


def _said(rooms: Rooms, opened: tuple[OpenIntent, ...] | None, proof: Proof) -> dict[str, object]:
    return {
        "ready": not readiness(rooms),
        "why": readiness(rooms),
        "doors": dict(rooms.addresses),
        "policy": rooms.policy.version,
        "agents": sorted(rooms.agents),
        "store": {
            "kind": rooms.store.kind,
            "fault": rooms.standing.fault,
            "open_intents": None if opened is None else len(opened),
        },
        "ledger": {
            "state": rooms.ledger.state,
            "origin": rooms.ledger.origin,
            "entries": rooms.ledger.size,
            "pending": rooms.ledger.pending,
        },
        "kill": _kill(proof, rooms),
        "breakers": [breaker(one) for one in rooms.observer.all() if one.state is not State.PASSING],
        "in_flight": len(rooms.inflight),
        "in_doubt": [
            {
                "intent": intent.opened.intent,
                "api": intent.opened.api,
                "operation": intent.opened.operation,
                "agent": intent.opened.agent,
                "task": intent.opened.task,
                "at": intent.opened.at.isoformat(),
            }
            for intent in opened or ()
            if intent.suspended
        ],
    }


def _kill(proof: Proof, rooms: Rooms) -> dict[str, object]:
    """
    Return the mode of everything, every scope that does not run, and what proves it.
    """
    now, here = rooms.clock.now(), rooms.killswitch.here
    known = [stop for stop in rooms.killswitch.stops.by_scope.values() if stop.scope != CANARY]
    return {
        "mode": str(proof.mode),
        "epoch": proof.stop.epoch,
        "scopes": [
            {**said(stop), "mode": str(stop.mode_at(now))}
            for stop in sorted(known, key=lambda stop: stop.scope)
            if stop.mode_at(now) is not Mode.RUN or stop.until is not None
        ],
        "file": None if here.written is None else str(here.written),
        **{name: value for name, value in said_proof(proof, rooms).items() if name in PROVING},
    }
