"""Speed: a decision costs the same whether a policy is for one agent or for ten thousand."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Operation, Request
from breakers.decide import decide
from breakers.policy import Allowed, Policy
from breakers.verdict import Forward
from config.catalog import Argument, Content, Effect, Kind, OperationSpec, Place
from config.dialect import Dialect
from config.policy import AgentCard, Rule
from config.routes import Catalog
from tests.breakers.world import AT, QUIET

FLOORS = Path(__file__).with_name("floors.json")

AGENTS, RULES, VARIANTS = 10_000, 200, 5
CALLS, ROUNDS = 2_000, 9

# What the larger policy may cost more, for the caches that it does not fit into.
DEARER_MAX = 1.2

BODY = {"amount": Kind.INTEGER, "charge": Kind.STRING, "labels": Kind.ARRAY}
ARGUMENTS = {(Place.BODY, name): Argument(name, Place.BODY, kind) for name, kind in BODY.items()}
SPECS = tuple(
    OperationSpec(
        api="shop",
        name=f"things{number}.create",
        method="POST",
        path=f"/things{number}",
        base="api",
        effect=Effect.WRITE,
        contents={"application/json": Content.JSON},
        arguments=ARGUMENTS,
    )
    for number in range(RULES)
)
CATALOG = Catalog.build("shop", Dialect(), SPECS, "0" * 64)
EXAMPLES = [{"makes": True}, {"makes": False}]


def _rule(variant: int) -> Rule:
    written = {
        "only": {"charge": ["ch_1", f"ch_{variant + 2}"]},
        "limit": {"amount": f"1..{1000 + variant}"},
        "refuse_if": {"large": {"when": f"args.amount > {900 + variant}", "examples": EXAMPLES}},
        "require": {"labelled": {"when": "args.labels.all(x, x != 'none')", "examples": EXAMPLES}},
    }
    return Rule.model_validate(written)


def _cards(count: int) -> Mapping[str, AgentCard]:
    """
    Return so many cards: every second one holds the same rules, and each other one rules that nobody else combines so.
    """
    variants = [_rule(variant) for variant in range(VARIANTS)]
    names = [spec.name for spec in SPECS]
    drawn = random.Random(7)
    shared = MappingProxyType({"shop": MappingProxyType(dict.fromkeys(names, variants[0]))})
    plain = AgentCard(purpose="Serve", environment="test")
    cards = {}
    for number in range(count):
        rules = drawn.choices(variants, k=RULES)
        own = MappingProxyType({"shop": MappingProxyType(dict(zip(names, rules, strict=True)))})
        cards[f"agent{number}"] = plain.model_copy(update={"allow": own if number % 2 else shared})
    return cards


def _policy(count: int) -> Policy:
    return compile_policy(_cards(count), {"shop": CATALOG}, "v1")


def _calls(count: int) -> Sequence[Call]:
    """
    Return calls of any operations by so many agents, no two of them alike.
    """
    drawn = random.Random(11)
    calls = []
    for number in range(CALLS):
        spec = drawn.choice(SPECS)
        body = {"amount": drawn.randint(1, 900), "charge": "ch_1", "labels": ["a", f"b{number}"]}
        operation = Operation(spec, {(Place.BODY, name): value for name, value in body.items()})
        caller = Caller(f"agent{drawn.randrange(count)}", "key-1", "task-1")
        calls.append(Call(f"{number:026}", AT, "shop", caller, operation, Request("api", "POST", (spec.name,))))
    return calls


def _spent(policy: Policy, calls: Sequence[Call]) -> float:
    """
    Return the processor time of judging every call, in seconds.
    """
    began = time.process_time()
    for call in calls:
        decide(call, policy, QUIET)
    return time.process_time() - began


@pytest.mark.slow
def test_ten_thousand_agents(figure: Callable[[str, float], None]) -> None:
    """With 10,000 agents of 200 rules, half of them shared, a decision costs what it does with one, within 20 %."""
    sides = [(_policy(count), _calls(count)) for count in (1, AGENTS)]
    for policy, calls in sides:
        assert all(isinstance(decide(call, policy, QUIET), Forward) for call in calls)
    # The best of several rounds is what it costs; everything above that is what else the machine does.
    rounds = [[_spent(*side) for side in sides] for _ in range(ROUNDS)]
    one, many = (min(times) for times in zip(*rounds, strict=True))
    figure("decisions a second, one agent", round(CALLS / one))
    figure("decisions a second, 10,000 agents", round(CALLS / many))
    figure("cost of 10,000 agents, in costs of one", round(many / one, 3))
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    assert CALLS / one >= floors["decisions a second, one agent"]
    assert CALLS / many >= floors["decisions a second, 10,000 agents"]
    assert many / one <= DEARER_MAX


def test_shared() -> None:
    """Agents of the same rules share what these come to, and others every rule and expression that is the same."""
    cards = _cards(6)
    policy = compile_policy(cards, {"shop": CATALOG}, "v1")
    agents = [policy.agents[f"agent{number}"] for number in range(6)]
    assert agents[0].operations is agents[2].operations
    assert agents[1].operations is not agents[3].operations
    found = [allowed for rules in agents for allowed in rules.operations.values() if isinstance(allowed, Allowed)]
    entries = {id(entry): entry for allowed in found for entry in allowed.entries}
    assert len(entries) <= RULES * VARIANTS
    programs = {id(condition.when.program) for entry in entries.values() for condition in entry.conditions}
    assert len(programs) == VARIANTS + 1
