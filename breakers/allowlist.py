"""
The allowlist: agent cards compiled once into a table, and the gate that reads it.

Default deny, for reads and writes alike. An operation is found under each of its names: an allow may use any alias, and
a deny on any alias wins over every allow. Where several allow entries match one operation, all of them must hold: under
any other reading a broad glob (`refunds.*: {}`) would undo a narrow rule beside it (`refunds.create: {limit: …}`), and
the order of lines in a file would decide. So an entry that is added to a card never lets through what the entries that
already matched the operation refused.

`only` binds an argument in every place in which the call has it, or in the one that its prefix names. An argument that
is absent, an array without elements and a value of another type are not among the allowed values: what an API does
by default is not known here. Every element of an array must be allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

from breakers.arguments import Reading, reading
from breakers.asking import compile_conditions
from breakers.call import Call, Operation
from breakers.capping import NO_APIS, compile_spending
from breakers.facts import Facts
from breakers.guard import compile_guard
from breakers.policy import (
    DUPLICATES_S,
    AgentRules,
    Allowed,
    Approval,
    Denied,
    Entry,
    Limit,
    Only,
    Passed,
    Policy,
    Scalar,
)
from breakers.thresholds import LONGEST_S, compile_gauging
from breakers.verdict import Reason, Refuse
from config.caps import NO_TEAMS, Team
from config.catalog import WHOLE_BODY, Effect, OperationSpec, Place
from config.load import Configuration
from config.policy import AgentCard, Rule
from config.ranges import MoneyRange
from config.routes import Catalog
from config.settings import ApiAccount

GATE = "allowlist"

# How many allowed values a refusal lists: enough to correct a call by, too few to fill a header or a log line.
LISTED_MAX = 8


def policy_of(configuration: Configuration) -> Policy:
    """
    Compile everything that a configuration says of what agents may do.
    """
    return compile_policy(
        configuration.agents,
        configuration.catalogs,
        configuration.version,
        duplicates_s=configuration.settings.idempotency.duplicates_s,
        apis=configuration.apis,
        teams=configuration.teams,
        roles=frozenset(role for card in configuration.operators.values() for role in card.roles),
        longest_s=configuration.settings.timeouts.write_total_s,
    )


def compile_policy(
    cards: Mapping[str, AgentCard],
    catalogs: Mapping[str, Catalog],
    version: str,
    *,
    duplicates_s: float = DUPLICATES_S,
    apis: Mapping[str, ApiAccount] = NO_APIS,
    teams: Mapping[str, Team] = NO_TEAMS,
    roles: frozenset[str] = frozenset(),
    longest_s: float = LONGEST_S,
) -> Policy:
    """
    Compile every agent's card against the catalogues of the configured APIs, both by name.
    """
    return Policy(
        version=version,
        agents=MappingProxyType(_compile_cards(cards, catalogs)),
        exponents=MappingProxyType(
            {api: MappingProxyType(dict(catalog.dialect.exponents)) for api, catalog in catalogs.items()}
        ),
        duplicates_s=duplicates_s,
        spending=compile_spending(cards, teams, apis, catalogs),
        roles=roles,
        gauging=compile_gauging(cards, apis, longest_s),
    )


def _compile_cards(cards: Mapping[str, AgentCard], catalogs: Mapping[str, Catalog]) -> dict[str, AgentRules]:
    """
    Compile each card; those that hold the very same rules, or some of them, share what these come to.
    """
    compiled: dict[tuple[object, ...], AgentRules] = {}
    made = _Made()
    agents: dict[str, AgentRules] = {}
    for agent, card in cards.items():
        shared = (id(card.allow), id(card.deny), id(card.headers), id(card.loops))
        held = (*shared, card.environment, card.tz, card.tier, _barred(card), card.review, id(card.drift))
        if held not in compiled:
            compiled[held] = _compile_card(card, catalogs, made)
        agents[agent] = compiled[held]
    return agents


class _Made:
    """
    What rules came to, for the next card that holds them: entries by rule, and what several of them come to together.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, str, str, str], Entry] = {}
        self._allowed: dict[tuple[int, ...], Allowed] = {}

    def entry(self, pattern: str, rule: Rule, api: str, spec: OperationSpec) -> Entry:
        """
        Return the entry that a rule is of an operation.
        """
        key = (id(rule), api, pattern, spec.name)
        if key not in self._entries:
            self._entries[key] = _entry(pattern, rule, spec)
        return self._entries[key]

    def allowed(self, entries: list[Entry]) -> Allowed:
        """
        Return what these entries come to.
        """
        key = tuple(map(id, entries))
        if key not in self._allowed:
            self._allowed[key] = Allowed(tuple(entries))
        return self._allowed[key]


