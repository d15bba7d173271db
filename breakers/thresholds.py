"""
From when on a breaker moves, for every key: what the configuration says of accounts and agents, compiled.

An account's breakers have the numbers beside its API, an agent's those of its card. What an upstream says of a
credential, what it declines of one task and the way back after a stop have numbers of their own, which nobody writes;
where an account's breakers are off or only watch, its credential's does likewise, and an agent's tasks' as the agent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from config.breakers import OVER_S, SLOW_S, Breakers
from config.policy import AgentCard
from config.settings import ApiAccount

LEAST = 3
"""So many failures at least say something of an account."""

LEAST_OF_AGENT = 5
"""
And so many of an agent's own: all of them are in its account's breaker, too, which is there for the upstream. This one
is for what goes wrong with one agent alone; and the more places are looked at, the more often chance shows in one.
"""

LONGEST_S = 60.0
"""How long a write takes at most, where the settings say nothing else."""

LEASE_MARGIN_S = 5.0
"""How much longer than the longest write a permit is out: for what comes before it is sent and after it has ended."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """
    From when on one breaker moves: more than `errors_ppm` of its results within `over_s` failed, `least` of them.

    What takes longer than `slow_after_s` is slow. With `watch` it moves and keeps nothing back; with `off` it does not
    even move.
    """

    errors_ppm: int = 5_000
    over_s: int = OVER_S
    slow_after_s: float = SLOW_S
    watch: bool = False
    off: bool = False
    least: int = LEAST


STANDARD = Thresholds()
"""Of an account of which nothing is said."""

STANDARD_OF_AGENT = Thresholds(least=LEAST_OF_AGENT)
"""Of an agent of which nothing is said."""

OF_CREDENTIAL = Thresholds(over_s=3600)
"""A credential is not right three times in a row or is: how many were right before does not matter."""

OF_TASK = Thresholds(over_s=600)
"""Declined five times within ten minutes, a task tries out cards."""

OF_STOP = Thresholds()
"""The way back after a stop has nothing that moves it but time."""

_NONE: Mapping[str, Thresholds] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Gauging:
    """
    The thresholds of every key; `lease_s` is for how long a permit to probe is out.
    """

    apis: Mapping[str, Thresholds] = field(default_factory=lambda: _NONE)
    agents: Mapping[str, Thresholds] = field(default_factory=lambda: _NONE)
    lease_s: float = LONGEST_S + LEASE_MARGIN_S

    def of(self, key: str) -> Thresholds:
        """
        Return the thresholds of a breaker, by its key.
        """
        kind, _, rest = key.partition(":")
        whose = rest.partition("/")[0]
        match kind:
            case "api":
                return self.apis.get(whose, STANDARD)
            case "agent":
                return self.agents.get(whose, STANDARD_OF_AGENT)
            case "credential":
                return _as(OF_CREDENTIAL, self.apis.get(whose, STANDARD))
            case "task":
                return _as(OF_TASK, self.agents.get(whose, STANDARD_OF_AGENT))
            case _:
                return OF_STOP


USUAL = Gauging()
"""Of a configuration that says nothing of breakers."""


def compile_gauging(
    cards: Mapping[str, AgentCard], apis: Mapping[str, ApiAccount], longest_s: float = LONGEST_S
) -> Gauging:
    """
    Return the thresholds that accounts and cards name, where they differ from those that hold anyway; no write takes
    more than `longest_s`.
    """
    accounts = {name: _thresholds(account.breaker, LEAST) for name, account in apis.items()}
    agents = {name: _thresholds(card.breaker, LEAST_OF_AGENT) for name, card in cards.items()}
    return Gauging(
        apis=MappingProxyType({name: one for name, one in accounts.items() if one != STANDARD}),
        agents=MappingProxyType({name: one for name, one in agents.items() if one != STANDARD_OF_AGENT}),
        lease_s=longest_s + LEASE_MARGIN_S,
    )


def _as(own: Thresholds, whose: Thresholds) -> Thresholds:
    """
    Return thresholds of nobody's choice, but off, or only watching, where those of its account or agent are.
    """
    return replace(own, watch=whose.watch, off=whose.off) if whose.watch or whose.off else own


def _thresholds(written: Breakers, least: int) -> Thresholds:
    return Thresholds(
        errors_ppm=written.errors_ppm,
        over_s=int(written.over_s),
        slow_after_s=written.slow_s,
        watch=written.act == "watch",
        off=not written.enabled,
        least=least,
    )
