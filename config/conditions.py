"""
Conditions as people write them: what refuses a call, what a call requires, and what is looked up for either.

An expression is CEL. Each condition comes with examples, calls and look-up answers of which it is known what it must
say; without one of either kind it is a sentence that nobody has tried.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, PlainValidator
from pydantic import WithJsonSchema as Schema

from config.caps import Sum
from config.cases import Moment
from config.expressions import Expression, compiled
from config.faults import Unreadable, did_you_mean
from config.written import NAME, Frozen, Seconds, Strict, Text

EXAMPLES_MAX = 100
"""Of one condition: each is run at every start."""

_LOOK_ROOTS = frozenset({"look", "moved"})

# Names of look-ups are words of CEL.
_LOOK = re.compile(r"[a-z][a-z0-9_]{0,40}")


def read_condition(written: object) -> Expression:
    """
    Read an expression. Raises `Unreadable`.
    """
    if isinstance(written, Expression):
        return written
    if isinstance(written, bool) or not isinstance(written, str) or not written.strip():
        raise Unreadable("a condition is an expression", "write `args.amount < 5000`")
    return compiled(written.strip())


def _read_term(written: object) -> Expression:
    if isinstance(written, Expression):
        return written
    if isinstance(written, bool | int):
        return compiled(str(written).lower())
    term = read_condition(written)
    for root in sorted(_LOOK_ROOTS & term.reads.roots.keys()):
        raise Unreadable(f"what is looked up cannot depend on `{root}`", "take it from the call: `args.charge`")
    return term


_TEXT = {"type": "string", "examples": ["local.weekday <= 5 && local.hour >= 9"]}

When = Annotated[
    Expression,
    PlainValidator(read_condition),
    PlainSerializer(str, return_type=str),
    Schema(_TEXT),
]
Term = Annotated[
    Expression,
    PlainValidator(_read_term),
    PlainSerializer(str, return_type=str),
    Schema({"anyOf": [{"type": "string", "examples": ["args.charge"]}, {"type": ["integer", "boolean"]}]}),
]


def _frozen(written: Any) -> Any:
    if isinstance(written, Mapping):
        return MappingProxyType({str(name): _frozen(one) for name, one in written.items()})
    return tuple(_frozen(one) for one in written) if isinstance(written, list | tuple) else written


def _read_examples(written: object) -> tuple[Any, ...] | str:
    if isinstance(written, str) and written.strip():
        return written
    if not isinstance(written, list | tuple) or not written:
        raise Unreadable("examples are a list, or the file that holds one", "write `examples: examples/NAME.yaml`")
    if len(written) > EXAMPLES_MAX:
        raise Unreadable(f"a condition has at most {EXAMPLES_MAX} examples", "keep those that differ")
    return tuple(_frozen(one) for one in written)


class Example(Strict):
    """
    A call, and what a condition must say of it.
    """

    makes: Annotated[bool, Field(strict=True)]
    """What the condition says: `true` or `false`."""
    args: Frozen[Any] = Field(default_factory=dict, validate_default=True)
    """The call's arguments by name, with `path.`, `query.` or `body.` before one that stands in two places."""
    look: Frozen[Any] = Field(default_factory=dict, validate_default=True)
    """What each look-up shows, by its name."""
    now: Moment | None = None
    """When the call comes; needed only by a condition that asks."""
    task: Frozen[Any] = Field(default_factory=dict, validate_default=True)
    """The opened task that it belongs to: `id`, `record`, `model`, `prompt`."""
    moved: Sum | None = None
    """What it would move."""
    operation: Text | None = None
    """Which operation is called, where the rule stands under a glob; the first that it matches, if nothing is said."""


_EXAMPLES = {
    "anyOf": [
        {"type": "string", "examples": ["examples/chargeback.yaml"]},
        {"type": "array", "minItems": 2, "maxItems": EXAMPLES_MAX, "items": {"type": "object"}},
    ]
}


class Condition(Strict):
    """
    An expression that is asked of each call, and the examples that show what it says.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    when: When
    """The expression, in CEL."""
    examples: Annotated[Any, PlainValidator(_read_examples), Schema(_EXAMPLES)]
    """Calls that make it true and calls that make it false: a list, or a file with one under `examples`."""


def _one_operation(written: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(written) != 1:
        raise Unreadable("a look-up is one read", "write `NAME: {OPERATION: {ARGUMENT: args.ARGUMENT}}`")
    return written


def _are_words(written: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in written:
        if not _LOOK.fullmatch(name):
            raise Unreadable(f"`{name[:40]}` is no name of a look-up", "use small letters, digits and `_`")
    return written


def _are_names(written: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in written:
        if not NAME.fullmatch(name):
            raise Unreadable(f"`{name[:40]}` is no name of a condition", "use small letters, digits, `_` and `-`")
    return written


Look = Annotated[
    Frozen[Annotated[Frozen[Frozen[Term]], AfterValidator(_one_operation)]],
    AfterValidator(_are_words),
]
"""`{NAME: {OPERATION: {ARGUMENT: EXPRESSION}}}`"""

Conditions = Annotated[Frozen[Condition], AfterValidator(_are_names)]
"""`{NAME: {when: EXPRESSION, examples: FILE}}`"""


class ConditionSettings(Strict):
    """
    What is looked up for conditions.
    """

    cache_s: Seconds = Field(default=5.0, alias="cache")
    """For how long what a look-up showed is used again; a write to that account ends it at once."""


def unknown_look(name: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """
    Return what is wrong with a condition that reads a look-up that its rule does not make.
    """
    hint = did_you_mean(name, known) or f"add `look: {{{name}: {{OPERATION: {{ARGUMENT: args.ARGUMENT}}}}}}`"
    return f"there is no look-up `{name[:40]}` beside this condition", hint
