"""
What lets something be sent: of reads a `Look`, the agent's own after its reserve or one that a judgement asked for.

A write leaves as an intent, and once more as a `Redo`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from breakers.call import Call
from breakers.facts import Facts
from breakers.noun import noun
from breakers.store.protocol import HeldRead, Permit
from config.catalog import OperationSpec
from proxy.wire import Wire


@noun
class Look:
    """
    A read that may be sent: `total_s` is None for an agent's own, which has the whole time of a read.

    `left`, where there is one, is told that its first byte leaves. `reconciles` tells that it is made to find out how a
    write ended, `facts` are those on which an agent's own was let pass.
    """

    call: Call
    api: str
    base: str
    spec: OperationSpec
    wire: Wire
    total_s: float | None = None
    left: Callable[[], None] | None = None
    reconciles: bool = False
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Redo:
    """
    A write in doubt that may be sent again: its intent is durable and has no end. Only what resolves doubt builds one.

    `since` is when its key was first used; `permit` is asked before each first byte, and says no once writes were
    stopped or another has ended it. `call` is the write as it was judged.
    """

    intent: str
    api: str
    base: str
    spec: OperationSpec
    since: datetime
    permit: Callable[[], Awaitable[Permit]]
    call: Call


def own_read(held: HeldRead, wire: Wire, left: Callable[[], None] | None = None) -> Look:
    """
    Return the pass of an agent's own read.
    """
    call = held.go.call
    facts = held.go.facts
    return Look(call, call.api, call.request.base, call.operation.spec, wire, left=left, facts=facts)
