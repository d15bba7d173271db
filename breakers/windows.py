"""
What the loop guard remembers: of a call, what it says and what came of it; of a task and an agent, their last calls.

Everything is bounded, and the least recently used is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from breakers.facts import Noticed
from breakers.guard import Guard
from breakers.noun import noun
from breakers.saying import Said

WINDOW_S = 600.0

WINDOW_CALLS = 200
"""Of a task; as many different ones are remembered of it."""

PLACES_MAX = 200
"""Places at which a task or an agent has written, that are remembered of it."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kind(StrEnum):
    """
    What came of a call: an answer, the API's word against the request, another failure, our refusal, or "later".
    """

    ANSWER = "answer"
    ERROR = "error"
    FAULT = "fault"
    REFUSAL = "refusal"
    LATER = "later"


@noun
class Result:
    """
    What came of a call; `mark` is equal where it is the same. `changes` tells that it may have changed something.
    """

    kind: Kind
    mark: bytes = b""
    changes: bool = False

    def same(self, other: Result) -> bool:
        """
        Tell whether it is the same that came of another.
        """
        return self.kind is other.kind and self.mark == other.mark


@dataclass(slots=True)
class Run:
    """
    Equal results of one call without another between them; `at` are when those came that count, and at which call.
    """

    result: Result
    changes: int
    since: float
    last: float
    at: list[tuple[float, int]] = field(default_factory=list)

    def counted(self, now: float, calls: int, changes: int) -> int:
        """
        Return how many of them lie in the window: none where something has changed since.
        """
        if changes != self.changes:
            return 0
        return sum(at > now - WINDOW_S and number > calls - WINDOW_CALLS for at, number in self.at)


@dataclass(slots=True)
class Window:
    """
    What is remembered of one task or agent.

    `changes` counts an agent's writes by API account; `steps` are the last calls of a task, when and with what result;
    `stopped` are the members of cycles, each with when that was and how much had changed by then; `places` are times
    of writes.
    """

    calls: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    runs: OrderedDict[bytes, Run] = field(default_factory=OrderedDict)
    steps: list[tuple[float, bytes, bytes]] = field(default_factory=list)
    stopped: OrderedDict[bytes, tuple[float, int]] = field(default_factory=OrderedDict)
    places: OrderedDict[bytes, list[float]] = field(default_factory=OrderedDict)

    @property
    def changed(self) -> int:
        """
        Return how many writes there were, at any API.
        """
        return sum(self.changes.values())


@dataclass(slots=True)
class Totals:
    """
    What one opened task came to.
    """

    calls: int = 0
    writes: int = 0


@dataclass(slots=True)
class Refusals:
    """
    When a task was refused by its card of late, and until when it is suspended for that.
    """

    at: deque[float] = field(default_factory=deque)
    until: float = float("-inf")


@noun
class Seen:
    """
    One call as the loop guard sees it, from before it is judged to its end; `polls` says that it does not count.
    """

    task: str
    agent: str
    api: str
    said: Said
    guard: Guard
    writes: bool
    opened: bool
    polls: bool
    noticed: Noticed | None = None


def recent(held: OrderedDict[Key, Value], key: Key, make: Callable[[], Value], most: int) -> Value:
    """
    Return what is held under a key, or make it; beyond `most`, what was used least recently is forgotten.
    """
    value = held.get(key)
    if value is None:
        value = held[key] = make()
        if len(held) > most:
            held.popitem(last=False)
    else:
        held.move_to_end(key)
    return value
