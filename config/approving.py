"""
Tiers, approval rules and operators, held against the catalogues and against each other.

What waits for somebody who does not exist waits for ever: a role that is asked for is one that an operator holds, who
may approve what this agent does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from config.caps import CallCaps, Caps
from config.catalog import Effect, OperationSpec
from config.faults import Fault, did_you_mean, listed
from config.money import Money
from config.operators import APPROVER, RESERVED, OperatorCard
from config.policy import AgentCard, Rule, bare_name
from config.ranges import MoneyRange
from config.routes import Catalog
from config.shape import Places
from config.source import Trail
from config.tiers import APPROVE

Holders = Mapping[str, frozenset[str]]


def operators_named(operators: Mapping[str, OperatorCard | None], places: Places) -> Iterator[Fault]:
    """
    Yield each operator whose name on record is another's.
    """
    if RESERVED in operators:
        message = f"`{RESERVED}` is on record whoever shows the token in the state folder"
        yield places.key(("operators", RESERVED)).fault(message, "give this operator a name of his or her own")


def holders_of(operators: Mapping[str, OperatorCard | None]) -> Holders:
    """
    Return who holds each role.
    """
    roles = {role for card in operators.values() if card is not None for role in card.roles}
    return {
        role: frozenset(name for name, card in operators.items() if card is not None and role in card.roles)
        for role in roles
    }


def approvals(
    name: str,
    card: AgentCard,
    catalogs: Mapping[str, Catalog],
    operators: Iterable[str],
    holders: Holders,
    places: Places,
) -> Iterator[Fault]:
    """
    Yield what is wrong with a card's tiers and approval rules, and with who may not approve.
    """
    top: Trail = ("agents", name)
    if not card.owners_approve and card.owners.named.isdisjoint(operators):
        message = "no owner of this agent is an operator: this keeps nobody away"
        hint = "name an operator under `owners` as under `operators`, or remove `owners_approve`"
        yield places.value((*top, "owners_approve")).fault(message, hint)
    if card.tier == APPROVE:
        yield from _held(APPROVER, (*top, "tier"), card, holders, places)
    for api, entries in card.allow.items():
        if api not in catalogs:
            continue
        for pattern, rule in entries.items():
            trail = (*top, "allow", api, pattern)
            yield from _rule(trail, pattern, rule, card, catalogs[api].matching(pattern), holders, places)


def _rule(
    trail: Trail,
    pattern: str,
    rule: Rule,
    card: AgentCard,
    specs: tuple[OperationSpec, ...],
    holders: Holders,
    places: Places,
) -> Iterator[Fault]:
    writes = tuple(spec for spec in specs if spec.effect is not Effect.READ)
    said = {"approve": rule.approve is not None, "tier": rule.tier is not None}
    if specs and not writes:
        for member in (member for member, is_said in said.items() if is_said):
            message = f"`{pattern[:80]}` writes nothing: `{member}` is for writes"
            yield places.key((*trail, member)).fault(message, f"remove `{member}`")
        return
    approve = rule.approve
    if approve is not None:
        yield from _held(approve.by, (*trail, "approve", "by"), card, holders, places)
        if approve.over is not None and writes and (wrong := _over(approve.over, rule, card, writes, pattern)):
            yield places.value((*trail, "approve", "over")).fault(*wrong)
    elif rule.tier == APPROVE:
        yield from _held(APPROVER, (*trail, "tier"), card, holders, places)


def _held(role: str, trail: Trail, card: AgentCard, holders: Holders, places: Places) -> Iterator[Fault]:
    who = holders.get(role, frozenset())
    if not who:
        hint = did_you_mean(role, holders) or f"write `operators: {{NAME: {{roles: [{role}]}}}}`"
        yield places.value(trail).fault(f"no operator holds the role `{role}`", hint)
    elif not card.owners_approve and who <= card.owners.named:
        message = f"whoever holds the role `{role}` is an owner of this agent, and `owners_approve` is false"
        yield places.value(trail).fault(message, "give the role to somebody else, too")


def _over(
    over: tuple[Money, ...], rule: Rule, card: AgentCard, writes: tuple[OperationSpec, ...], pattern: str
) -> tuple[str, str] | None:
    """
    Return why a sum above which somebody is asked can never decide anything, and what would help.
    """
    if all(spec.moves_nothing for spec in writes):
        return f"`{pattern[:80]}` moves no money: nothing of it is over any sum", "remove `over`"
    if all(spec.amount is None for spec in writes):
        message = f"how much `{pattern[:80]}` moves is not known here: everything would be over it"
        return message, "remove `over`: then each of them waits"
    for one in over:
        passing = _currencies(rule, card, writes)
        if passing is not None and one.currency not in passing:
            message = f"what may pass of `{pattern[:80]}` moves {listed(sorted(passing))}, and never {one.currency}"
            return message, "write the sum in a currency that it moves"
    return None


def _currencies(rule: Rule, card: AgentCard, writes: tuple[OperationSpec, ...]) -> frozenset[str] | None:
    """
    Return the currencies in which what passes this card can move money at all; None where nothing bounds that.
    """
    bounds = [frozenset({span.currency}) for span in rule.limit.values() if isinstance(span, MoneyRange)]
    stated = {spec.amount.currency for spec in writes if spec.amount is not None}
    for written, allowed in rule.only.items():
        if stated == {bare_name(written)}:
            bounds.append(frozenset(value.upper() for value in allowed if isinstance(value, str)))
    caps: tuple[Caps | CallCaps, ...] = (card.caps.call, card.caps.task, *card.caps.by_period.values())
    bounds += [frozenset(one.currency for one in held.moved) for held in caps if held.moved is not None]
    return frozenset.intersection(*bounds) if bounds else None
