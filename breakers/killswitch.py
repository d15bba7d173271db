"""
The stop, asked twice: `stopall` before anything is answered, `killswitch` before anything is judged.

| the strictest mode of all scopes that the call is in | a read | a repeat | a write |
|---|---|---|---|
| `run` | passes | is answered | passes |
| `suggest` | passes | is answered | is parked, for each scope that says so |
| `stop-writes` | passes | is answered | is refused |
| `stop-all` | is refused | is refused | is refused |

`bars` says the same of a call that was judged before, for whoever is about to send it: there a grant counts where it
answers every scope that parks the write, and never a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Passed, Policy
from breakers.stops import ALL, UNKNOWN, Mode, Stop, Stops, binding_on, scopes_of
from breakers.suggestion import Cause, Park
from breakers.verdict import Reason, Refuse

GATE = "kill"

WORDS_SHOWN_MAX = 200
"""Of what an operator said, in an answer: whoever reads it has the rest in `breakwater status`."""


def stopall(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse everything while everything is stopped.
    """
    if facts.stops.runs:
        # As nearly always: no scope of the call has to be spelled.
        return passed
    stop = binding_on(call, facts.stops, facts.at)
    return refused(stop, facts.at) if stop.mode_at(facts.at) is Mode.STOP_ALL else passed


def killswitch(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Refuse every write while writes are stopped, and park it while they are only to be suggested.
    """
    if facts.stops.runs or not call.operation.writes:
        return passed
    stop = binding_on(call, facts.stops, facts.at)
    mode = stop.mode_at(facts.at)
    if mode is Mode.RUN:
        return passed
    if mode is not Mode.SUGGEST:
        return refused(stop, facts.at)
    return passed.and_parked(*(park(one) for one in _suggesting(call, facts.stops, facts.at)))


def bars(call: Call, stops: Stops, at: datetime) -> Stop | None:
    """
    Return the record that keeps a call from leaving at a moment, or None.
    """
    stop = binding_on(call, stops, at)
    mode = stop.mode_at(at)
    if mode is Mode.STOP_ALL:
        return stop
    if mode is Mode.RUN or not call.operation.writes:
        return None
    if mode is Mode.STOP_WRITES:
        return stop
    answers = frozenset[str]() if call.grant is None else call.grant.answers
    return next((one for one in _suggesting(call, stops, at) if park(one).id not in answers), None)


def bars_reading(call: Call, stops: Stops, at: datetime, *, reconciling: bool = False) -> Stop | None:
    """
    Return the record that keeps a read for the sake of a call from leaving, or None.

    What finds out how a write ended may be read under `stop-all` where every record that says so allows it.
    """
    for scope in dict.fromkeys(scopes_of(call)):
        stop = stops.by_scope.get(scope)
        if stop is not None and stop.mode_at(at) is Mode.STOP_ALL and not (reconciling and stop.reconciles):
            return stop
    return None


def park(stop: Stop) -> Park:
    """
    Return the reason to park a write that one record is.
    """
    who = f" ({stop.reason[:WORDS_SHOWN_MAX]})" if stop.reason else ""
    return Park(Cause.KILL, stop.scope, f"An operator wants to see the writes of `{stop.scope}` first{who}.")


def refused(stop: Stop, at: datetime) -> Refuse:
    """
    Return the refusal by one record, with what it says.
    """
    mode = stop.mode_at(at)
    what = "Everything is stopped" if mode is Mode.STOP_ALL else "Writes are stopped"
    where = "" if stop.scope == ALL else f" for `{stop.scope}`"
    details = [("scope", stop.scope), ("mode", str(mode)), ("epoch", str(stop.epoch))]
    details += [("because", stop.reason[:WORDS_SHOWN_MAX])] if stop.reason else []
    return Refuse(Reason.KILLED, GATE, f"{what}{where}.", tuple(details))


def _suggesting(call: Call, stops: Stops, at: datetime) -> Iterator[Stop]:
    for scope in dict.fromkeys(scopes_of(call)):
        stop = stops.by_scope.get(scope, UNKNOWN if scope == ALL else None)
        if stop is not None and stop.mode_at(at) is Mode.SUGGEST:
            yield stop
