"""
Drift on the road: what every agent's calls are compared with, what waits to be compared, and which alarms stand.

The road only leaves what passed; it is compared behind it. An agent's past is learned from the record, in a thread,
before its first call is compared, and what comes meanwhile waits. An alarm stands from the moment that it is seen,
until an operator has looked; one that stood at a stop stands again from the start on, before anything is learned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Counter, Gauge

from breakers.call import Call
from breakers.drift import Alarm, Drift, Step
from breakers.facts import Facts
from breakers.policy import AgentRules, Policy
from breakers.verdict import Forward, Suggest
from config.drifting import Drift as Settings
from proxy.ledger.drifted import Drifted

WAITING_MAX = 20_000
"""Calls of one agent that wait to be compared: a minute of more than anyone makes. Of more the newest count."""

NONE: Mapping[str, Drifted] = MappingProxyType({})


AT_ONCE_MAX = 500
"""Calls that are compared before whoever waits has a turn: a few milliseconds."""


class DriftMetrics:
    """
    What is counted of drift.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alarms = Counter(
            "breakwater_drift_alarms_total", "Agents whose calls came to differ from what they were, by in what.",
            ("agent", "what"), registry=registry,
        )  # fmt: skip
        self.standing = Gauge(
            "breakwater_drifting", "1 while an alarm over an agent's calls stands.", ("agent",), registry=registry
        )


@dataclass(slots=True)
class _Agent:
    """
    One agent: what it is compared with, by which settings, in which zone, and what is not compared yet.
    """

    settings: Settings
    zone: ZoneInfo
    drift: Drift
    learned: bool = False
    waiting: deque[Step] = field(default_factory=lambda: deque(maxlen=WAITING_MAX))


class Drifting:
    """
    The agents of one process.
    """

    def __init__(self, standing: Mapping[str, Drifted] = NONE) -> None:
        self.standing = dict(standing)
        self._agents: dict[str, _Agent] = {}
        self._followed: Policy | None = None

    def __repr__(self) -> str:
        learned = sum(one.learned for one in self._agents.values())
        return f"Drifting({learned} of {len(self._agents)} agents learned, {len(self.standing)} alarms)"

    def noted(self, call: Call, facts: Facts) -> Facts:
        """
        Return the facts with how the agent's calls differ, where an alarm stands.
        """
        one = self.standing.get(call.caller.agent)
        return facts if one is None else replace(facts, drifting=one.alarm.words)

    def saw(self, judged: Forward | Suggest) -> None:
        """
        Leave a call that passes, or is parked, to be compared; one that a person had carried out was seen before.
        """
        call = judged.call
        one = self._agents.get(call.caller.agent)
        if one is None or call.grant is not None:
            return
        operation, writes = f"{call.api}/{call.operation.spec.name}", call.operation.writes
        # Where the agent's day is, is found out when it is compared.
        step = Step(call.at, call.caller.task, operation, writes, judged.amount_micros, judged.currency)
        one.waiting.append(step)

    def follow(self, policy: Policy) -> Iterator[tuple[str, int]]:
        """
        Take up agents whose cards are new or say something else of this, and leave those that have none; yield each one
        whose past is to be learned, and over how many days.
        """
        if policy is not self._followed:
            self._take_up(policy)
        for agent, known in self._agents.items():
            if not known.learned:
                yield agent, known.settings.days

    def _take_up(self, policy: Policy) -> None:
        for agent in [agent for agent in self._agents if not _is_compared(policy.agents.get(agent))]:
            del self._agents[agent]
        for agent, rules in policy.agents.items():
            if rules.drift is None:
                continue
            known = self._agents.get(agent)
            if known is None or (known.settings, known.zone.key) != (rules.drift, rules.zone):
                drift = Drift(rules.drift.days, rules.drift.once_in_days)
                self._agents[agent] = _Agent(rules.drift, ZoneInfo(rules.zone), drift)
        self._followed = policy

    def waits_since(self, agent: str) -> datetime | None:
        """
        Return when the first call was that waits to be compared.
        """
        waiting = self._agents[agent].waiting
        return waiting[0].at if waiting else None

    def learn(self, agent: str, past: Iterable[Step | Drifted | bool]) -> None:
        """
        Learn an agent's past: its calls, the alarms that were raised, and when somebody had looked (whether to learn
        anew from there). It takes its time: call it in a thread.
        """
        known = self._agents.get(agent)
        if known is None:
            return
        fresh = Drift(known.settings.days, known.settings.once_in_days)
        for one in past:
            match one:
                case Step():
                    # Of what nobody was alarmed over then, nobody has to be now.
                    if fresh.saw(_local(one, known.zone)) is not None:
                        fresh.reset()
                case Drifted():
                    fresh.standing(one.alarm)
                case bool():
                    fresh.reset(learn=one)
        if fresh.alarm is not None:
            fresh.reset()
        if agent in self.standing:
            fresh.standing(self.standing[agent].alarm)
        known.drift, known.learned = fresh, True

    def compare(self) -> list[tuple[str, Alarm]]:
        """
        Compare some of what waits; return the alarms that are raised by it.
        """
        found, left = [], AT_ONCE_MAX
        for agent, known in self._agents.items():
            if known.drift.alarm is not None and agent not in self.standing:
                # Somebody looked while its past was learned.
                known.drift.reset()
            while known.learned and known.waiting and left:
                left -= 1
                alarm = known.drift.saw(_local(known.waiting.popleft(), known.zone))
                if alarm is not None and agent not in self.standing:
                    found.append((agent, alarm))
        return found

    @property
    def waits(self) -> bool:
        """
        Tell whether something waits to be compared that can be.
        """
        return any(known.learned and known.waiting for known in self._agents.values())

    def reset(self, agent: str, *, learn: bool) -> None:
        """
        End an alarm, and with `learn` forget what the agent's calls were.
        """
        self.standing.pop(agent, None)
        if (known := self._agents.get(agent)) is not None:
            known.drift.reset(learn=learn)

    def knows(self, agent: str) -> bool:
        """
        Tell whether an agent's calls are compared.
        """
        return agent in self._agents

    def said(self) -> list[dict[str, object]]:
        """
        Return how each agent stands, as people and programs read it.
        """
        return [_said(agent, known, self.standing.get(agent)) for agent, known in sorted(self._agents.items())]


def _is_compared(rules: AgentRules | None) -> bool:
    return rules is not None and rules.drift is not None


def _local(step: Step, zone: ZoneInfo) -> Step:
    at = step.at.astimezone(zone)
    return Step(at, step.task, step.operation, step.writes, step.micros, step.currency)


def _said(agent: str, known: _Agent, standing: Drifted | None) -> dict[str, object]:
    state = "drifting" if standing is not None else "watching" if known.drift.ready else "learning"
    return {
        "agent": agent,
        "state": state,
        "days": known.drift.known_days,
        "of_days": known.settings.days,
        "act": known.settings.act,
        "alarm": None if standing is None else standing.id,
        "since": None if standing is None else standing.at.isoformat(),
        "why": None if standing is None else standing.alarm.words,
    }
