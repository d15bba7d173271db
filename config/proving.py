"""
Conditions held against the catalogues and against their own examples.

Everything that an expression names must be there: arguments of every operation that its rule allows, look-ups of the
same rule, reads of the same API. Then each example is run: a condition that does not say what its examples say is a
fault, and so is one that has none of either kind, because nobody knows that it refuses, or that it lets anything pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from config.catalog import Argument, Effect, Kind, OperationSpec, Place
from config.conditions import Condition, unknown_look
from config.consistency import Written
from config.expressions import Expression
from config.faults import Fault, did_you_mean, listed
from config.policy import Rule, arguments_named, bare_name
from config.running import Ran, gathered
from config.shape import Places
from config.source import Trail
from config.syntax import Literal
from config.tables import Catalog

ReadFile = Callable[[Path], bytes]

# Of which kind of constant a member may be, in the roots that have the same members in every call.
_NUMBER, _TEXT, _BOOLEAN = frozenset({"number", "null"}), frozenset({"text", "null"}), frozenset({"boolean", "null"})
_KINDS: Mapping[Kind, frozenset[str]] = {
    Kind.STRING: _TEXT, Kind.INTEGER: _NUMBER, Kind.NUMBER: _NUMBER, Kind.BOOLEAN: _BOOLEAN,
}  # fmt: skip
_TEXTUAL = Argument("", Place.QUERY, Kind.STRING)
_NUMBERS = frozenset({"year", "month", "day", "hour", "minute", "weekday", "amount"})


def unproven(written: Written, read: ReadFile) -> Iterator[Fault]:
    """
    Yield every fault of every condition; `read` returns a file's bytes.
    """
    for name, card in written.agents.items():
        for api, rules in card.allow.items() if card is not None else ():
            if card is None or api not in written.catalogs:
                continue
            for pattern, rule in rules.items():
                specs = written.catalogs[api].matching(pattern)
                trail: Trail = ("agents", name, "allow", api, pattern)
                if specs and (rule.look or rule.refuse_if or rule.require) and _is_whole(rule, trail, written.places):
                    ran = Ran(name, api, card.tz, rule, specs, written.folder, read)
                    yield from _rule(trail, ran, written.catalogs[api], written.places)


def _is_whole(rule: Rule, trail: Trail, places: Places) -> bool:
    """
    Tell whether all that is written of a rule could be read: what is left of it says nothing of what is missing.
    """
    below: Any = places.source.value
    for part in trail:
        below = below[part]
    read = {"look": rule.look, "refuse_if": rule.refuse_if, "require": rule.require}
    if any(_keys(below.get(section, {})) != set(members) for section, members in read.items()):
        return False
    looks = [
        (below["look"][name][operation], terms) for name, one in rule.look.items() for operation, terms in one.items()
    ]
    return all(_keys(written) == set(terms) for written, terms in looks)


def _keys(written: object) -> set[str] | None:
    return set(written) if isinstance(written, Mapping) else None


def _rule(trail: Trail, ran: Ran, catalog: Catalog, places: Places) -> Iterator[Fault]:
    rule, broken = ran.rule, False
    for fault in (*_looks(trail, ran, catalog, places), *_names(trail, rule, places)):
        broken = True
        yield fault
    for section, name, condition in conditions_of(rule):
        at = (*trail, section, name)
        wrong = list(_expression((*at, "when"), condition.when, ran.specs, places))
        unknown = [look for look in condition.when.reads.members("look") if look not in rule.look]
        wrong += [places.value((*at, "when")).fault(*unknown_look(look, rule.look)) for look in unknown]
        yield from wrong
        # What an expression that names something else would say of an example tells nothing.
        yield from gathered((*at, "examples"), name, condition, ran, places, runs=not broken and not wrong)


def conditions_of(rule: Rule) -> Iterator[tuple[str, str, Condition]]:
    """
    Yield the conditions of a rule: the section that each stands in, its name, itself.
    """
    for section, conditions in (("refuse_if", rule.refuse_if), ("require", rule.require)):
        for name, condition in conditions.items():
            yield section, name, condition


def _names(trail: Trail, rule: Rule, places: Places) -> Iterator[Fault]:
    for name in rule.require:
        if name in rule.refuse_if:
            spot = places.key((*trail, "require", name))
            yield spot.fault(f"`{name}` is the name of another condition of this rule", "write another name")


def _looks(trail: Trail, ran: Ran, catalog: Catalog, places: Places) -> Iterator[Fault]:
    rule = ran.rule
    read = {look for _, _, condition in conditions_of(rule) for look in condition.when.reads.members("look")}
    for name, look in rule.look.items():
        at: Trail = (*trail, "look", name)
        if name not in read:
            yield places.key(at).fault(f"no condition here reads `look.{name}`", "remove it")
        for operation, terms in look.items():
            spec = catalog.operations.get(operation)
            if spec is None:
                near = catalog.nearest(operation)
                hint = (
                    f"did you mean {listed(near)}?" if near else f"`breakwater catalog show {catalog.name}` lists them"
                )
                message = f"`{catalog.name}` has no operation `{operation[:80]}`"
                yield places.key((*at, operation)).fault(message, hint)
            else:
                yield from _look((*at, operation), spec, terms, ran, places)


def _look(at: Trail, spec: OperationSpec, terms: Mapping[str, Expression], ran: Ran, places: Places) -> Iterator[Fault]:
    if spec.effect is not Effect.READ or spec.method != "GET":
        yield places.key(at).fault(f"`{spec.name}` is no read that can be looked up", "name one that shows or lists it")
        return
    known = {name for place, name in spec.arguments if place is not Place.BODY}
    for name in terms:
        if name not in known:
            message = f"`{spec.name}` has no argument `{name[:60]}`"
            yield places.key((*at, name)).fault(message, did_you_mean(name, known))
            continue
        if any(spec.arguments.get((place, name), _TEXTUAL).kind is Kind.OBJECT for place in Place):
            message = f"`{name}` is a mapping, and what is looked up by is one word"
            yield places.key((*at, name)).fault(message, "look up by another argument, and compare the rest in `when`")
        yield from _expression((*at, name), terms[name], ran.specs, places)
    missing = sorted(name for place, name in spec.arguments if place is Place.PATH and name not in terms)
    if missing:
        hint = f"add `{missing[0]}: args.{missing[0]}`"
        yield places.key(at).fault(f"`{spec.name}` needs {listed(missing)}", hint)


def _expression(at: Trail, expression: Expression, specs: tuple[OperationSpec, ...], places: Places) -> Iterator[Fault]:
    for written in expression.arguments:
        for spec in specs:
            if (wrong := _argument(written, spec, specs)) is not None:
                yield places.value(at).fault(*wrong)
                break
    for (root, name), constant in expression.reads.compared:
        for spec in specs:
            if (found := _incomparable(root, name, constant, spec)) is not None:
                yield places.value(at).fault(*found)
                break


def _argument(written: str, spec: OperationSpec, specs: tuple[OperationSpec, ...]) -> tuple[str, str] | None:
    found, name = arguments_named(spec, written), bare_name(written)
    if len(found) > 1:
        spelled = listed(f"{one.place}.{name}" for one in found)
        return f"`{name}` stands in several places of `{spec.name}`", f"write {spelled}"
    if found or (spec.open_body and not written.startswith(("path.", "query."))):
        return None
    elsewhere = arguments_named(spec, name)
    if elsewhere:
        hint = f"did you mean {listed(f'{one.place}.{name}' for one in elsewhere)}?"
    else:
        hint = did_you_mean(name, {declared for one in specs for _, declared in one.arguments})
    return f"`{spec.name}` has no argument `{written[:60]}`", hint


def _incomparable(root: str, name: str, constant: Literal, spec: OperationSpec) -> tuple[str, str] | None:
    fitting = _constants(root, name, spec)
    if fitting is None or constant.kind in fitting:
        return None
    shown = f"`{constant.value}`" if constant.value is not None else "the constant"
    wanted = next(iter(fitting - {"null"}), "something else")
    hint = {"text": "put it in quotes", "number": "write digits without quotes", "boolean": "write `true` or `false`"}
    return f"`{root}.{name}` is never equal to {shown}, which is no {wanted}", hint.get(wanted, "")


def _constants(root: str, name: str, spec: OperationSpec) -> frozenset[str] | None:
    """
    Return the kinds of constants that a member may equal, or None where that is not known.
    """
    if root in {"local", "moved"}:
        return _NUMBER if name in _NUMBERS else _TEXT
    if root == "task":
        return _BOOLEAN if name == "opened" else _TEXT
    kinds = {argument.kind for argument in _declared(root, name, spec)}
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None


def _declared(root: str, name: str, spec: OperationSpec) -> Iterable[Argument]:
    if root == "args":
        return arguments_named(spec, name)
    places = {place.value for place in Place}
    return arguments_named(spec, f"{root}.{name}") if root in places else ()
