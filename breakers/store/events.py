"""
The events that rebuild any store: what the ledger says, in the words of judgement.

Each may be told twice; what a store knows better stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from breakers.breaker import Breaker
from breakers.call import Call
from breakers.known import Ended, Names
from breakers.noun import noun
from breakers.spend import Alert, Charge
from breakers.stops import Stop
from breakers.suggestion import Suggested
from breakers.task import Closed, Task


@noun
class IntentOpened:
    """
    A write's intent is durable: it may have been sent. `place` is where its record stands in the ledger, `suggestion`
    the one that it carries out, `replica` the name of who sends it, where several share a store.
    """

    intent: str
    api: str
    operation: str
    agent: str
    task: str
    at: datetime
    names: Names | None = None
    window_s: int = 0
    place: str = ""
    charges: tuple[Charge, ...] = ()
    suggestion: str = ""
    replica: str = ""


def opened_by(call: Call, place: str = "", charges: tuple[Charge, ...] = ()) -> IntentOpened:
    """
    Return the event that says that a write's intent is durable.
    """
    spec = call.operation.spec
    return IntentOpened(
        intent=call.id,
        api=call.api,
        operation=spec.name,
        agent=call.caller.agent,
        task=call.caller.task,
        at=call.at,
        names=call.names,
        window_s=spec.effect_window_s,
        place=place,
        charges=charges,
        suggestion="" if call.grant is None else call.grant.suggestion,
    )


@dataclass(frozen=True, slots=True)
class IntentEnded:
    """
    A write's end is durable, or that nobody knows it.
    """

    intent: str
    ended: Ended


@dataclass(frozen=True, slots=True)
class IntentDelivered:
    """
    Whether the answer of an intent reached its caller.
    """

    intent: str
    delivered: bool


@dataclass(frozen=True, slots=True)
class KillChanged:
    """
    A record of the stop, of one scope.
    """

    stop: Stop


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """
    A breaker stands as this record says; of two the one with the higher generation counts.
    """

    breaker: Breaker


@dataclass(frozen=True, slots=True)
class SuggestionNoted:
    """
    A suggestion stands as this says; of two the one with the higher version counts.
    """

    suggested: Suggested


@dataclass(frozen=True, slots=True)
class ReadHeld:
    """
    A read under a cap is on record before it is sent: what it may take is taken, unless its end says less.
    """

    call: str
    at: datetime
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class ReadSettled:
    """
    What a read took of its charges, in their order.
    """

    call: str
    spent: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskOpened:
    """
    A task was opened.
    """

    task: Task


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """
    A task is over.
    """

    task: str
    at: datetime
    why: Closed


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """
    Tokens with this id in their narrowing are not valid any more; `until` is when no such token can be valid anyway.
    """

    token: str
    until: datetime


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """
    An alert is on record: it is not raised a second time, and is delivered until somebody says that it was.
    """

    alert: Alert


@dataclass(frozen=True, slots=True)
class AlertDelivered:
    """
    An alert has reached everyone whom it is for.
    """

    alert: str


Event = (
    IntentOpened
    | IntentEnded
    | IntentDelivered
    | KillChanged
    | BreakerMoved
    | SuggestionNoted
    | ReadHeld
    | ReadSettled
    | TaskOpened
    | TaskClosed
    | TokenRevoked
    | AlertRaised
    | AlertDelivered
)
