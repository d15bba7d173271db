"""
The agent card: who answers for an agent, and what it may do.

A card allows operations, one by one or by glob, each under a rule; what it does not allow is refused, and `deny` wins
over `allow`. A rule's `only` lists the values that an argument may have, its `limit` the range that it must lie in.
Arguments are named as the API names them, at the top level, with `path.`, `query.` or `body.` before them to mean one
place only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator
from pydantic import WithJsonSchema as Schema

from config.breakers import STANDARD as STANDARD_BREAKERS
from config.breakers import WrittenBreakers
from config.caps import CardCaps, Sum, Zone
from config.catalog import Argument, OperationSpec, Place
from config.conditions import Conditions, Look
from config.drifting import STANDARD as STANDARD_DRIFT
from config.drifting import WrittenDrift
from config.faults import Unreadable
from config.loops import STANDARD, CardLoops
from config.ranges import MoneyRange, NumberRange, read_range
from config.reviews import Share
from config.tiers import AUTO, Approve, Tier
from config.written import Frozen, Name, Strict, Text

Scalar = str | int | bool

_SCALARS = {"type": ["string", "integer", "boolean"]}


def _read_allowed(written: object) -> tuple[Scalar, ...]:
    values = tuple(written) if isinstance(written, list | tuple) else (written,)
    if not values:
        raise Unreadable("an empty list allows no value", "list the values, or remove the operation from `allow`")
    for value in values:
        if not isinstance(value, str | int):
            raise Unreadable(
                "`only` lists text, whole numbers, true and false", "a fraction is a `limit`: `12.5..12.5`"
            )
    return tuple(value for value in values if isinstance(value, str | int))


Allowed = Annotated[
    tuple[Scalar, ...],
    PlainValidator(_read_allowed),
    Schema({"anyOf": [_SCALARS, {"type": "array", "items": _SCALARS, "minItems": 1}]}),
]
Range = Annotated[
    NumberRange | MoneyRange,
    PlainValidator(read_range),
    PlainSerializer(str, return_type=str),
    Schema({"type": "string", "examples": ["1..100", "0.50..100 USD"]}),
]


class UnknownCost(Strict):
    """
    What is taken of a cap where nothing bounds what a call takes.
    """

    reserve: Sum
    """The sum that is held, and taken where nothing says how much it was."""


class Rule(Strict):
    """
    Under what an operation is allowed; `{}` is without conditions.
    """

    later: ClassVar[frozenset[str]] = frozenset({"caps"})

    only: Frozen[Allowed] = Field(default_factory=dict, validate_default=True)
    """The values that an argument may have, by its name: one value or a list. An argument that is absent has none."""
    limit: Frozen[Range] = Field(default_factory=dict, validate_default=True)
    """The range in which an argument must lie, both ends included: `1..100`, for money `0.50..100 USD`."""
    look: Look = Field(default_factory=dict, validate_default=True)
    """What is looked up for its conditions: `{NAME: {OPERATION: {ARGUMENT: EXPRESSION}}}`, a read of the same API."""
    refuse_if: Conditions = Field(default_factory=dict, validate_default=True)
    """What refuses a call: `{NAME: {when: EXPRESSION, examples: FILE}}`. What cannot be told refuses it, too."""
    require: Conditions = Field(default_factory=dict, validate_default=True)
    """What a call requires, likewise."""
    before: Literal["required"] | None = None
    """`required`: a write whose object could not be read before it is refused, instead of recorded without its diff."""
    require_key: Annotated[bool, Field(strict=True)] = False
    """Whether a write without an `Idempotency-Key` is refused; for what moves money, say so."""
    task: Literal["required"] | None = None
    """`required`: only done under a task that was opened, and not under the standing task of the day."""
    duplicates: Literal["agent", "approver"] | None = None
    """Who may say that a suspected duplicate is meant: the agent by a header, or an approver, the default for money."""
    tier: Tier | None = None
    """How much the agent may do alone of this; of several entries that say so the strictest counts."""
    approve: Approve | None = None
    """What of it waits for an approver: `{over: 50 USD, by: finance, within: 15m}`; `{}` is each write."""
    unknown_cost: UnknownCost | None = None
    """What is held of money caps where nothing bounds the amount; without it such a call is refused."""
    review: Share | None = None
    """Which part of what it has done of this somebody looks at afterwards; of several entries the largest counts."""
    marker: Annotated[bool, Field(strict=True)] = False
    """Whether a write bears a mark by which it is found again where its answer was lost; the mark is visible there."""


class Owners(Strict):
    """
    The people, by role, who answer for an agent.
    """

    business: Text | None = None
    """Who wants what it does."""
    technical: Text | None = None
    """Who runs it."""
    model: Text | None = None
    """Who answers for its model."""

    @property
    def missing(self) -> tuple[str, ...]:
        """
        Return the roles that nobody has.
        """
        return tuple(role for role in Owners.model_fields if getattr(self, role) is None)

    @property
    def named(self) -> frozenset[str]:
        """
        Return everybody who is an owner in some role, in small letters as the names of operators are.
        """
        named = (getattr(self, role) for role in Owners.model_fields)
        return frozenset(name.strip().casefold() for name in named if name)


def _lowered(written: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    lowered = {name.lower(): values for name, values in written.items()}
    if len(lowered) < len(written):
        raise Unreadable("a header stands here twice, in other capitals", "list it once, with all its values")
    return MappingProxyType(lowered)


def _values(written: object) -> object:
    if not isinstance(written, list | tuple) or not written:
        raise Unreadable("this must be a list of values", "write `[acct_1, acct_2]`")
    return written


class AgentCard(Strict):
    """
    One agent: the unit that people read and review.
    """

    later: ClassVar[frozenset[str]] = frozenset({
        "tasks", "conditions", "look", "refuse_if", "throttle",
    })  # fmt: skip

    purpose: Text
    """What it is for, in one sentence."""
    owners: Owners = Owners()
    """Who answers for it; all three where `environment` is production."""
    environment: Literal["production", "staging", "development", "test"] = "production"
    """Where it works. The strictest is the default, so that a forgotten line asks for more and not for less."""
    team: Name | None = None
    """The team whose caps it shares, one of `teams`."""
    tz: Zone = "UTC"
    """The IANA time zone in which its hours, days and months begin."""
    tier: Tier = AUTO
    """How much it may do alone: `shadow`, `suggest`, `approve`, or `auto`, where only what a rule parks is parked."""
    owners_approve: Annotated[bool, Field(strict=True)] = True
    """Whether an operator who is one of its owners may approve what it wants to do."""
    allow: Frozen[Frozen[Rule]] = Field(default_factory=dict, validate_default=True)
    """What it may do: `{API: {OPERATION-OR-GLOB: RULE}}`. Whatever is not here is refused, reads too."""
    caps: CardCaps = CardCaps()
    """How much it may take: each call, each task, each hour, day and month."""
    loops: CardLoops = Field(default_factory=lambda: STANDARD)
    """What counts as doing the same over and over; `false` where nothing does."""
    breaker: WrittenBreakers = Field(default_factory=lambda: STANDARD_BREAKERS)
    """When this agent's writes are parked because its own calls fail; `false` where they never are."""
    drift: WrittenDrift = Field(default_factory=lambda: STANDARD_DRIFT)
    """Whether its calls are compared with what they were; `false` where they are not."""
    review: Share = 0
    """Which part of the writes that it has made somebody looks at afterwards: `2%`."""
    deny: Frozen[tuple[Text, ...]] = Field(default_factory=dict, validate_default=True)
    """What it may not do although `allow` says so: `{API: [OPERATION-OR-GLOB]}`."""
    headers: Annotated[Frozen[Annotated[tuple[Text, ...], BeforeValidator(_values)]], AfterValidator(_lowered)] = Field(
        default_factory=dict, validate_default=True
    )
    """Values that it may send in headers that choose whose object is touched; names are kept in small letters."""


def bare_name(written: str) -> str:
    """
    Return the name of an argument without the prefix that says its place.
    """
    return _split(written)[1]


def arguments_named(spec: OperationSpec, written: str) -> tuple[Argument, ...]:
    """
    Return the declared arguments that a rule means by a name: in every place, or in the one that its prefix says.
    """
    places, name = _split(written)
    return tuple(spec.arguments[place, name] for place in places if (place, name) in spec.arguments)


def _split(written: str) -> tuple[Iterable[Place], str]:
    prefix, dot, name = written.partition(".")
    if dot and name and prefix in {place.value for place in Place}:
        return (Place(prefix),), name
    return tuple(Place), written
