"""
What one request leaves behind for people: stage timings, the canonical log line, and what the metrics count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.clock import Clock
from proxy.patience import Patience, patient


class Stage:
    """
    One stage while it lasts; what it took is added to the trail, however it ends.
    """

    # Every call goes through six of them, and a generator costs three times as much.
    __slots__ = ("_began", "_name", "_trail")

    def __init__(self, trail: Trail, name: str) -> None:
        self._trail, self._name, self._began = trail, name, 0.0

    def __enter__(self) -> None:
        self._began = self._trail.clock.monotonic()

    def __exit__(self, *_: object) -> None:
        stages, took = self._trail.stages, self._trail.clock.monotonic() - self._began
        stages[self._name] = stages.get(self._name, 0) + round(took * 1_000_000)


@dataclass(slots=True)
class Trail:
    """
    One request's facts as they become known; `stages` maps a stage's name to microseconds.

    Of a repeat, `how` says how it is answered and `intent` from which call. `loop` is what the loop guard noticed,
    `patience` what its decision may still ask of the store.
    """

    call: str
    clock: Clock
    began: float
    door: str = ""
    api: str = ""
    agent: str = ""
    task: str = ""
    operation: str = ""
    effect: str = ""
    verdict: str = ""
    reason: str = ""
    how: str = ""
    intent: str = ""
    loop: str = ""
    status: int = 0
    outcome: str = ""
    dispatched: str = ""
    upstream_us: int = 0
    answer_bytes: int = 0
    trace: str | None = None
    stages: dict[str, int] = field(default_factory=dict)
    patience: Patience = field(default_factory=patient)

    def stage(self, name: str) -> Stage:
        """
        Return what times one stage.
        """
        return Stage(self, name)

    def total_us(self) -> int:
        """
        Return the microseconds since the request's head was read.
        """
        return round((self.clock.monotonic() - self.began) * 1_000_000)

    def left_s(self, deadline_ms: int) -> float:
        """
        Return the seconds that are left to a caller who waits so many milliseconds in all.
        """
        return max(0.0, deadline_ms / 1000 - self.total_us() / 1_000_000)

    def line(self) -> dict[str, object]:
        """
        Return the canonical log line of this request: only ids, names, codes and numbers.
        """
        return {
            "ts": self.clock.now(),
            "event": "call",
            "call": self.call,
            "door": self.door,
            "api": self.api,
            "agent": self.agent,
            "task": self.task,
            "operation": self.operation,
            "effect": self.effect,
            "verdict": self.verdict,
            "reason": self.reason,
            "intent": self.intent,
            "loop": self.loop,
            "status": self.status,
            "outcome": self.outcome,
            "dispatched": self.dispatched,
            "total_us": self.total_us(),
            "upstream_us": self.upstream_us,
            "answer_bytes": self.answer_bytes,
            "trace": self.trace,
            "stages": self.stages,
        }
