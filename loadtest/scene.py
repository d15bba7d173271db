"""
A scene with faults: an upstream that remembers, Breakwater in front of it, agents with keys, and what an operator sees.

What every such scenario ends with stands here, too: Breakwater is stopped, its record verified and read, and callers,
upstream and record are held against one another.
"""

from __future__ import annotations

import http.client
import json
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import uvloop

from loadtest import effects as judged
from loadtest.answering import SECRET
from loadtest.arrivals import percentile
from loadtest.bench import CREDENTIAL, Bench
from loadtest.calls import Agent
from loadtest.diary import Diary
from loadtest.effects import Entry, OnRecord, on_record
from loadtest.installation import STOP_S, Breakwater, NotStartedError, agent
from loadtest.processes import address, on, resident_bytes, running
from loadtest.remembering import COUNTS, EFFECTS, MANNER, Manner
from loadtest.results import Check, Figure, Result, Timeline
from loadtest.scenario import ALLOW
from proxy.cli.client import find_running
from proxy.ledger.disk import RealDisk
from proxy.ledger.layout import epochs, segments
from proxy.ledger.read import last_records, ledger_in, read_segment

# What agents of a scene may do: the load's own read and create, and a stream.
CARD: Mapping[str, object] = {"stripe": {**ALLOW, "quotes.pdf": {}}}

# Far more than anything here takes: what is asked is that what was taken is told exactly.
CAPS: Mapping[str, object] = {"day": {"moved": "1000000000 USD", "writes": 10**9}}

# How full the disk is that a load happens to run on is not what is asked.
LEDGER: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": "1MiB"}}

# Calls of one agent under way at once, where a scenario does not ask for more.
MOST = 256

T = TypeVar("T")


@dataclass(slots=True)
class Scene:
    """
    One installation and its upstream, while a scenario runs; `agents` are those that called.
    """

    bench: Bench
    breakwater: Breakwater
    upstream: str
    keys: dict[str, str]
    started_s: float
    diary: Diary = field(default_factory=Diary)
    agents: list[Agent] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Scene {self.upstream} {len(self.agents)} agents, {self.diary.now:.1f} s>"

    # ------------------------------------------------------------------------------------------------------- callers

    def agent(self, name: str, prefix: str | None = None, *, most: int = MOST, diary: Diary | None = None) -> Agent:
        """
        Return an agent that calls under its key; what it was told is written into the scene's diary or its own.
        """
        made = Agent(self.keys[name], self.diary if diary is None else diary, prefix or name, most)
        made.at(self.breakwater.doors["stripe"])
        self.agents.append(made)
        return made

    def acted(self, body: Coroutine[Any, Any, T]) -> T:
        """
        Run what callers do, beside whoever is under test, and hang up in the end.
        """
        with on(self.bench.cores.beside):
            try:
                return uvloop.run(self._hanging_up(body))
            except BaseExceptionGroup as several:
                # One of those that act together broke off, and took the others along.
                raise first(several) from None

    async def _hanging_up(self, body: Coroutine[Any, Any, T]) -> T:
        try:
            return await body
        finally:
            for each in self.agents:
                each.close()

    # ------------------------------------------------------------------------------------------------------- upstream

    def counts(self) -> Counter[str]:
        """
        Return what the upstream counted.
        """
        found: Mapping[str, int] = self._asked("GET", COUNTS)
        return Counter(found)

    def effects(self) -> dict[str, int]:
        """
        Return how many effects the upstream made of each order.
        """
        found: dict[str, int] = self._asked("GET", EFFECTS)
        return found

    def manner(self, manner: Manner) -> None:
        """
        Have the upstream answer in this manner from here on.
        """
        names = Manner.__slots__
        self._asked("POST", MANNER, {name: getattr(manner, name) for name in names})

    def _asked(self, method: str, path: str, body: object = None) -> Any:
        data = json.dumps(body) if body is not None else None
        return json.loads(fetched(self.upstream, method, path, data, CREDENTIAL))

    # ------------------------------------------------------------------------------------------------------- operator

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """
        Ask the operators' door; raise `StartRefused` where it says no.
        """
        door = find_running(self.breakwater.state)
        if door is None:
            raise NotStartedError("nothing serves")
        return door.insist(method, path, body, within_s=STOP_S)

    def metric(self, name: str, **labels: str) -> float:
        """
        Return a metric, summed over all rows that have these labels; 0 where there are none.
        """
        said = fetched(self.breakwater.doors["admin"], "GET", "/metrics", None, "").decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in said.splitlines()
            if line.split("{")[0].split(" ")[0] == name and all(one in line for one in wanted)
        )

    def spent(self) -> dict[str, Fraction]:
        """
        Return what its agents took of their days' caps together, and what is still held, by measure.
        """
        taken: defaultdict[str, Fraction] = defaultdict(Fraction)
        for row in self.admin("GET", "/v1/spend"):
            if row["node"].startswith("agent:"):
                taken[row["measure"]] += sum(Fraction(str(row[name]).split(" ")[0]) for name in ("settled", "held"))
        return dict(taken)

    @property
    def pid(self) -> int:
        """
        Return the process that serves.
        """
        assert self.breakwater.process is not None
        return self.breakwater.process.pid

    def resident_mb(self) -> float:
        """
        Return how much memory it has.
        """
        return resident_bytes(self.pid) / 1e6

    def descriptors(self) -> int:
        """
        Return how many files and sockets it holds.
        """
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def threads(self) -> int:
        """
        Return how many threads it runs.
        """
        return sum(1 for _ in Path(f"/proc/{self.pid}/task").iterdir())

    def disk_bytes(self) -> int:
        """
        Return how much stands in its ledger's folder.
        """
        return sum(path.stat().st_size for path in (self.breakwater.state / "ledger").rglob("*") if path.is_file())

    def restarted(self) -> float:
        """
        Serve again after an end, and return how long that took.
        """
        began = time.monotonic()
        self.bench.serve(self.breakwater)
        return time.monotonic() - began

    # -------------------------------------------------------------------------------------------------------- the end

    def record(self) -> OnRecord:
        """
        Read what is on record.
        """
        return on_record(entries(self.breakwater.state))

    def ended(self) -> tuple[list[Check], OnRecord, dict[str, int]]:
        """
        Stop Breakwater, verify and read its record, and hold what callers, upstream and record say against one another.
        """
        code = self.breakwater.terminate()
        verified = self.breakwater.cli("ledger", "verify")
        record, effects = self.record(), self.effects()
        told = {order: call for each in self.agents for order, call in each.acknowledged.items()}
        no = {order: verdict for each in self.agents for order, verdict in each.refused.items()}
        found = (verified.out + verified.err).strip().splitlines()
        checks = [
            judged.once(effects),
            judged.acknowledged(told, effects, record),
            judged.refused(no, effects),
            judged.recorded(effects, record),
            judged.settled((order for each in self.agents for order in each.open), record),
            Check("stopped", "it stops when it is told to", code == 0, f"exit {code}"),
            Check("verified", "its ledger verifies", verified.code == 0, found[0] if found else "nothing was said"),
        ]
        return checks, record, effects

    def timeline(self) -> Timeline:
        """
        Return what callers were told, second by second.
        """
        return self.diary.timeline()