def _compile_card(card: AgentCard, catalogs: Mapping[str, Catalog], made: _Made) -> AgentRules:
    entries: dict[tuple[str, str], list[Entry]] = {}
    for api, rules in card.allow.items():
        for pattern, rule in rules.items():
            for spec in catalogs[api].matching(pattern):
                entries.setdefault((api, spec.name), []).append(made.entry(pattern, rule, api, spec))
    operations: dict[tuple[str, str], Allowed | Denied] = {key: made.allowed(found) for key, found in entries.items()}
    for api, patterns in card.deny.items():
        for pattern in patterns:
            operations |= {(api, spec.name): Denied(pattern) for spec in catalogs[api].matching(pattern)}
    headers = {name.lower(): frozenset(values) for name, values in card.headers.items()}
    guard = compile_guard(card.loops, card.allow, catalogs)
    return AgentRules(
        MappingProxyType(operations),
        MappingProxyType(headers),
        card.environment,
        guard,
        card.tz,
        card.tier,
        _barred(card),
        card.review,
        card.drift if card.drift.enabled else None,
    )


def _barred(card: AgentCard) -> frozenset[str]:
    return frozenset() if card.owners_approve else card.owners.named


def _entry(pattern: str, rule: Rule, spec: OperationSpec) -> Entry:
    only = tuple(Only(reading(name), tuple(allowed)) for name, allowed in rule.only.items())
    limits = tuple(Limit(reading(name), span) for name, span in rule.limit.items())
    read = [*(item.reading for item in only), *(item.reading for item in limits)]
    writes = spec.effect is not Effect.READ
    approve = rule.approve if writes else None
    is_summed = approve is not None and approve.over is not None
    if is_summed or any(isinstance(item.span, MoneyRange) for item in limits):
        read += _read_for_money(spec)
    conditions = compile_conditions(rule)
    read += [one for condition in conditions for one in condition.readings]
    return Entry(
        pattern=pattern,
        only=only,
        limits=limits,
        names=frozenset(item.name for item in read),
        reads_body=any(item.declared_in_body(spec) for item in read),
        needs_before=rule.before is not None and writes,
        needs_key=rule.require_key and writes,
        marks=rule.marker and spec.marker is not None,
        needs_task=rule.task is not None,
        agent_repeats=None if rule.duplicates is None else rule.duplicates == "agent",
        unknown_cost=None if rule.unknown_cost is None else rule.unknown_cost.reserve,
        conditions=conditions,
        tier=rule.tier if writes else None,
        approval=None if approve is None else Approval(approve.over, approve.by, approve.within_s),
        review_ppm=rule.review if writes else None,
    )


def _read_for_money(spec: OperationSpec) -> Iterable[Reading]:
    if spec.amount is not None:
        amount = spec.amount
        yield from (reading(name) for name in (amount.argument, amount.currency, amount.times) if name)
    for subject in spec.subjects:
        yield Reading(subject.by, subject.by, (subject.place,))


