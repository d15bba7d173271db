"""
Does everybody count the same when agents read, write, repeat and ask for too much at the same time?

The mixture is drawn from a seed: which agent calls, what it asks for, and whether it asks for something that it has
asked for before, as an SDK does that got no answer in time. Calls begin at a fixed rate, whatever becomes of others, so
a repeat may come while the first is still under way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from loadtest.arrivals import percentile
from loadtest.bench import Bench, Scenario
from loadtest.counting import WANTED, Said, check, unrecorded
from loadtest.installation import Breakwater, agent
from loadtest.jobs import Done, Paced
from loadtest.measure import distribution
from loadtest.profiles import Mix
from loadtest.results import Check, Figure, Result, Timeline
from loadtest.roads import Road, document, mint
from loadtest.scenario import ALLOW, CREATE, READ, REFUSAL, REPLAY
from loadtest.scene import entries
from proxy.cli.client import find_running

NAME, QUESTION = "mix", "Does everybody count the same when agents read, write, repeat and ask for too much at once?"

# Of a hundred calls. Agents look more than they do, and a few of their writes are made again.
PARTS: Mapping[str, int] = {READ: 60, CREATE: 25, REPLAY: 10, REFUSAL: 5}

# How many of its last writes an agent repeats one of: an SDK repeats what it did just now.
LATELY = 4

# Far more than a run moves: what is asked is that what was taken is told exactly.
CAPS: Mapping[str, object] = {"day": {"moved": "1000000000 USD", "writes": 10**9}}

# Of each write, in USD.
AMOUNT = Fraction(25)


@dataclass(frozen=True, slots=True)
class Drawn:
    """
    One call of a mixture: who makes it, its kind, and its number, which is an earlier write's where it is a repeat.
    """

    agent: int
    kind: str
    number: int


def draw(sizes: Mix) -> list[Drawn]:
    """
    Draw a mixture; equal seeds draw equal ones.
    """
    chance, made = random.Random(sizes.seed), [list[int]() for _ in range(sizes.agents)]
    drawn = []
    for number in range(round(sizes.seconds * sizes.per_second)):
        who = chance.randrange(sizes.agents)
        (kind,) = chance.choices(list(PARTS), list(PARTS.values()))
        if kind == REPLAY and not made[who]:
            kind = CREATE
        if kind == REPLAY:
            drawn.append(Drawn(who, kind, chance.choice(made[who][-LATELY:])))
            continue
        drawn.append(Drawn(who, kind, number))
        if kind == CREATE:
            made[who].append(number)
    return drawn


def run(bench: Bench) -> Result:
    """
    Have the mixture called, and hold answers, upstream, record and spend against one another.
    """
    sizes = bench.profile.mix
    upstream, drawn = bench.answering(), draw(sizes)
    card = agent({"stripe": dict(ALLOW)}, loops=False, caps=CAPS)
    names = [f"agent_{number:02d}" for number in range(sizes.agents)]
    breakwater = bench.breakwater({**document(bench, upstream.url), "agents": dict.fromkeys(names, card)})
    bench.serve(breakwater)
    at = [Road(name, breakwater.doors["stripe"], mint(breakwater, name)) for name in names]
    kinds = (READ, CREATE, REFUSAL)
    texts = [road.text(kind) for road in at for kind in kinds]
    # A repeat is the same bytes.
    calls = [
        (each.agent * len(kinds) + kinds.index(CREATE if each.kind == REPLAY else each.kind), each.number)
        for each in drawn
    ]
    done = bench.generator().do(Paced(breakwater.doors["stripe"], texts, calls, 64, sizes.per_second))
    if done.error:
        return Result(NAME, QUESTION, checks=(Check("called", "every call is answered", held=False, found=done.error),))
    spent = spend(breakwater)
    checks = [
        *told_rightly(drawn, done, upstream.counts()),
        spent_rightly(drawn, spent),
        *recorded(breakwater, drawn, done),
    ]
    return Result(
        NAME,
        QUESTION,
        figures=figures(drawn, done),
        checks=tuple(checks),
        distributions=tuple(distribution(kind, ms) for kind in PARTS if (ms := of_kind(drawn, done, kind))),
        timeline=Timeline(done.by_second()),
    )


def of_kind(drawn: Sequence[Drawn], done: Done, kind: str) -> list[float]:
    """
    Return how many ms calls of a kind took.
    """
    return [ms for each, ms in zip(drawn, done.latencies_ms(), strict=True) if each.kind == kind]


def figures(drawn: Sequence[Drawn], done: Done) -> dict[str, Figure]:
    """
    Return how long each kind took.
    """
    return {
        f"{kind}.{name}_ms": Figure(percentile(ms, part), "ms")
        for kind in PARTS
        if (ms := of_kind(drawn, done, kind))
        for name, part in (("p50", 0.5), ("p99", 0.99))
    }


def told_rightly(drawn: Sequence[Drawn], done: Done, upstream: Mapping[str, int]) -> list[Check]:
    """
    Check that every call was told what its kind is told, and that what was to reach the upstream did, once.

    Of a write and its repeats one is told 200 as the first and all others as repeats, whichever came first.
    """
    kinds = Counter(each.kind for each in drawn)
    writes: dict[int, Counter[str]] = {}
    faults = []
    for each, said in zip(drawn, done.said, strict=True):
        if each.kind in {CREATE, REPLAY}:
            writes.setdefault(each.number, Counter())[said] += 1
        elif said != WANTED[each.kind]:
            faults.append(f"a {each.kind} was told {said}")
    for number, told in writes.items():
        first, repeats = told[WANTED[CREATE]], told[WANTED[REPLAY]]
        if first != 1 or first + repeats != told.total():
            faults.append(f"write {number} was told {dict(told)}")
    reached = {READ: kinds[READ], CREATE: kinds[CREATE]}
    wrong = [
        f"{kind}: {due} were due, and the upstream counts {upstream[kind]}"
        for kind, due in reached.items()
        if upstream[kind] != due
    ]
    return [
        check("answered", "each call is told what it should be", faults, len(drawn)),
        check("effects", "each write takes effect once, and a refusal never", wrong, sum(reached.values())),
    ]


def recorded(breakwater: Breakwater, drawn: Sequence[Drawn], done: Done) -> list[Check]:
    """
    Stop Breakwater, and check that exactly these calls are on record.
    """
    code, verified = breakwater.terminate(), breakwater.cli("ledger", "verify")
    lines = (verified.out + verified.err).strip().splitlines()
    on_record = list(entries(breakwater.state))
    made = {entry["call"] for _, entry in on_record if entry["k"] == "call.intent"}
    kinds = Counter(each.kind for each in drawn)
    said = {
        CREATE: Said(calls=[call for call in done.calls if call in made]),
        READ: Said(calls=_reads(on_record, done)),
        REPLAY: Said(Counter({WANTED[REPLAY]: kinds[REPLAY]})),
        REFUSAL: Said(Counter({WANTED[REFUSAL]: kinds[REFUSAL]})),
    }
    faults = unrecorded(on_record, said)
    faults += [
        f"{kind}s: {kinds[kind]} were called, and {len(said[kind].calls)} are named"
        for kind in (CREATE, READ)
        if len(said[kind].calls) != kinds[kind]
    ]
    return [
        Check("stopped", "it stops when it is told to", code == 0, f"exit {code}"),
        Check("verified", "its ledger verifies", verified.code == 0, lines[0] if lines else "nothing was said"),
        check("recorded", "exactly these calls are on record", faults, len(drawn)),
    ]


def _reads(on_record: Sequence[tuple[int, Mapping[str, Any]]], done: Done) -> list[str]:
    """
    Return the calls among those that callers were told of which are reads on record.
    """
    reads = {entry["call"] for _, entry in on_record if entry["k"] == "call.outcome" and entry["intent"] is None}
    return [call for call in done.calls if call in reads]


def spend(breakwater: Breakwater) -> Mapping[str, Fraction]:
    """
    Return what each agent's writes took of its cap on money, as Breakwater tells it.
    """
    door = find_running(breakwater.state)
    assert door is not None, "nothing serves"
    rows = door.insist("GET", "/v1/spend")
    return {row["node"]: Fraction(row["settled"].split()[0]) for row in rows if row["measure"].startswith("moved")}


def spent_rightly(drawn: Sequence[Drawn], spent: Mapping[str, Fraction]) -> Check:
    """
    Check that what was taken of each agent's cap is what its writes moved.
    """
    due = Counter(f"agent:agent_{each.agent:02d}" for each in drawn if each.kind == CREATE)
    faults = [
        f"{node}: {count} writes moved {count * AMOUNT} USD, and spend says {spent.get(node, 0)}"
        for node, count in due.items()
        if spent.get(node) != count * AMOUNT
    ]
    return check("spend", "what was taken of caps is what the writes moved", faults, due.total())


SCENARIO = Scenario(NAME, QUESTION, run)
