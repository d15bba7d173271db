"""
What a generator is asked for, one line of JSON a job, and what it says came of it.

Requests are prepared text in which `PLACE` stands for a number: the number of a call is what makes it unlike all
others, or, where it is used again, the repeat of an earlier one.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.installation import NotStartedError

# No text of a request holds it by chance.
PLACE = "\x00"


@dataclass(frozen=True, slots=True)
class Closed:
    """
    Every connection sends its next call as soon as it has its answer: the texts in their `order`, again and again.
    Numbers count up from `first`; where there is a `cycle`, so many of them are used again and again.
    """

    url: str
    texts: Sequence[str]
    connections: int
    seconds: float
    first: int = 0
    cycle: int = 0
    order: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True)
class Paced:
    """
    Calls at a fixed rate, each timed from the moment that it was meant to begin. A call is a text and a number.
    """

    url: str
    texts: Sequence[str]
    calls: Sequence[tuple[int, int]]
    connections: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Held:
    """
    So many calls under way at once, each on a connection of its own, until all are answered.
    """

    url: str
    text: str
    count: int
    first: int = 0


Job = Closed | Paced | Held


@dataclass(slots=True)
class Done:
    """
    What came of a job: how often callers were told what, the calls that answers with 200 named, how many numbers were
    used. A closed loop has its rate and what was told by text; a paced one what each call was told, when, and how long
    it took.
    """

    told: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    used: int = 0
    calls_per_second: float = 0.0
    by_text: list[dict[str, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    latencies_us: list[int] = field(default_factory=list)
    ended_ms: list[int] = field(default_factory=list)
    error: str = ""

    @property
    def total(self) -> int:
        """
        Return how many calls were answered.
        """
        return sum(self.told.values())

    def latencies_ms(self, skip: int = 0) -> list[float]:
        """
        Return how long each call took, without the first ones.
        """
        return [value / 1000 for value in self.latencies_us[skip:]]

    def by_second(self) -> dict[str, tuple[int, ...]]:
        """
        Return how many calls ended in each second, by what was told.
        """
        ended = Counter((said, at // 1000) for said, at in zip(self.said, self.ended_ms, strict=True))
        length = max((second for _, second in ended), default=-1) + 1
        return {verdict: tuple(ended[verdict, second] for second in range(length)) for verdict in sorted(self.told)}


_KINDS: Mapping[str, type[Closed | Paced | Held]] = {"closed": Closed, "paced": Paced, "held": Held}


def spell(job: Job) -> str:
    """
    Return a job as a line.
    """
    kind = next(name for name, kind in _KINDS.items() if isinstance(job, kind))
    return json.dumps({"kind": kind, **asdict(job)})


def read(line: str) -> Job:
    """
    Return the job that a line spells.
    """
    said = json.loads(line)
    return _KINDS[said.pop("kind")](**said)


class Generator:
    """
    A generator's process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __repr__(self) -> str:
        return f"<Generator {self._process.pid}>"

    def do(self, job: Job) -> Done:
        """
        Have a job done and return what came of it.
        """
        self.begin(job)
        return self.end()

    def begin(self, job: Job) -> None:
        """
        Have a job begun.
        """
        if self._process.stdin is None:
            raise NotStartedError("the generator has no pipes")
        self._process.stdin.write(spell(job) + "\n")
        self._process.stdin.flush()

    def end(self) -> Done:
        """
        Return what came of the job that was begun.
        """
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise NotStartedError("the generator ended")
        said: dict[str, Any] = json.loads(line)
        return Done(**said)
