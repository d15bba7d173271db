"""
Which caps stand above a call, in the one order in which they are taken: its token's, its task's, the tasks' above that,
its agent's, its team's, its API account's.

Which hour, day and month of a calendar it is taken of is decided here, once, by the moment at which it is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from breakers.call import Call, Caller
from breakers.capping import NodeCaps, Spending
from breakers.caveats import count, moment, money
from breakers.noun import noun
from breakers.periods import day_ends, period_at
from breakers.spend import LIFE, Charge
from breakers.verdict import Reason, Refuse
from config.caps import Caps

# The caps of a token are few, and come again with each of its calls.
_REMEMBERED = 4096


@noun
class Cap:
    """
    The caps of one node for one period, which is over at `until`.
    """

    node: str
    period: str
    until: datetime | None
    caps: Caps

    def charge(self, measure: str, amount: int, cap: int) -> Charge:
        """
        Return what a call takes of one of them.
        """
        return Charge(self.node, self.period, measure, amount, cap, self.until, self.caps.alert)


def is_capped(call: Call, spending: Spending) -> bool:
    """
    Tell whether a cap may stand above a call: nobody looks for one where nobody wrote one.
    """
    caller = call.caller
    own = caller.caveats or caller.opened is not None
    return bool(own) or call.api in spending.apis or caller.agent in spending.agents


def caps_above(call: Call, spending: Spending, at: datetime) -> tuple[Cap, ...] | Refuse:
    """
    Return the caps above a call, in their order, or why a token's cannot be told.
    """
    caller, agent = call.caller, spending.of(call.caller.agent)
    try:
        caps = [*_token(caller)]
    except ValueError:
        return Refuse(Reason.TOKEN_NARROWED, "spend", "What the token may take at most cannot be read.")
    caps += _task(caller, spending)
    nodes = (*agent.nodes, spending.apis[call.api]) if call.api in spending.apis else agent.nodes
    for node in nodes:
        caps += _by_calendar(node, at)
    return tuple(caps)


def _token(caller: Caller) -> Iterator[Cap]:
    """
    Yield what each stage of a token's narrowing may take, for as long as that stage may be used.
    """
    until: datetime | None = None
    for caveat in caller.caveats:
        if caveat.key == "exp":
            ends = moment(caveat.value)
            until = ends if until is None else min(until, ends)
        elif caveat.key in {"n", "max"}:
            yield Cap(f"token:{caveat.id}", LIFE, until, _caps_of(caveat.key, caveat.value))


@lru_cache(maxsize=_REMEMBERED)
def _caps_of(key: str, value: str) -> Caps:
    # Nobody asked to be told of them: whoever narrowed a token is told by its refusals.
    if key == "n":
        return Caps(calls=count(value), alert=())
    return Caps(moved=(money(value),), alert=())


def _task(caller: Caller, spending: Spending) -> Iterator[Cap]:
    """
    Yield the caps of a task, by its agent's card and by how it was opened, and those of the tasks above it.
    """
    opened = caller.opened
    if opened is None:
        by_card, node = spending.of(caller.agent).task, f"task:{caller.task}"
        if by_card.capped:
            yield Cap(node, LIFE, day_ends(caller.task.rpartition("/")[2]), by_card)
        return
    for id_, caps, until in (
        (opened.id, opened.caps, opened.expires_at),
        *((above.id, above.caps, above.until) for above in opened.above),
    ):
        for one in (caps, spending.of(id_.partition("/")[0]).task):
            if one.capped:
                yield Cap(f"task:{id_}", LIFE, until, one)


def _by_calendar(node: NodeCaps, at: datetime) -> Iterator[Cap]:
    for kind, caps in node.periods:
        period = period_at(kind, node.zone, at)
        yield Cap(node.node, period.id, period.until, caps)
