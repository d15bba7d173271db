"""
The caps of a configuration, compiled: which stand above an agent's calls, in which calendar, and what a call costs.

What two agents have in common is one object: thousands of agents under one card's caps hold one of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from breakers.prices import Price, compile_price
from config.caps import NO_CALL_CAPS, NO_CAPS, CallCaps, Caps, CardCaps, PeriodCaps, Team
from config.catalog import OperationSpec
from config.policy import AgentCard
from config.prices import Price as WrittenPrice
from config.prices import ranked
from config.routes import Catalog
from config.settings import ApiAccount

NO_APIS: Mapping[str, ApiAccount] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeCaps:
    """
    The caps of an agent, a team or an API account: of each of its periods that has any, in its time zone.
    """

    node: str
    zone: str
    periods: tuple[tuple[str, Caps], ...]


@dataclass(frozen=True, slots=True)
class AgentCaps:
    """
    What stands above the calls of one agent: of each call, of each of its tasks, of itself and of its team.
    """

    call: CallCaps = NO_CALL_CAPS
    task: Caps = NO_CAPS
    nodes: tuple[NodeCaps, ...] = ()


NOT_CAPPED = AgentCaps()


@dataclass(frozen=True, slots=True)
class Spending:
    """
    Every cap and every price of one configuration: by agent, by API account, by API account and operation.
    """

    agents: Mapping[str, AgentCaps] = field(default_factory=dict)
    apis: Mapping[str, NodeCaps] = field(default_factory=dict)
    prices: Mapping[tuple[str, str], Price] = field(default_factory=dict)

    def of(self, agent: str) -> AgentCaps:
        """
        Return what stands above an agent's calls.
        """
        return self.agents.get(agent, NOT_CAPPED)

    def price(self, api: str, operation: str) -> Price | None:
        """
        Return what a call of an operation costs; None is nothing.
        """
        return self.prices.get((api, operation))


UNCAPPED = Spending()


def compile_spending(
    cards: Mapping[str, AgentCard],
    teams: Mapping[str, Team],
    apis: Mapping[str, ApiAccount],
    catalogs: Mapping[str, Catalog],
) -> Spending:
    """
    Compile the caps of every card, team and API account, and the prices of every operation.
    """
    by_team = {name: _node("team", name, team.tz, team.caps) for name, team in teams.items()}
    by_api = {name: _node("api", name, account.tz, account.caps) for name, account in apis.items()}
    return Spending(
        MappingProxyType(_agents(cards, by_team)),
        MappingProxyType({name: node for name, node in by_api.items() if node.periods}),
        MappingProxyType({
            (api, spec.name): compile_price(price)
            for api, account in apis.items()
            for spec, price in _priced(account.prices, catalogs[api])
        }),
    )  # fmt: skip


def _agents(cards: Mapping[str, AgentCard], teams: Mapping[str, NodeCaps]) -> dict[str, AgentCaps]:
    """
    Compile the caps of each card that has any, and hold those of equal cards once.
    """
    one: dict[CardCaps, CardCaps] = {}
    agents = {}
    for name, card in cards.items():
        agent = _agent(name, card, one.setdefault(card.caps, card.caps), teams)
        if agent != NOT_CAPPED:
            agents[name] = agent
    return agents


def _agent(name: str, card: AgentCard, caps: CardCaps, teams: Mapping[str, NodeCaps]) -> AgentCaps:
    own = _node("agent", name, card.tz, caps)
    shared = (teams[card.team],) if card.team is not None and card.team in teams else ()
    return AgentCaps(caps.call, caps.task, tuple(node for node in (own, *shared) if node.periods))


def _node(kind: str, name: str, zone: str, caps: PeriodCaps) -> NodeCaps:
    periods = tuple((period, held) for period, held in caps.by_period.items() if held.capped)
    return NodeCaps(f"{kind}:{name}", zone, periods)


def _priced(prices: Mapping[str, WrittenPrice], catalog: Catalog) -> Iterable[tuple[OperationSpec, WrittenPrice]]:
    if not prices:
        return
    matched = {pattern: frozenset(spec.name for spec in catalog.matching(pattern)) for pattern in prices}
    for spec in catalog.operations.values():
        patterns = [pattern for pattern, names in matched.items() if spec.name in names]
        if patterns:
            yield spec, prices[max(patterns, key=lambda pattern: ranked(spec.names, pattern))]
