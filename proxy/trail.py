"""
What one request leaves behind for people: stage timings, the canonical log line, and what the metrics count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.clock import Clock
from proxy.patience import Patience, patient


@dataclass(slots=True)
class Trail:
    """
    One request's facts as they become known; `stages` maps a stage's name to microseconds.

    Of a repeat, `how` says how it is answered and `intent` from which call. `loop` is what the loop guard noticed,
    `patience` what its decision may still ask of the store.

    It times its stages itself, one after the other and none within another: every call goes through six of them, and
    an object for each costs a third more.
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
    _stage: str = field(default="", init=False, repr=False)
    _since: float = field(default=0.0, init=False, repr=False)

    def stage(self, name: str) -> Trail:
        """
        Begin a stage; with what is returned it lasts as long as its block, and what it took is noted however it ends.
        """
        self._stage, self._since = name, self.clock.monotonic()
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        took = self.clock.monotonic() - self._since
        self.stages[self._stage] = self.stages.get(self._stage, 0) + round(took * 1_000_000)

    def total_us(self) -> int:
        """
        Return the microseconds since the request's head was read.
        """
        return round((self.clock.monotonic() - self.began) * 1_000_000)

    def left_s(self, deadline_ms: int) -> float:
        """
        Return the seconds that are left to a caller who waits so many milliseconds in all.
        """
        return max(0.0, deadline_ms / 1000 - (self.clock.monotonic() - self.began))

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
