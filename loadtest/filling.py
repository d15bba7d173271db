"""
An installation with a past: records of two weeks, tasks that are open, keys of many agents; made in seconds.

What stands on record of a few real calls is told again under other names and at other times, in large batches, by the
program's own writer, into the state folder of an installation that does not run. The payloads of
the calls that were told again are not there, as if their time were over; everything that a start folds and a store is
told is. Then the snapshots are made that the running process would have made by and by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from itertools import chain, islice
from typing import Any

import orjson

from breakers.task import Task
from config.caps import Caps
from config.load import load
from loadtest.installation import Breakwater
from loadtest.roads import AGENT
from proxy.clock import SystemClock, system_randomness
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import Draft, system
from proxy.ledger.enveloped import task_fields
from proxy.ledger.log import commit
from proxy.ledger.recovery import say_closed
from proxy.ledger.state import State, open_state
from proxy.ledger.tail import Batch
from proxy.ulid import Ulids

Entry = Mapping[str, Any]

# As long as an agent that works all day needs for a million records.
PAST = timedelta(days=14)

# Of ten calls of an agent that has work to do, the others look something up.
WRITES_OF_TEN = 4

BATCH = 512
"""Records that become durable together: as many as the program's own writer takes at most."""

# How keyed hashes begin: of objects and paths, and the names under which a write is found again.
HASHED = ("h1:", "f1:", "e:", "k:")

# Where of a call its records refer to: the first is the intent, the second how it ended.
_AFTER_FIRST = (("intent", 0), ("outcome", 1))

# What a record has by its place, or by its payloads; both are others where it is told again.
_PLACED = frozenset({"v", "k", "i", "id", "ts", "task", "tn", "tp", "call", "act", "tr", "blobs"})


class Past(SystemClock):
    """
    The machine's clock, and whatever time it is for what is being told.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """
        Return the time that it is there.
        """
        return self.at


def fill(
    breakwater: Breakwater, like: Iterable[Entry] = (), *, records: int = 0, tasks: int = 1, agents: Sequence[str] = ()
) -> str:
    """
    Give an installation that does not run so many records like those of some real calls (and then it never ran), open
    tasks, and keys of agents.

    Return a task that is open.
    """
    now = datetime.now(UTC)
    clock, disk = Past(now - (PAST if records else timedelta(0))), RealDisk()
    step = (now - clock.at) / max(1, records // BATCH + 1)
    state = _opened(breakwater, clock, disk)
    opened = [_task(Ulids(SystemClock(), system_randomness).new(), now) for _ in range(tasks)]
    try:
        past = _told_again(_by_call(like), state.log.tree.size, records)
        while batch := tuple(islice(past, BATCH)):
            clock.at += step
            commit(Batch(state.log, batch, clock.at), disk)
        clock.at = now
        rest = chain(
            (Draft("task.opened", task.id, task_fields(task)) for task in opened),
            (_key(number, agent) for number, agent in enumerate(agents)),
            (system("log.closed", reason="stopped"),),
        )
        while batch := tuple(islice(rest, BATCH)):
            commit(Batch(state.log, batch, now), disk)
        say_closed(disk, state.log)
        state.snapshots.make(lambda: None, newest=True)
    finally:
        state.close(disk)
    return opened[0].id


def _opened(breakwater: Breakwater, clock: Past, disk: RealDisk) -> State:
    configuration = load(breakwater.config)
    return open_state(
        configuration.settings.state,
        configuration.settings.ledger,
        clock=clock,
        randomness=system_randomness,
        disk=disk,
        config_hash=configuration.version,
        software=version("breakwater"),
        new_epoch=None,
        since=clock.at,
    )


def _task(name: str, now: datetime) -> Task:
    # Longer than any run, as long as one may be opened for.
    return Task(f"{AGENT}/{name}", AGENT, now, now + timedelta(hours=23), Caps())


def _key(number: int, agent: str) -> Draft:
    return system("key.minted", agent=agent, kid=f"k{number:07d}", hash=sha256(agent.encode()).hexdigest(), by="admin")


@dataclass(frozen=True, slots=True)
class Like:
    """
    A record as it is told again: its fields as JSON, and the names in it that are others in each call.
    """

    kind: str
    fields: bytes
    names: tuple[bytes, ...]
    actor: Mapping[str, Any] | None

    def draft(self, number: int, first: int) -> Draft:
        """
        Return the record of another call, whose first record stands at an index.
        """
        spelled = self.fields
        for hashed in self.names:
            kind, _, old = hashed.rpartition(b":")
            new = sha256(b"%d%b" % (number, old)).hexdigest().encode()[: len(old)]
            spelled = spelled.replace(hashed, b"%b:%b" % (kind, new))
        fields: dict[str, Any] = orjson.loads(spelled)
        for name, after in _AFTER_FIRST:
            if fields.get(name) is not None:
                fields[name] = first + after
        return Draft(self.kind, f"{AGENT}/past-{number // 2000}", fields, f"{number:026d}", self.actor)


def _like(entry: Entry) -> Like:
    fields = {name: value for name, value in entry.items() if name not in _PLACED}
    return Like(entry["k"], orjson.dumps(fields), tuple(sorted(_names(fields))), entry.get("act"))


def _names(value: Any) -> set[bytes]:
    """
    Return every keyed hash in a value: none is one that another call has.
    """
    if isinstance(value, str):
        return {value.encode()} if value.startswith(HASHED) else set()
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set[bytes]().union(*map(_names, within))


def _by_call(like: Iterable[Entry]) -> tuple[list[list[Like]], list[list[Like]]]:
    """
    Return the records of each call, of reads and of writes that took effect.
    """
    called: dict[str, list[Like]] = {}
    for entry in like:
        if "call" in entry:
            called.setdefault(entry["call"], []).append(_like(entry))
    reads = [told for told in called.values() if told[0].kind == "call.outcome"]
    return reads, [told for told in called.values() if told[-1].kind == "change.recorded"]


def _told_again(real: tuple[list[list[Like]], list[list[Like]]], first: int, count: int) -> Iterator[Draft]:
    """
    Yield drafts of at least so many records, the calls of some real ones under other names; none breaks off. The first
    record will stand at an index.
    """
    at, number = first, 0
    while at < first + count:
        kind = real[number % 10 < WRITES_OF_TEN]
        call = kind[number % len(kind)]
        yield from (like.draft(number, at) for like in call)
        at, number = at + len(call), number + 1
