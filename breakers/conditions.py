"""
Conditions: what a card refuses if it is so, and what it requires to be so; what cannot be checked refuses.

They are asked in CEL, of the typed arguments, the task, the time and what was looked up for them. A look-up is a read
of the same API that the card declares; the call fills in values, and nothing else: of what a call says, only one plain
word can become an argument of a look-up, never a list, a path, a query or part of one.

Conditions that need nothing looked up come first: a call that they refuse costs no read. Everything that the others
need is asked for in one round. A refusal names the condition and never what was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from breakers.amounts import amount_moved, may_move
from breakers.asking import Condition, LookUp
from breakers.call import Call
from breakers.facts import Facts, Fetch
from breakers.policy import Passed, Policy
from breakers.verdict import Ask, Reason, Refuse
from config.asked import values_of, with_money
from config.catalog import Subject, Touch
from config.expressions import Expression, Unanswerable
from config.money import NO_EXPONENTS, Money

GATE = "conditions"

UNCHECKED = "could not be checked"
"""How the refusal by a condition that said neither yes nor no is told from that by one that did."""

_WORD = re.compile(r"[A-Za-z0-9_.:@+-]{1,255}")
"""What a call may fill into a look-up: ids, names and addresses of every vendor bundled here, no path and no query."""

_DOTS = frozenset({".", ".."})


def conditions(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Ask:
    """
    Hold a call against every condition of every entry that allows it.

    Precedence: types, conditions that need no look-up, what is looked up, the others; in the order of the card.
    """
    wanted = passed.allowed.conditions
    if not wanted:
        return passed
    if (no := _mistyped(call, wanted)) is not None:
        return no
    asked = _Asked(call, policy, facts, passed)
    said: list[tuple[str, bool]] = []
    reads: list[Subject | Touch | Fetch] = []
    for condition in sorted(wanted, key=lambda one: bool(one.looks)):
        answer = asked.answer(condition)
        if isinstance(answer, Refuse):
            return answer
        if isinstance(answer, Ask):
            reads += answer.reads
        else:
            said.append((condition.name, answer))
    return Ask(tuple(dict.fromkeys(reads))) if reads else replace(passed, conditions=tuple(said))


def _mistyped(call: Call, wanted: tuple[Condition, ...]) -> Refuse | None:
    for condition in wanted:
        for reading in condition.readings:
            if (wrong := reading.mistyped(call.operation)) is not None:
                detail = f"`{wrong}` is read by a condition and has another type than the operation declares."
                return Refuse(Reason.ARGUMENT_MISTYPED, GATE, detail, (("argument", wrong),))
    return None


class _Asked:
    """
    One call while its conditions are asked.
    """

    def __init__(self, call: Call, policy: Policy, facts: Facts, passed: Passed) -> None:
        self._call, self._policy, self._facts, self._passed = call, policy, facts, passed
        # Conditions mostly read the same of a call; the time on a wall is told only to those who ask.
        self._known: dict[bool, dict[str, object]] = {}

    def answer(self, condition: Condition) -> bool | Refuse | Ask:
        """
        Return what a condition says where it lets the call pass, or what has to be read before it can say.
        """
        moved = self._moved() if "moved" in condition.when.reads.roots else None
        reads = [*moved.reads] if isinstance(moved, Ask) else []
        looks: dict[str, object] = {}
        for look in condition.looks:
            fetch = self._fetch(condition, look)
            if isinstance(fetch, Refuse):
                return fetch
            fetched = self._facts.fetched.get(fetch)
            if fetched is None:
                reads.append(fetch)
            elif fetched.failed is not None:
                return _unchecked(condition, f"of `{look.name}`, {fetched.failed}")
            else:
                looks[look.name] = fetched.data
        if reads:
            return Ask(tuple(reads))
        said = condition.when.holds(self._values(condition.when, looks, moved if isinstance(moved, Money) else None))
        if isinstance(said, Unanswerable):
            return _unchecked(condition, said.why)
        return _refused(condition) if said is condition.refuses else said

    def _moved(self) -> Money | Ask | None:
        if self._passed.moved is not None:
            return self._passed.moved
        if not may_move(self._call.operation):
            return None
        moved = amount_moved(
            self._call.operation, self._facts, self._policy.exponents.get(self._call.api, NO_EXPONENTS)
        )
        # What cannot be bounded is missed by whoever asks for it.
        return None if isinstance(moved, Refuse) else moved

    def _fetch(self, condition: Condition, look: LookUp) -> Fetch | Refuse:
        arguments: list[tuple[str, str]] = []
        for name, term in look.terms:
            spelled = _spelled(term, term.says(self._values(term, {}, None)))
            if isinstance(spelled, Unanswerable):
                return _unchecked(condition, f"of `{look.name}`, {spelled.why}")
            arguments += [(name, text) for text in spelled]
        return Fetch(look.name, look.operation, tuple(arguments))

    def _values(self, asked: Expression, looks: Mapping[str, object], moved: Money | None) -> Mapping[str, object]:
        local = "local" in asked.reads.roots
        known = self._known.get(local)
        if known is None:
            known = self._known[local] = self._all(asked)
        values = {**known, "look": looks} if looks else known
        return values if moved is None else with_money(values, moved)

    def _all(self, asked: Expression) -> dict[str, object]:
        call, caller = self._call, self._call.caller
        opened, rules = caller.opened, self._policy.agents.get(caller.agent)
        labels = {name: getattr(opened, name) for name in ("record", "model", "prompt")} if opened else {}
        return values_of(
            call.operation.arguments,
            words={
                "agent": caller.agent,
                "api": call.api,
                "operation": call.operation.spec.name,
                "method": call.request.method,
            },
            task={"id": caller.task, "opened": opened is not None, **labels},
            at=self._facts.at,
            zone=rules.zone if rules else "UTC",
            wanted=asked.reads.roots,
        )


def _spelled(term: Expression, said: object) -> tuple[str, ...] | Unanswerable:
    """
    Return what an argument of a look-up is, as text; only the card's own words may be anything, and more than one.
    """
    if isinstance(said, Unanswerable):
        return said
    if isinstance(said, bool):
        return (str(said).lower(),)
    if isinstance(said, int):
        return (str(said),)
    if isinstance(said, str) and (term.constant or (_WORD.fullmatch(said) and said not in _DOTS)):
        return (said,)
    if isinstance(said, list) and term.constant and all(isinstance(one, str) for one in said):
        return tuple(said)
    return Unanswerable("what it is taken from is no id")


def _refused(condition: Condition) -> Refuse:
    says = "refuses this" if condition.refuses else "does not hold for this"
    detail = f"The condition `{condition.name}` on this agent's card {says}."
    return Refuse(Reason.CONDITION_REFUSED, GATE, detail, (("condition", condition.name),))


def _unchecked(condition: Condition, why: str) -> Refuse:
    detail = f"The condition `{condition.name}` on this agent's card {UNCHECKED}: {why}."
    return Refuse(Reason.CONDITION_REFUSED, GATE, detail, (("condition", condition.name),))
