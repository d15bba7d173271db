"""The conditions of a rule, compiled: what is asked of a call, what is looked up for that, which arguments it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from breakers.arguments import Reading, reading
from config.expressions import Expression
from config.policy import Rule


@dataclass(frozen=True, slots=True)
class LookUp:
    """
    A read that is made for a condition: the operation, and what each of its arguments is taken from.
    """

    name: str
    operation: str
    terms: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """
    One condition: with `refuses` a call passes where it says no, else where it says yes.

    `looks` are the look-ups that it reads; `readings` are the arguments that it and they read.
    """

    name: str
    refuses: bool
    when: Expression
    looks: tuple[LookUp, ...]
    readings: tuple[Reading, ...]


def compile_conditions(rule: Rule) -> tuple[Condition, ...]:
    """
    Return the conditions of a rule, those that refuse first. Expressions of one text are one object.
    """
    if not rule.refuse_if and not rule.require:
        return ()
    return tuple(_compiled(rule))


def _compiled(rule: Rule) -> Iterator[Condition]:
    for refuses, section in ((True, rule.refuse_if), (False, rule.require)):
        for name, condition in section.items():
            looks = tuple(_look(rule, look) for look in condition.when.reads.members("look"))
            asked = (condition.when, *(term for look in looks for _, term in look.terms))
            read = dict.fromkeys(written for expression in asked for written in expression.arguments)
            yield Condition(name, refuses, condition.when, looks, tuple(map(reading, read)))


def _look(rule: Rule, name: str) -> LookUp:
    ((operation, terms),) = rule.look[name].items()
    return LookUp(name, operation, tuple(terms.items()))
