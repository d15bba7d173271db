"""Do a thousand repeats of one write at once make one effect?"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loadtest.bench import Bench, Scenario
from loadtest.calls import Agent
from loadtest.effects import OnRecord, counted, spent
from loadtest.lines import Told
from loadtest.pacing import after
from loadtest.remembering import Manner
from loadtest.results import Check, Figure, Result
from loadtest.scene import Scene, build, ms, result

NAME, QUESTION = "storm", (__doc__ or "").strip()

# The upstream takes so long, so that repeats come while the first is under way as well as after it.
FIRST_S = 0.1

# Every repeat is told within this; one that waited for the first as long as it may is told to ask again.
TOLD_S = 60.0


@dataclass(slots=True)
class Answers:
    """
    What the repeats of each order were answered: distinct bodies, and how many came as the first's own answer.
    """

    bodies: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    firsts: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def note(self, order: str, told: Told) -> None:
        """
        Note one last answer.
        """
        self.total += 1
        self.bodies[order].add(told.body)
        self.firsts[order] += told.verdict == "200"


def run(bench: Bench) -> Result:
    """
    Send one write a thousand times at once, then many writes many times each, all of them at once.
    """
    scene, size = build(bench, ["stormy"], seed=bench.profile.faults.seed), bench.profile.faults.storm
    scene.manner(Manner(delay_s=FIRST_S))
    answers = Answers()
    seconds = scene.acted(_storm(scene, answers))
    counts = scene.counts()
    taken = scene.spent()
    checks, record, effects = scene.ended()
    sent = {order: size.repeats if number == 0 else size.each for number, order in enumerate(sorted(effects))}
    checks += [
        alike(answers.bodies),
        one_first(answers.firsts, effects),
        counted("each told", "every repeat was told", {"sent": sum(sent.values()), "told": answers.total}),
        counted("sent once", "each write left once", {"keys": 1 + size.keys, "upstream": counts["writes"]}),
        on_record(answers, record),
        spent(taken, effects),
    ]
    figures = {
        "repeats_per_second": Figure(answers.total / seconds, "calls/s"),
        "p99_ms": ms(scene.diary.latencies_ms, 0.99),
        "effects_per_write": Figure(max(effects.values(), default=0), "effects"),
    }
    return result(NAME, QUESTION, scene, figures, checks)


def alike(bodies: Mapping[str, set[bytes]]) -> Check:
    """
    Hold that all repeats of a write were answered alike, to the last byte.
    """
    unlike = [f"{order} was answered in {len(each)} ways" for order, each in sorted(bodies.items()) if len(each) != 1]
    return Check("alike", "all repeats of a write are answered alike", not unlike, "; ".join(unlike[:3]) or "all alike")


def one_first(firsts: Mapping[str, int], orders: Iterable[str]) -> Check:
    """
    Hold that of each write's answers one is the API's own, and every other one says that it is given again.
    """
    wrong = [f"{order} has {firsts.get(order, 0)}" for order in sorted(orders) if firsts.get(order, 0) != 1]
    return Check("one first", "one answer of each write is its own", not wrong, "; ".join(wrong[:3]) or "one each")


def on_record(answers: Answers, record: OnRecord) -> Check:
    """
    Hold that every repeat is on record, by itself or counted; those that were told to ask again are among them.
    """
    repeats = answers.total - answers.firsts.total()
    found = f"{repeats} repeats were answered, {record.repeats} are on record"
    return Check("repeats", "every repeat is on record", record.repeats >= repeats, found)


async def _storm(scene: Scene, answers: Answers) -> float:
    size = scene.bench.profile.faults.storm
    agent, began = scene.agent("stormy", most=size.connections), time.monotonic()
    for orders, each, mark in ((1, size.repeats, "one write"), (size.keys, size.each, "many writes")):
        scene.diary.mark(f"{mark}, {each} times")
        wave = [agent.order() for _ in range(orders)]
        await asyncio.gather(*(_repeat(agent, order, answers) for _ in range(each) for order in wave))
    return time.monotonic() - began


async def _repeat(agent: Agent, order: str, answers: Answers) -> None:
    told = await agent.insist(order, after(TOLD_S))
    if told is not None and told.status == 200:
        answers.note(order, told)


SCENARIO = Scenario(NAME, QUESTION, run)
