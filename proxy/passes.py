"""What lets a read be sent: a `Look`, the agent's own after its reserve, or one that a judgement asked for."""

from __future__ import annotations

from dataclasses import dataclass

from breakers.call import Call
from breakers.store.protocol import HeldRead
from config.catalog import OperationSpec
from proxy.wire import Wire


@dataclass(frozen=True, slots=True)
class Look:
    """
    A read that may be sent: `total_s` is None for an agent's own, which has the whole time of a read.
    """

    call: Call
    api: str
    base: str
    spec: OperationSpec
    wire: Wire
    total_s: float | None = None


def own_read(held: HeldRead, wire: Wire) -> Look:
    """
    Return the pass of an agent's own read.
    """
    call = held.go.call
    return Look(call, call.api, call.request.base, call.operation.spec, wire)
