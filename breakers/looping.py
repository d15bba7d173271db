"""
What an agent does over and over without anything's changing: windows over its calls, and what is noticed in them.

A call says something (its fingerprint F), and something comes of it (R: an answer's status and digest, the class of an
error). Each task has a window of 10 minutes or 200 calls, whichever is shorter, and each agent one of what a new task
must not reset. In them:

| id | noticed | what comes of it |
|---|---|---|
| L1 | the same F, the same error, 3 times | a warning |
| L2 | the same F, the same error of the API's own, a 4th time | F is refused |
| L3 | the same F, the same R of a read, 5 times; 10 times | a warning; F is refused |
| L4 | the same 2, 3 or 4 calls with the same R, 3 rounds of them | each of them is refused |
| L5 | more than 30 writes of one operation at one place in 5 minutes, by a task or by the agent | parked |
| L6 | 500 calls, 50 writes or 60 minutes of one opened task | its calls are refused: a person has to look |
| refusals | 20 refusals by the card within a minute | the task is suspended for a minute |

What is refused for its results (L2, L3, L4) is free again once they could differ: after another write of the same agent
may have changed something, or when the window has passed. An error that can pass by itself (an upstream that is busy,
throttles, fails) warns and refuses nothing, for such a call is to be made again; nor does a refusal of ours, which is
judged anew each time. Only what the API said of the request itself does.

Polling is no loop: a read that is declared to be polled, at no shorter interval and for no longer than that; one whose
answer changes; one that is told to come again (202, `Retry-After`). The first of them counts nowhere, not in L6 either.

In L4 and L5 what is declared volatile is left out, and L5 leaves out all that names no object. Three rounds need equal
answers: an edit and a test whose result differs are no cycle. A write stands in a cycle by its status, for what it
answers names something new each time.

Everything is in memory and bounded, and is forgotten at a stop. The guard tells an agent that it is stuck; what has to
hold whatever happens are caps.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from breakers.call import Call
from breakers.facts import Noticed
from breakers.guard import Guard
from breakers.saying import Said
from breakers.windows import (
    PLACES_MAX,
    WINDOW_CALLS,
    WINDOW_S,
    Kind,
    Refusals,
    Result,
    Run,
    Seen,
    Totals,
    Window,
    recent,
)  # fmt: skip

PLACES_S = 300.0
"""Within what time writes at one place are counted."""

HAMMERING_S = 60.0
"""Within what time refusals are counted, and for how long too many suspend a task."""

PERIODS = (2, 3, 4)
"""Steps of a cycle: what comes back after more of them is more likely a plan than a loop."""

WINDOWS_MAX = 1024
"""
Of tasks, and as many of agents: a tenth of a megabyte each once two hundred different calls were made, thrice that at
most. What was used least recently is forgotten, so that among more that are busy at once less is noticed.
"""

TOTALS_MAX = 65_536
"""Opened tasks whose totals are held."""

HAMMERING = "refusals"
"""The rule that has no number: it is about refusals, not about calls."""

UNTIL = "It is not sent again before another write of yours has changed something, or ten minutes have passed."


class Looping:
    """
    The windows of the tasks and agents that were busy lately. `now` is in seconds that only grow.
    """

    def __init__(self, windows_max: int = WINDOWS_MAX) -> None:
        self._max = windows_max
        self._tasks: OrderedDict[str, Window] = OrderedDict()
        self._agents: OrderedDict[str, Window] = OrderedDict()
        self._totals: OrderedDict[str, Totals] = OrderedDict()
        # Apart from the windows, which are forgotten sooner: a suspension ends when its time is over.
        self._refusals: OrderedDict[str, Refusals] = OrderedDict()

    def __repr__(self) -> str:
        return f"Looping({len(self._tasks)} tasks, {len(self._agents)} agents)"

    def begin(self, call: Call, guard: Guard, now: float) -> Seen:
        """
        Return a call as it is seen before it is judged, with what is noticed of it then.
        """
        caller = call.caller
        task, agent = self._windows(caller.task, caller.agent)
        said, opened = Said(call, guard), caller.opened is not None
        seen = Seen(caller.task, caller.agent, call.api, said, guard, call.operation.writes, opened, polls=False)
        polling = guard.polling(call.api, call.operation.spec)
        if polling is not None and not seen.writes:
            run = task.runs.get(seen.said.exact)
            spaced = run is None or now - run.last >= polling.interval_s
            seen = replace(seen, polls=spaced and (run is None or now - run.since <= polling.for_s))
        noticed = self._suspended(seen, now) or _overdue(call, seen) or self._exceeded(seen)
        if noticed is None and not seen.polls:
            noticed = _cycling(task, agent, seen, now) or _repeating(task, agent, seen, now)
        if noticed is None or not noticed.refuses:
            noticed = _crowded(task, agent, seen, now) or noticed
        return seen if noticed is None else replace(seen, noticed=noticed)

    def admit(self, seen: Seen, now: float, *, approved: bool = False) -> Noticed | None:
        """
        Count a call that may pass, before anything of it is sent; or return why it is one too many by now.

        With `approved` a person has seen how many there are.
        """
        task, agent = self._windows(seen.task, seen.agent)
        noticed = self._suspended(seen, now) or self._exceeded(seen)
        if noticed is None and not approved:
            noticed = _crowded(task, agent, seen, now)
        if noticed is not None:
            return noticed
        task.calls += 1
        if place := seen.said.place:
            for window in (task, agent):
                times = recent(window.places, place, list, PLACES_MAX)
                times.append(now)
                del times[: -seen.guard.writes]
        if seen.opened and not seen.polls:
            totals = recent(self._totals, seen.task, Totals, TOTALS_MAX)
            totals.calls, totals.writes = totals.calls + 1, totals.writes + seen.writes
        return None

    def withdraw(self, seen: Seen) -> None:
        """
        Take back that a call was counted: nothing of it was sent.
        """
        place = seen.said.place
        for window in self._windows(seen.task, seen.agent):
            del window.places.get(place, [])[-1:]
        totals = self._totals.get(seen.task)
        if totals is not None and not seen.polls:
            totals.calls, totals.writes = totals.calls - 1, totals.writes - seen.writes

    def ended(self, seen: Seen, result: Result, now: float) -> Noticed | None:
        """
        Note what came of a call, and return what is to be said of it at once.
        """
        task, agent = self._windows(seen.task, seen.agent)
        if result.changes:
            agent.changes[seen.api] = agent.changes.get(seen.api, 0) + 1
        if result.kind is Kind.LATER:
            return None
        run = _run(task, agent, seen, result, now)
        if seen.polls:
            return None
        run.at.append((now, task.calls))
        del run.at[: -max(seen.guard.answers, seen.guard.errors)]
        if result.kind in {Kind.ANSWER, Kind.ERROR}:
            _step(task, agent, seen, result, now)
        return _warning(run, task, agent, seen, now)

    def refused(self, task: str, guard: Guard, now: float) -> None:
        """
        Count a refusal by the card; the last of too many suspends the task.
        """
        refusals = recent(self._refusals, task, Refusals, TOTALS_MAX)
        while refusals.at and refusals.at[0] <= now - HAMMERING_S:
            refusals.at.popleft()
        refusals.at.append(now)
        if len(refusals.at) >= guard.refusals:
            refusals.until = now + HAMMERING_S
            refusals.at.clear()

    def _suspended(self, seen: Seen, now: float) -> Noticed | None:
        refusals = self._refusals.get(seen.task)
        if refusals is None or now >= refusals.until:
            return None
        detail = (
            "Too many requests of this task were refused within a minute. Nothing is done under it for a minute; read "
            "what the refusals say before you go on."
        )
        return Noticed(HAMMERING, seen.guard.refusals, refuses=True, detail=detail)

    def _exceeded(self, seen: Seen) -> Noticed | None:
        totals, guard = self._totals.get(seen.task), seen.guard
        if totals is None or seen.polls:
            return None
        if totals.calls >= guard.task_calls:
            return _enough(totals.calls, f"made {totals.calls} calls")
        if seen.writes and totals.writes >= guard.task_writes:
            return _enough(totals.writes, f"made {totals.writes} writes")
        return None

    def _windows(self, task: str, agent: str) -> tuple[Window, Window]:
        return recent(self._tasks, task, Window, self._max), recent(self._agents, agent, Window, self._max)


def _enough(count: int, what: str) -> Noticed:
    again = "Stop, and let a person look at it; another task can be opened for what is left."
    return Noticed("L6", count, refuses=True, detail=f"This task has {what}. {again}")


def _overdue(call: Call, seen: Seen) -> Noticed | None:
    opened = call.caller.opened
    if opened is None or seen.polls:
        return None
    since_s = (call.at - opened.opened_at).total_seconds()
    minutes = int(since_s // 60)
    return _enough(minutes, f"been open for {minutes} minutes") if since_s > seen.guard.task_s else None


def _crowded(task: Window, agent: Window, seen: Seen, now: float) -> Noticed | None:
    place, writes, count = seen.said.place, seen.guard.writes, 0
    if not place:
        return None
    for window in (task, agent):
        times = window.places.get(place, ())
        if len(times) >= writes:
            count = max(count, sum(at > now - PLACES_S for at in times))
    if count < writes:
        return None
    detail = (
        f"{count} writes of this operation were made at the same place in five minutes, whatever they said. Look at "
        "what they did before you go on; the agent's owner can allow more."
    )
    return Noticed("L5", count, refuses=True, detail=detail, parks=True)


def _cycling(task: Window, agent: Window, seen: Seen, now: float) -> Noticed | None:
    since, changed = task.stopped.get(seen.said.loose, (float("-inf"), 0))
    if now - since >= WINDOW_S or agent.changed != changed:
        return None
    rounds = seen.guard.cycles
    detail = f"The same few requests were made {rounds} times in the same order, with the same results. {UNTIL}"
    return Noticed("L4", rounds, refuses=True, detail=detail)


def _repeating(task: Window, agent: Window, seen: Seen, now: float) -> Noticed | None:
    run = task.runs.get(seen.said.exact)
    if run is None:
        return None
    count = run.counted(now, task.calls, agent.changes.get(seen.api, 0))
    if run.result.kind is Kind.ERROR and count >= seen.guard.errors - 1:
        detail = f"The same request was answered with the same error {count} times. {UNTIL}"
        return Noticed("L2", count + 1, refuses=True, detail=detail)
    if run.result.kind is Kind.ANSWER and count >= seen.guard.answers and not seen.writes:
        detail = f"The same read gave the same answer {count} times. {UNTIL}"
        return Noticed("L3", count, refuses=True, detail=detail)
    return _warning(run, task, agent, seen, now)


_WARNINGS = {
    Kind.ANSWER: "The same request had the same answer {} times; nothing has changed.",
    Kind.ERROR: "The same request was answered with the same error {} times; change it before you send it again.",
    Kind.FAULT: "The same request failed {} times in the same way; wait longer before you send it again.",
    Kind.REFUSAL: "The same request was refused {} times for the same reason; repeating it will not change that.",
}


def _warning(run: Run, task: Window, agent: Window, seen: Seen, now: float) -> Noticed | None:
    count = run.counted(now, task.calls, agent.changes.get(seen.api, 0))
    answered = run.result.kind is Kind.ANSWER
    if count < (seen.guard.answers // 2 if answered else seen.guard.errors - 1):
        return None
    return Noticed("L3" if answered else "L1", count, refuses=False, detail=_WARNINGS[run.result.kind].format(count))


def _run(task: Window, agent: Window, seen: Seen, result: Result, now: float) -> Run:
    """
    Return the run that a result belongs to: the one before it, or one that begins with it.
    """
    changes = agent.changes.get(seen.api, 0)
    run = task.runs.get(seen.said.exact)
    if run is None or not run.result.same(result) or run.changes != changes or now - run.last > WINDOW_S:
        task.runs.pop(seen.said.exact, None)
        run = Run(result, changes, since=now, last=now)
    run.last = now
    return recent(task.runs, seen.said.exact, lambda: run, WINDOW_CALLS)


def _step(task: Window, agent: Window, seen: Seen, result: Result, now: float) -> None:
    """
    Note a step of a task, and stop the members of a cycle that it completes.
    """
    rounds, steps = seen.guard.cycles, task.steps
    steps.append((now, seen.said.loose, result.kind.encode() + result.mark))
    del steps[: -rounds * PERIODS[-1]]
    while steps[0][0] <= now - WINDOW_S:
        del steps[0]
    for member in _cycle(steps, rounds):
        task.stopped.pop(member, None)
        recent(task.stopped, member, lambda: (now, agent.changed), WINDOW_CALLS)


def _cycle(every: list[tuple[float, bytes, bytes]], rounds: int) -> frozenset[bytes]:
    for period in PERIODS:
        if len(every) < period * rounds or every[-1][1:] != every[-1 - period][1:]:
            # As nearly always: the last step is not what was done a round before.
            continue
        steps = [(said, came) for _, said, came in every]
        one = steps[-period:]
        members = frozenset(said for said, _ in one)
        # Whoever gives two answers in one round is a read whose answer changes.
        if 1 < len(members) == len(frozenset(one)) and steps[-period * rounds :] == one * rounds:
            return members
    return frozenset()
