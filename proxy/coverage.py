"""
Which rules of the cards have decided a case: a rule that no case meets is one that nobody has seen work.

A tier decides what it parks, and `auto` what passes where the card's own would park it. An approval rule decides what
it parks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from breakers.conditions import UNCHECKED
from breakers.periods import span_of
from breakers.suggestion import Cause
from breakers.verdict import Reason
from config.cases import FORWARD, SUGGEST, Written
from config.load import Configuration
from config.policy import AgentCard, Rule, bare_name
from config.routes import Catalog
from config.tiers import AUTO
from proxy.rehearsal import Judged


@dataclass(frozen=True, slots=True, order=True)
class CardRule:
    """
    One rule of a card: `kind` is how it stands there, `at` the entry that it binds, `name` which of its kind it is.
    """

    agent: str
    kind: str
    api: str = ""
    at: str = ""
    name: str = ""

    def __str__(self) -> str:
        """
        Return the rule as a card spells the way to it.
        """
        return " ".join(part for part in (self.agent, self.kind, self.api, self.at, self.name) if part)


# How each part of an allow entry refuses: the reason, and the detail that names it.
_PARTS: Mapping[str, tuple[Reason, str]] = {
    "only": (Reason.NOT_ALLOWED, "argument"),
    "limit": (Reason.LIMIT_EXCEEDED, "argument"),
    "refuse_if": (Reason.CONDITION_REFUSED, "condition"),
    "require": (Reason.CONDITION_REFUSED, "condition"),
}
_WORDS: Mapping[str, Reason] = {"task": Reason.TASK_REQUIRED, "require_key": Reason.IDEMPOTENCY_KEY_MISSING}

TIER, APPROVE = "tier", "approve"


def rules_of(configuration: Configuration) -> set[CardRule]:
    """
    Return every rule of every card.
    """
    return {rule for agent, card in configuration.agents.items() for rule in _rules(agent, card)}


def _rules(agent: str, card: AgentCard) -> Iterator[CardRule]:
    if card.tier != AUTO:
        yield CardRule(agent, TIER, name=card.tier)
    for api, entries in card.allow.items():
        for pattern, rule in entries.items():
            yield CardRule(agent, "allow", api, pattern)
            if rule.tier not in {None, card.tier}:
                yield CardRule(agent, TIER, api, pattern, str(rule.tier))
            if rule.approve is not None:
                yield CardRule(agent, APPROVE, api, pattern)
            for part, names in _parts(rule):
                for name in names:
                    yield CardRule(agent, part, api, pattern, name)
    for api, patterns in card.deny.items():
        for pattern in patterns:
            yield CardRule(agent, "deny", api, pattern)
    for span, caps in {"call": card.caps.call, "life": card.caps.task, **card.caps.by_period}.items():
        for measure in ("moved", "paid", "calls", "writes"):
            if getattr(caps, measure, None) is not None:
                yield CardRule(agent, "cap", at="task" if span == "life" else span, name=measure)


def _parts(rule: Rule) -> Iterator[tuple[str, Iterable[str]]]:
    for part in _PARTS:
        yield part, getattr(rule, part, None) or ()
    for word in _WORDS:
        if getattr(rule, word, None):
            yield word, ("",)


def decided(written: Written, judged: Judged, configuration: Configuration) -> set[CardRule]:
    """
    Return the rules that decided a case: those that let it pass, or the one that refused it.
    """
    card = configuration.agents[written.agent]
    return {
        rule
        for rule in _rules(written.agent, card)
        if rule.api in {"", written.api} and _decides(rule, judged, configuration.catalogs[written.api])
    }


def _decides(rule: CardRule, judged: Judged, catalog: Catalog) -> bool:
    details = dict(judged.details)
    if rule.kind == "cap":
        return _is_cap(rule, judged, details)
    if rule.kind == TIER and not rule.at:
        return f"{Cause.TIER}:{rule.name}" in _kinds(judged)
    if judged.operation not in {spec.name for spec in catalog.matching(rule.at)}:
        return False
    if rule.kind == "allow":
        return judged.verdict in {FORWARD, SUGGEST} and rule.at in judged.rules
    if rule.kind == APPROVE:
        return f"{Cause.APPROVAL}:{rule.at}" in judged.causes
    if rule.kind == TIER:
        passes = judged.verdict == FORWARD and rule.name == AUTO
        return rule.at in judged.rules and (passes or f"{Cause.TIER}:{rule.name}" in _kinds(judged))
    if rule.kind == "deny":
        return judged.verdict == Reason.NOT_ALLOWED and "operation" in details and f"`{rule.at}`" in judged.detail
    if rule.kind in _WORDS:
        return judged.verdict == _WORDS[rule.kind]
    reason, named = _PARTS[rule.kind]
    if reason is Reason.CONDITION_REFUSED and UNCHECKED in judged.detail:
        # A look-up that the case does not tell refuses whatever the condition says.
        return False
    return judged.verdict == reason and bare_name(details.get(named, "")) == bare_name(rule.name)


def _kinds(judged: Judged) -> set[str]:
    """
    Return what parks a case, without the role that a tier asks for.
    """
    return {":".join(cause.split(":")[:2]) for cause in judged.causes}


def _is_cap(rule: CardRule, judged: Judged, details: Mapping[str, str]) -> bool:
    kind = details.get("node", "").partition(":")[0]
    node = {"task": "task", "call": "call"}.get(rule.at, "agent")
    if judged.verdict != Reason.BUDGET_EXHAUSTED or kind != node:
        return False
    span = span_of(details.get("period", "")) if node == "agent" else rule.at
    return span == rule.at and details.get("measure", "").partition(":")[0] == rule.name