def allowlist(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse:  # noqa: ARG001 a gate's form
    """
    Find the entries that allow the call and hold it against them, limits aside.

    Precedence: denied, not listed, without a task, redirecting headers, undeclared arguments, types, values.
    """
    name = call.operation.spec.name
    rules = policy.agents.get(call.caller.agent)
    match rules and rules.operations.get((call.api, name)):
        case Allowed() as allowed if rules is not None:
            no = _taskless(call) if allowed.needs_task else None
            if no is None and call.request.redirecting:
                no = _redirected(call, rules)
            if no is None and not allowed.is_plain:
                no = _undeclared(allowed.entries, call.operation) or _not_only(allowed.only, call.operation)
            return no or passed.and_allowed(allowed)
        case Denied(pattern):
            detail = f"`{name}` is denied to this agent by `{pattern}`."
        case _:
            detail = f"`{name}` is not on this agent's allowlist."
    return _not_allowed(detail, ("operation", name))


def _taskless(call: Call) -> Refuse | None:
    if call.caller.opened is not None:
        return None
    detail = f"`{call.operation.spec.name}` is not done under the standing task of the day."
    return Refuse(Reason.TASK_REQUIRED, GATE, detail, (("operation", call.operation.spec.name),))


def _redirected(call: Call, rules: AgentRules) -> Refuse | None:
    for name, value in call.request.redirecting:
        if value not in rules.headers.get(name.lower(), frozenset()):
            detail = f"The header `{name}` chooses whose object is touched, and this value is not on this agent's card."
            return _not_allowed(detail, ("header", name))
    return None


def _undeclared(entries: tuple[Entry, ...], operation: Operation) -> Refuse | None:
    for shown in operation.undeclared:
        place, _, name = shown.partition(".")
        for entry in entries:
            if name in entry.names or (entry.reads_body and place == "body"):
                detail = (
                    f"`{shown}` is not declared by `{operation.spec.name}`, and a rule reads what stands beside it."
                )
                return Refuse(Reason.ARGUMENT_UNDECLARED, GATE, detail, (("argument", shown),))
    if (Place.BODY, WHOLE_BODY) in operation.arguments and any(
        entry.reads_body and entry.names - {WHOLE_BODY} for entry in entries
    ):
        detail = f"A rule reads a member of the body of `{operation.spec.name}`; send the body as an object."
        return Refuse(Reason.ARGUMENT_UNDECLARED, GATE, detail, (("argument", f"{Place.BODY}.{WHOLE_BODY}"),))
    return None


def _not_only(wanted: tuple[Only, ...], operation: Operation) -> Refuse | None:
    for only in wanted:
        if (wrong := only.reading.mistyped(operation)) is not None:
            detail = f"`{wrong}` is bound by a rule and has another type than the operation declares."
            return Refuse(Reason.ARGUMENT_MISTYPED, GATE, detail, (("argument", wrong),))
    for only in wanted:
        found = only.reading.found(operation)
        if not found:
            detail = f"`{only.reading.written}` must be stated: {_listed(only.allowed)}."
            return _not_allowed(detail, ("argument", only.reading.written))
        for shown, value in found:
            if not _permitted(value, only.allowed):
                return _not_allowed(f"`{shown}` may only be {_listed(only.allowed)}.", ("argument", shown))
    return None


def _permitted(value: object, allowed: tuple[Scalar, ...]) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(any(same(element, one) for one in allowed) for element in value)
    return any(same(value, one) for one in allowed)


def same(value: object, allowed: Scalar) -> bool:
    """
    Tell whether an argument is this value of this type: `true` is not 1, and "1" is neither.
    """
    if isinstance(value, bool) or isinstance(allowed, bool):
        return value is allowed
    if isinstance(allowed, str):
        return isinstance(value, str) and value == allowed
    return isinstance(value, int | float | Decimal) and value == allowed


def _listed(allowed: tuple[Scalar, ...]) -> str:
    shown = [str(value).lower() if isinstance(value, bool) else str(value) for value in allowed[:LISTED_MAX]]
    rest = len(allowed) - len(shown)
    return " or ".join(f"`{value}`" for value in shown) + (f" or one of {rest} more" if rest else "")


def _not_allowed(detail: str, about: tuple[str, str]) -> Refuse:
    return Refuse(Reason.NOT_ALLOWED, GATE, detail, (about,))
