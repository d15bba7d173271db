"""
Drift behind the road: agents' pasts learned from the record, what passed compared, an alarm put on record and told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from breakers.baseline import STEADY_MIN
from breakers.drift import Alarm, Step
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import read_stamp, stamp
from proxy.ledger.drifted import ALARMED, RESET, Drifted, drifted_from
from proxy.ledger.drifts import KIND
from proxy.ledger.index import Index, Wanted, index_in
from proxy.ledger.places import epoch_of
from proxy.ledger.read import Record
from proxy.rooms import Rooms

EVERY_S = 0.5
"""A person who is told half a second later loses nothing."""

FAILED_S = 30.0
"""After whatever kept it from looking: to read a past is work."""

IDLE_SHARE = 2
"""So many times the days of the baseline are looked back over: days without a call are none."""

LEARNED_MAX = 20_000
"""Calls of each kind that are learned of one day, the newest: more of them say no more of what is usual."""

Past = Step | Drifted | bool


async def watch_drift(rooms: Rooms) -> None:
    """
    Compare for ever.
    """
    for agent in rooms.drifting.standing:
        rooms.metrics.drift.standing.labels(agent).set(1)
    while True:
        try:
            await learn(rooms)
            while rooms.drifting.waits:
                await compare(rooms)
                await asyncio.sleep(0)
            pause_s = EVERY_S
        except StartRefused as no:
            rooms.log.event("unlearned", why=no.error)
            pause_s = FAILED_S
        except Exception as error:  # whatever it is: a later look is another attempt
            rooms.log.failure("", error)
            pause_s = FAILED_S
        await asyncio.sleep(pause_s)


async def learn(rooms: Rooms) -> None:
    """
    Learn the pasts that are to be learned.

    Raise `StartRefused` where the record cannot be read.
    """
    for agent, days in list(rooms.drifting.follow(rooms.policy)):
        if rooms.ledger.size < STEADY_MIN and epoch_of(rooms.ledger.origin) == 1:
            # There is no past yet.
            rooms.drifting.learn(agent, ())
            continue
        until = rooms.drifting.waits_since(agent) or rooms.clock.now()
        await asyncio.to_thread(_learn, rooms, agent, until - timedelta(days=IDLE_SHARE * days), until)


def _learn(rooms: Rooms, agent: str, since: datetime, until: datetime) -> None:
    # A stop waits for no index to be built, either.
    with closing(index_in(RealDisk(), rooms.settings.state, lambda: rooms.stopping)) as index:
        past = past_of(index, agent, since, until)
        # A stop waits for no past to be read.
        rooms.drifting.learn(agent, takewhile(lambda _: not rooms.stopping, past))


async def compare(rooms: Rooms) -> None:
    """
    Compare some of what has passed since, and tell of what differs.
    """
    # From here on they stand, whether or not that can be recorded: that takes nothing from anyone but a write unseen.
    for one in [_stands(rooms, agent, alarm) for agent, alarm in rooms.drifting.compare()]:
        await _told(rooms, one)


def _stands(rooms: Rooms, agent: str, alarm: Alarm) -> Drifted:
    one = rooms.drifting.standing[agent] = Drifted(agent, rooms.ids.new(), rooms.clock.now(), alarm)
    rooms.metrics.drift.alarms.labels(agent, str(alarm.kind)).inc()
    rooms.metrics.drift.standing.labels(agent).set(1)
    return one


async def _told(rooms: Rooms, one: Drifted) -> None:
    try:
        await rooms.ledger.drift.alarmed(one)
    except LedgerUnavailable as error:
        rooms.log.event("unrecorded", agent=one.agent, why=f"that it drifts: {error}")
    # Stop here: on record, and nobody was told. The next start tells it, and it stands.
    rooms.announcer.say(KIND, one.id, {"agent": one.agent, "differs": one.alarm.operation, "why": one.alarm.words})


def past_of(index: Index, agent: str, since: datetime, until: datetime) -> Iterator[Past]:
    """
    Yield what the record says of an agent's calls, and of alarms over them, day by day, the oldest first; what was said
    of alarms since then, too.
    """
    seen: set[str] = set()
    marks = deque(_marks(index, agent))
    while marks and marks[0][0] < since:
        marks.popleft()
    day = since
    while day < until:
        after = min(until, day + timedelta(days=1))
        for step in _steps(index, agent, day, after, seen):
            while marks and marks[0][0] <= step.at:
                yield marks.popleft()[1]
            yield step
        day = after
    yield from (mark for _, mark in marks)


def _marks(index: Index, agent: str) -> list[tuple[datetime, Drifted | bool]]:
    found = [record for kind in (ALARMED, RESET) for record in index.find(Wanted(kind=kind, agent=agent))]
    marks = [(read_stamp(str(one.entry["ts"])), mark) for one in found if (mark := _mark(one)) is not None]
    return sorted(marks, key=lambda one: one[0])


def _steps(index: Index, agent: str, since: datetime, until: datetime, seen: set[str]) -> list[Step]:
    within = Wanted(agent=agent, since=stamp(since), until=stamp(until), newest=LEARNED_MAX)
    reads = index.find(replace(within, kind="call.outcome", of_reads=True))
    writes = index.find(replace(within, kind="call.intent"))
    requested = index.find(replace(within, kind="approval.requested"))
    # What was parked again for another reason is no other write.
    parked = [one for one in requested if _is_new(str(one.entry.get("call")), seen)]
    # What was sent for a suggestion was seen when it was parked.
    writes = [one for one in writes if not one.entry.get("sug")]
    steps = [step for record in (*reads, *writes, *parked) if (step := _step(record)) is not None]
    return sorted(steps, key=lambda step: step.at)


def _is_new(call: str, seen: set[str]) -> bool:
    known = call in seen
    seen.add(call)
    return not known


def _step(record: Record) -> Step | None:
    entry, writes = record.entry, record.kind != "call.outcome"
    try:
        micros, currency = _moved(entry.get("moves"))
        at = read_stamp(entry.get("at", entry["ts"]))
        return Step(at, entry["task"], f"{entry['prov']}/{entry['op']}", writes, micros, currency)
    except (KeyError, TypeError, ValueError):
        return None


def _moved(moves: Mapping[str, Any] | None) -> tuple[int | None, str | None]:
    return (int(moves["micros"]), str(moves["currency"])) if moves else (None, None)


def _mark(record: Record) -> Drifted | bool | None:
    try:
        return drifted_from(record.entry) if record.kind == ALARMED else bool(record.entry["learn"])
    except (KeyError, TypeError, ValueError):
        return None
