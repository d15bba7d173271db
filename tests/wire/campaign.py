"""
One run of generated requests through a running Breakwater: what came back to the agent, what arrived, what was judged.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.wire.case import REPEATS
from tests.wire.client import Answer, Connection
from tests.wire.mutate import Made, generate
from tests.wire.oracle import disagreements, misheard
from tests.wire.parser import Unparsable, take
from tests.wire.record import judgements, looks
from tests.wire.stand import Stand
from tests.wire.upstream import Received

# So many connections at once: enough to interleave, few enough that two cores keep up.
WORKERS = 16

# How long an answer may take where one is due, where bytes are odd, and where a request is visibly not whole.
DUE_S, ODD_S, PARTIAL_S = 20.0, 1.0, 0.1

# How long records of answers that were given may take to be on disk.
RECORDED_S = 15.0
_STEP_S = 0.05

# The outcome of a call that is answered from an earlier one: it says that it was dispatched, and nothing arrives.
REPLAYED = "replayed"


@dataclass(slots=True)
class Run:
    """
    One run: each request with its answers, and the table of what became of them.
    """

    kind: str
    seed: int
    answers: dict[int, list[Answer]] = field(default_factory=dict)
    fates: Counter[str] = field(default_factory=Counter)

    @property
    def forwarded(self) -> int:
        """
        Return how many reached the upstream.
        """
        return self.fates["forwarded"]

    def name(self, index: int) -> str:
        """
        Return what makes one request again.
        """
        made = generate(self.kind, self.seed, index)
        return f"generate({self.kind!r}, {self.seed}, {index}): {made.how}\n  {made.raw[:1500]!r}"


async def play(stand: Stand, kind: str, seed: int, count: int) -> tuple[Run, list[str]]:
    """
    Send so many requests; return the run, and every disagreement in words.
    """
    run, before = Run(kind, seed), stand.echo.mark()
    assert stand.echo.unparsable == []
    queue = iter(range(count))
    await asyncio.gather(*(_work(stand, run, queue) for _ in range(WORKERS)))
    return run, await _faults(stand, run, stand.echo.received[before:])


async def _work(stand: Stand, run: Run, queue: Iterator[int]) -> None:
    kept: dict[str, Connection] = {}
    for index in queue:
        made = generate(run.kind, run.seed, index)
        connection = kept.pop(made.door, None)
        if connection is None or connection.closed:
            connection = await Connection.to(stand.door(made.door))
        run.answers[index], whole = await _ask(connection, stand, made)
        answers = run.answers[index]
        run.fates[_fate(answers)] += 1
        stand.seen += b"".join(answer.raw for answer in answers)
        if whole and answers and not connection.closed and not answers[-1].last:
            kept[made.door] = connection
        else:
            await connection.end()
    for connection in kept.values():
        await connection.end()


async def _ask(connection: Connection, stand: Stand, made: Made) -> tuple[list[Answer], bool]:
    raw = stand.filled(made.raw, made.door)
    wait_s, more = _patience(raw)
    head = raw.startswith(b"HEAD ")
    await connection.send(raw)
    answers: list[Answer] = []
    while (answer := await connection.answer(head=head, wait_s=wait_s)) is not None:
        answers.append(answer)
        if not more:
            break
        # What stood behind the first request is the next one's, if it is anybody's.
        wait_s = PARTIAL_S
    return answers, not more


def _patience(raw: bytes) -> tuple[float, bool]:
    try:
        message = take(raw)
    except Unparsable:
        return ODD_S, True
    if message is None:
        return PARTIAL_S, True
    return (DUE_S, False) if message.raw == raw else (DUE_S, True)


def _fate(answers: Sequence[Answer]) -> str:
    if not answers:
        return "closed or never whole"
    first = answers[0]
    if first.header("Breakwater-Outcome") == REPLAYED:
        return REPLAYED
    if first.header("Breakwater-Dispatched") == "yes":
        return "forwarded"
    return f"{first.status} {first.reason}".strip()


async def _faults(stand: Stand, run: Run, received: list[Received]) -> list[str]:
    ids, until = {f"req_{one.serial}" for one in received}, time.monotonic() + RECORDED_S
    state = stand.breakwater.state
    while (judged := judgements(state, ids)).keys() | (looked := looks(state)).keys() < ids:
        if time.monotonic() > until:
            break
        await asyncio.sleep(_STEP_S)  # the ledger is another process's: nothing here can be told of it
    calls = {answer.header("Breakwater-Call"): index for index, answers in run.answers.items() for answer in answers}
    faults = []
    for one in received:
        if f"req_{one.serial}" in looked:
            faults += [] if one.message.method == "GET" else [f"a look that is no read\n  {one.message.raw!r}"]
            continue
        found = judged.get(f"req_{one.serial}")
        where = run.name(calls[found.call]) if found is not None and found.call in calls else "whose answer nobody saw"
        why = [*disagreements(one, found, stand.key)]
        if found is not None and found.call in calls:
            why += _misheard(stand, generate(run.kind, run.seed, calls[found.call]), one)
        faults += [f"{text}\n  {where}\n  {one.message.raw!r}" for text in why]
    faults += [f"upstream bytes have no single meaning: {why}: {raw!r}" for why, raw in stand.echo.unparsable]
    faults += [f"{why}\n  {run.name(index)}" for index, why in _misanswered(stand, run)]
    known = Counter(judged[id_].call for one in received if (id_ := f"req_{one.serial}") in judged)
    return faults + [f"call {call} reached the upstream {times} times" for call, times in known.items() if times > 1]


def _misheard(stand: Stand, made: Made, one: Received) -> Iterator[str]:
    raw = stand.filled(made.raw, made.door)
    try:
        asked = take(raw)
    except Unparsable:
        return
    if asked is not None and asked.raw == raw:
        yield from misheard(asked, made.door, one)


def _misanswered(stand: Stand, run: Run) -> Iterator[tuple[int, str]]:
    """
    Yield what is wrong with answers to whole requests, and to what still says that it is meant, without a key.
    """
    for index, answers in run.answers.items():
        made = generate(run.kind, run.seed, index)
        if made.how == "valid" and not answers:
            yield index, "no answer to a whole request"
        repeat = bool(answers) and (_fate(answers) == REPLAYED or answers[0].reason in REPEATS)
        # Of a key that was changed byte by byte nobody knows that it is the only one.
        if repeat and (made.how == "valid" or _meant(stand.filled(made.raw, made.door))):
            yield index, f"taken for another one: {_fate(answers)}"


def _meant(raw: bytes) -> bool:
    try:
        asked = take(raw)
    except Unparsable:
        return False
    said = asked and (asked.values("breakwater-duplicate"), asked.values("idempotency-key"))
    return said == (["allow"], [])
