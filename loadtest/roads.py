"""
The roads of a load: no proxy at all, a bare one, Breakwater; what is called on each, and whether all counted the same.

One upstream stands behind all of them, one generator calls on one of them at a time. A number is used for one create
only, whichever road it took, so that none is another one's repeat but those that are meant to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from loadtest.answering import Upstream
from loadtest.bench import CREDENTIAL, Bench
from loadtest.counting import LATER, NOT_NOW, UNSENT, WANTED, Said, check, uneven, unrecorded
from loadtest.installation import Breakwater, NotStartedError, agent
from loadtest.jobs import PLACE, Closed, Done, Generator, Held, Job, Paced
from loadtest.measure import BARE, DIRECT, GOVERNED
from loadtest.processes import cpu_s
from loadtest.results import Check
from loadtest.scenario import ALLOW, CREATE, OPERATIONS, OVER_LIMIT, READ, REFUSAL, REPLAY, Operation, text
from loadtest.scene import LEDGER, entries
from proxy.cli.client import find_running
from proxy.ledger.layout import worker_folder

AGENT = "load_agent"

# How many writes the replays repeat, one after the other.
REPLAYED = 64

# How often a call is made at most that is told to come again: a store that is asked too much answers a moment later.
TRIES = 20

# How long a record may be before the first call for all of it to be verified: a million entries take ten seconds, and
# on a busy machine as long as a command may.
VERIFIED_MAX = 200_000

# What stands behind a road's kinds of calls.
KINDS: Mapping[str, Operation] = {**OPERATIONS, REPLAY: OPERATIONS[CREATE], REFUSAL: OVER_LIMIT}


class BrokenOffError(RuntimeError):
    """
    Calls were not answered: what was measured is worth nothing.
    """


@dataclass(frozen=True, slots=True)
class Road:
    """
    An address and what is shown there; `pid` is the process on the way, where there is one.
    """

    name: str
    url: str
    credential: str
    pid: int | None = None
    more: tuple[str, ...] = ()

    def text(self, kind: str) -> str:
        """
        Return a kind of call on this road, with a place for its number.
        """
        return text(KINDS[kind], urlsplit(self.url).netloc, self.credential, *self.more).replace("#", PLACE)


class Roads:
    """
    What can be called, by whom, and what was said so far.
    """

    def __init__(self, generator: Generator, upstream: Upstream, roads: Sequence[Road]) -> None:
        self.generator, self.upstream = generator, upstream
        self.roads: dict[str, Road] = {road.name: road for road in roads}
        self.said: dict[tuple[str, str], Said] = {}
        self._next = 0
        self._replayed: dict[str, int] = {}
        self._worked: dict[tuple[str, str], list[float]] = {}

    def add(self, roads: Iterable[Road]) -> None:
        """
        Have further roads to call on.
        """
        self.roads |= {road.name: road for road in roads}

    def __repr__(self) -> str:
        return f"<Roads {', '.join(self.roads)}, {self._next} numbers used>"

    def closed(self, road: str, kind: str, seconds: float, connections: int) -> float:
        """
        Call as fast as answers come, and return how many of them came in a second.
        """
        first, cycle = (self._written(road), REPLAYED) if kind == REPLAY else (self._next, 0)
        at = self.roads[road]
        before = cpu_s(at.pid) if at.pid else 0.0
        done = self.do(road, kind, Closed(at.url, [at.text(kind)], connections, seconds, first, cycle))
        worked = (cpu_s(at.pid) if at.pid else 0.0) - before
        self._worked.setdefault((road, kind), []).append(1e6 * worked / max(1, done.total))
        self._next += 0 if cycle else done.used
        return done.calls_per_second

    def cpu_us(self, road: str, kind: str) -> list[float]:
        """
        Return for every closed loop how long a call had the processor in the process on the road, in us.
        """
        return self._worked.get((road, kind), [0.0])

    def paced(self, road: str, kind: str, per_second: float, count: int, connections: int) -> list[float]:
        """
        Call at a fixed rate, and return how many ms each call took from its intended beginning.
        """
        calls, at = self._calls(road, kind, count), self.roads[road]
        return self.do(road, kind, Paced(at.url, [at.text(kind)], calls, connections, per_second)).latencies_ms()

    def insisted(self, road: str, kind: str, per_second: float, count: int, connections: int) -> None:
        """
        Call at a fixed rate, and again, as an SDK does, what was told to come again.
        """
        calls, at = self._calls(road, kind, count), self.roads[road]
        for _ in range(TRIES):
            done = self.do(road, kind, Paced(at.url, [at.text(kind)], calls, connections, per_second))
            calls = [call for call, said in zip(calls, done.said, strict=True) if said == NOT_NOW]
            if not calls:
                return
            self.said.setdefault((road, LATER), Said()).told[NOT_NOW] += self.said[road, kind].told.pop(NOT_NOW)
        raise BrokenOffError(f"{road} {kind}: {len(calls)} were told {NOT_NOW} {TRIES} times, one after the other")

    def number(self) -> int:
        """
        Return a number that nobody has used.
        """
        self._next += 1
        return self._next - 1

    def do(self, road: str, kind: str, job: Job) -> Done:
        """
        Have a job of one kind done on a road, and note what came of it.
        """
        before = self.upstream.counts()
        self.generator.begin(job)
        return self.end(road, kind, before)

    def hold(self, road: str, kind: str, count: int) -> Held:
        """
        Return the job of so many calls at once.
        """
        at = self.roads[road]
        job = Held(at.url, at.text(kind), count, self._next)
        self._next += count
        return job

    def end(self, road: str, kind: str, before: Mapping[str, int]) -> Done:
        """
        Note what came of the job that was begun, given what the upstream had counted before it.
        """
        done = self.generator.end()
        reached = self.upstream.counts()
        sent = sum(reached[operation] - before[operation] for operation in (READ, CREATE))
        self.said.setdefault((road, kind), Said()).add(done.told, done.calls, sent)
        if done.error:
            raise BrokenOffError(f"{road} {kind}: {done.error}")
        return done

    def _calls(self, road: str, kind: str, count: int) -> list[tuple[int, int]]:
        first = self._written(road) if kind == REPLAY else None
        return [(0, self.number() if first is None else first + at % REPLAYED) for at in range(count)]

    def _written(self, road: str) -> int:
        """
        Make the writes that replays repeat, once, and return the first one's number.
        """
        if road not in self._replayed:
            self._replayed[road] = self._next
            # As fast as they are taken: nobody times them.
            self.insisted(road, CREATE, 1000.0, REPLAYED, 8)
        return self._replayed[road]

    def evened(self, also: Mapping[str, str] = MappingProxyType({})) -> Check:
        """
        Hold what callers were told against what the upstream counts, on every road; a kind may be told `also` that.
        """
        faults, total = [], 0
        for (road, kind), said in self.said.items():
            wanted, sent = ("200", True) if road in {DIRECT, BARE} else (WANTED[kind], kind not in UNSENT)
            faults += uneven(f"{road} {kind}", said, wanted, sent=sent, also=also.get(kind, ""))
            total += said.told.total()
        return check(
            "answered", "each call is told what it should be, and reaches the upstream once or not", faults, total
        )

    def recorded(
        self, breakwater: Breakwater, road: str = GOVERNED, workers: int = 1, *, since: int = 0
    ) -> list[Check]:
        """
        Stop Breakwater, verify its record, each worker's own, and hold it against what callers of its road were told,
        from the index on that it had before the first of them called. A record that was very long is not verified.
        """
        code = breakwater.terminate()
        folders = [worker_folder(breakwater.state, number) for number in range(1, workers + 1)]
        said = {kind: said for (name, kind), said in self.said.items() if name == road}
        faults = unrecorded(chain.from_iterable(entries(folder, since) for folder in folders), said)
        total = sum(each.told.total() for each in said.values())
        checks = [
            Check("stopped", "it stops when it is told to", code == 0, f"exit {code}"),
            *(verified(breakwater, folders) if since <= VERIFIED_MAX else ()),
            check("recorded", "exactly the governed calls are on record", faults, total),
        ]
        if road == GOVERNED:
            return checks
        # Of several roads each has its own.
        return [replace(each, name=f"{each.name}-{road}", says=f"{road}: {each.says}") for each in checks]


def verified(breakwater: Breakwater, folders: Iterable[Path]) -> Iterator[Check]:
    """
    Yield whether the ledgers in some folders are what they were.
    """
    ended = [breakwater.cli("ledger", "verify", "--dir", str(folder)) for folder in folders]
    lines = [line for each in ended for line in (each.out + each.err).strip().splitlines()[:1]]
    yield Check("verified", "its ledger verifies", not any(each.code for each in ended), "; ".join(lines))


def document(bench: Bench, upstream: str, **more: object) -> dict[str, object]:
    """
    Return an installation's document for the load.
    """
    # What is measured is one call, made as often as it can be.
    card = agent({"stripe": dict(ALLOW)}, loops=False)
    return {"apis": {"stripe": bench.stripe(upstream)}, "agents": {AGENT: card}, "ledger": LEDGER, **more}


def governed(bench: Bench, breakwater: Breakwater, name: str = GOVERNED, *arguments: str) -> Road:
    """
    Start an installation, mint its agent's key, and return the road to it.
    """
    bench.serve(breakwater, *arguments)
    assert breakwater.process is not None
    return Road(name, breakwater.doors["stripe"], mint(breakwater), breakwater.process.pid)


def mint(breakwater: Breakwater, name: str = AGENT) -> str:
    """
    Return a new key of an agent.
    """
    door = find_running(breakwater.state)
    if door is None:
        raise NotStartedError("nothing serves")
    return str(door.insist("POST", "/v1/keys", {"agent": name})["key"])


def build(bench: Bench, **more: object) -> tuple[Roads, Breakwater]:
    """
    Start an upstream, the bare proxy, Breakwater and a generator.
    """
    upstream = bench.answering()
    breakwater = bench.breakwater(document(bench, upstream.url, **more))
    url, pid = bench.bare(upstream.url)
    ours = governed(bench, breakwater)
    roads = [Road(DIRECT, upstream.url, CREDENTIAL), Road(BARE, url, CREDENTIAL, pid), ours]
    return Roads(bench.generator(), upstream, roads), breakwater