def build(
    bench: Bench,
    cards: Sequence[str] | Mapping[str, Mapping[str, object]],
    *,
    seed: int = 0,
    more: Mapping[str, object] | None = None,
) -> Scene:
    """
    Start an upstream and Breakwater in front of it, and mint each agent's key. A card's values go over the usual ones.
    """
    with on(bench.cores.beside):
        process = running(bench.folder, "loadtest.remembering", str(seed), secrets={SECRET: CREDENTIAL})
        upstream = address(bench.enter(process))
    usual = {"loops": False, "caps": CAPS, "allow": CARD}
    by_name = cards if isinstance(cards, Mapping) else {name: {} for name in cards}
    document = {
        "apis": {"stripe": bench.stripe(upstream)},
        "agents": {name: {**agent({}), **usual, **card} for name, card in by_name.items()},
        "ledger": LEDGER,
        **(more or {}),
    }
    breakwater, began = bench.breakwater(document), time.monotonic()
    bench.serve(breakwater)
    made = Scene(bench, breakwater, upstream, {}, time.monotonic() - began)
    made.keys.update({name: made.admin("POST", "/v1/keys", {"agent": name})["key"] for name in by_name})
    return made


def first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """
    Return the first of several failures that is one by itself.
    """
    one = several.exceptions[0]
    return first(one) if isinstance(one, BaseExceptionGroup) else one


def allow_descriptors(bench: Bench) -> None:
    """
    Let this process, and what it starts, have as many descriptors as the machine gives, until the bench is left.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench.later(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))


def entries(state: Path, since: int = 0) -> Iterator[tuple[int, Entry]]:
    """
    Yield every entry of a state folder's ledger from an index on, each with its own; a segment that ends before that is
    not read.
    """
    disk = RealDisk()
    found = segments(disk, epochs(disk, ledger_in(disk, state))[-1])
    ends = [first for first, _ in found[1:]]
    for (first, path), end in zip_longest(found, ends):
        if end is None or end > since:
            told = read_segment(disk.read(path), path, first)
            yield from ((record.index, record.entry) for record in told if record.index >= since)


def size(state: Path) -> int:
    """
    Return how many entries a state folder's ledger has; as a rule its newest segment alone is read.
    """
    disk = RealDisk()
    return sum(record.index + 1 for record in last_records(disk, ledger_in(disk, state), 1))


def fetched(url: str, method: str, path: str, body: str | None, credential: str) -> bytes:
    """
    Ask somebody on loopback beside the load, and return the answer's body.
    """
    at = urlsplit(url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=STOP_S)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {credential}"})
        return connection.getresponse().read()
    finally:
        connection.close()


def ms(values: Sequence[float], part: float) -> Figure:
    """
    Return a part's latency as a figure; 0 where nothing was timed.
    """
    return Figure(percentile(values, part) if values else 0.0, "ms")


def result(
    name: str, question: str, scene: Scene, figures: Mapping[str, Figure], checks: Sequence[Check], *lines: str
) -> Result:
    """
    Put together what a scene came to.
    """
    return Result(
        name,
        question,
        seconds=scene.diary.now,
        figures=figures,
        checks=tuple(checks),
        timeline=scene.timeline(),
        lines=(f"told: {scene.diary.said()}", *lines),
    )
