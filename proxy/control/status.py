"""What an operator sees at a glance, and whether this process should get traffic."""

from __future__ import annotations

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
    return why


def status(rooms: Rooms) -> dict[str, object]:
    """
    Return the state of doors, store, ledger, kill switch, calls in flight and writes in doubt.
    """
    doubt = [intent for intent in rooms.store.open_intents() if intent.suspended]
    return {
        "ready": not readiness(rooms),
        "why": readiness(rooms),
        "doors": dict(rooms.addresses),
        "policy": rooms.policy.version,
        "agents": sorted(rooms.agents),
        "store": {"kind": "memory", "open_intents": len(rooms.store.open_intents())},
        "ledger": {
            "state": rooms.ledger.state,
            "origin": rooms.ledger.origin,
            "entries": rooms.ledger.size,
            "pending": rooms.ledger.pending,
        },
        "kill": {"mode": "stop-writes" if rooms.store.writes.stopped else "run", "epoch": rooms.store.writes.epoch},
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
            for intent in doubt
        ],
    }
