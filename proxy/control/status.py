"""What an operator sees at a glance, and whether this process should get traffic."""

from __future__ import annotations

import contextlib

from breakers.store.events import WritesChanged
from breakers.store.protocol import OpenIntent, StoreUnavailable
from proxy.rooms import Rooms


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

    A store that cannot be asked has no numbers, no stop and no doubts.
    """
    with contextlib.suppress(StoreUnavailable):
        return _said(rooms, await rooms.store.open_intents(), await rooms.store.writes())
    return _said(rooms, None, None)


def _said(rooms: Rooms, opened: tuple[OpenIntent, ...] | None, writes: WritesChanged | None) -> dict[str, object]:
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
        "kill": _kill(writes),
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


def _kill(writes: WritesChanged | None) -> dict[str, object]:
    if writes is None:
        return {"mode": "unknown", "epoch": None}
    return {"mode": "stop-writes" if writes.stopped else "run", "epoch": writes.epoch}
