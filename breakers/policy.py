"""
What the agent cards come to once they are compiled: for each agent and operation, the entries that bind it.

Frozen at load; one decision reads one policy, and a reload makes another. A gate takes what the gates before it found
out (`Passed`) and adds to it, or ends the judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from breakers.arguments import Reading
from breakers.asking import Condition
from breakers.breaker import Wish
from breakers.capping import UNCAPPED, Spending
from breakers.guard import Guard
from breakers.noun import noun
from breakers.spend import Charge
from breakers.suggestion import Park
from breakers.thresholds import USUAL, Gauging
from config.drifting import Drift
from config.money import Money
from config.operators import APPROVER
from config.ranges import MoneyRange, NumberRange
from config.tiers import AUTO

Scalar = str | int | bool

DUPLICATES_S = 60.0
"""Within what time an equal write without a key is suspected, where the settings say nothing else."""


@dataclass(frozen=True, slots=True)
class Only:
    """
    The values that an argument may have.
    """

    reading: Reading
    allowed: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """
    The range, both ends included, in which an argument must lie; `shown` is how it is told.
    """

    reading: Reading
    span: NumberRange | MoneyRange
    shown: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", str(self.span))


@dataclass(frozen=True, slots=True)
class Approval:
    """
    What of an entry waits for an approver: what moves more than a sum of `over`, or everything where that is None.
    """

    over: tuple[Money, ...] | None = None
    by: str = APPROVER
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One allow entry as it binds one operation: the pattern that it was written under, and what it demands.

    `names` are the arguments that judging it reads, whether or not the card spells them; `reads_body` tells whether one
    of them is declared in the body. `needs_before` says that nothing is written unless its objects were read first,
    `needs_key` that nothing is without an idempotency key, `marks` that a write bears a marker, `needs_task` that
    nothing is done but under an opened task. `agent_repeats` tells whether the agent itself may say that a repeat is
    meant; None leaves that to what the operation moves. `unknown_cost` is what is held of caps in money where nothing
    bounds an amount. `conditions` are those that are asked of a call. `tier` is the entry's own, `approval` what waits
    for an approver; both only where the operation writes. `review_ppm` is which part of it is reviewed, where it says.
    """

    pattern: str
    only: tuple[Only, ...] = ()
    limits: tuple[Limit, ...] = ()
    names: frozenset[str] = frozenset()
    reads_body: bool = False
    needs_before: bool = False
    needs_key: bool = False
    marks: bool = False
    needs_task: bool = False
    agent_repeats: bool | None = None
    unknown_cost: Money | None = None
    conditions: tuple[Condition, ...] = ()
    tier: str | None = None
    approval: Approval | None = None
    review_ppm: int | None = None

    @property
    def is_plain(self) -> bool:
        """
        Tell whether the allowlist asks nothing of what a call says, or of its task.
        """
        return not (self.only or self.names or self.reads_body or self.needs_task)


MARKED = "marked"
"""The flag of a write that is to bear a marker, where its body has a place for one."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    The operation is on the allowlist, and every one of these entries binds it.

    The rest is what they come to together, worked out once for every call: their patterns, what they bind and limit
    (`numbers` and `amounts`) and ask, what the record is to note; whether one of them needs a task, needs a key, or may
    park a write. `is_plain` tells that the allowlist asks nothing of what a call says, or of its task.
    """

    entries: tuple[Entry, ...] = ()
    patterns: tuple[str, ...] = field(init=False, compare=False, repr=False)
    only: tuple[Only, ...] = field(init=False, compare=False, repr=False)
    numbers: tuple[tuple[Limit, NumberRange], ...] = field(init=False, compare=False, repr=False)
    amounts: tuple[tuple[Limit, MoneyRange], ...] = field(init=False, compare=False, repr=False)
    conditions: tuple[Condition, ...] = field(init=False, compare=False, repr=False)
    needs_task: bool = field(init=False, compare=False, repr=False)
    needs_key: bool = field(init=False, compare=False, repr=False)
    may_park: bool = field(init=False, compare=False, repr=False)
    flags: tuple[str, ...] = field(init=False, compare=False, repr=False)
    is_plain: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        entries = self.entries
        limits = [(limit, limit.span) for entry in entries for limit in entry.limits]
        known: dict[str, object] = {
            "patterns": tuple(entry.pattern for entry in entries),
            "only": tuple(only for entry in entries for only in entry.only),
            "numbers": tuple((limit, span) for limit, span in limits if isinstance(span, NumberRange)),
            "amounts": tuple((limit, span) for limit, span in limits if isinstance(span, MoneyRange)),
            "conditions": tuple(condition for entry in entries for condition in entry.conditions),
            "needs_task": any(entry.needs_task for entry in entries),
            "needs_key": any(entry.needs_key for entry in entries),
            "may_park": any(entry.tier is not None or entry.approval is not None for entry in entries),
            "flags": (MARKED,) if any(entry.marks for entry in entries) else (),
            "is_plain": all(entry.is_plain for entry in entries),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)


@noun
class Passed:
    """
    What the gates so far have found: what allows the call, what it moves where a limit had to know, and what the record
    is to note. `blind` tells that nothing may be read for the sake of it: it is judged as far as it can be.
    """

    allowed: Allowed
    moved: Money | None = None
    flags: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    conditions: tuple[tuple[str, bool], ...] = ()
    parked: tuple[Park, ...] = ()
    wishes: tuple[Wish, ...] = ()
    blind: bool = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """
        Return the entries that allow the call.
        """
        return self.allowed.entries

    def and_parked(self, *parks: Park) -> Passed:
        """
        Return this with further reasons to park the call.
        """
        return replace(self, parked=(*self.parked, *parks)) if parks else self

    def and_allowed(self, allowed: Allowed) -> Passed:
        """
        Return this with what allows the call.
        """
        # Written out in full, as below: `replace` takes five times as long, and this is on the road of every call.
        flags = (*self.flags, *allowed.flags)
        return Passed(allowed, self.moved, flags, self.charges, self.conditions, self.parked, self.wishes, self.blind)

    def and_moving(self, moved: Money) -> Passed:
        """
        Return this with what the call moves.
        """
        return Passed(
            self.allowed, moved, self.flags, self.charges, self.conditions, self.parked, self.wishes, self.blind
        )


NOTHING_FOUND, IN_THE_DARK = Passed(Allowed()), Passed(Allowed(), blind=True)
"""What every judgement begins with: where reads may be made for the sake of it, and where they may not."""


@dataclass(frozen=True, slots=True)
class Denied:
    """
    The operation is taken away by this deny pattern, whatever allows it.
    """

    pattern: str


@dataclass(frozen=True, slots=True)
class AgentRules:
    """
    One agent's card, compiled: operations by (API account, operation name), values by redirecting header, lower-case,
    and in which environment and time zone it works. `loops` is what counts as one; None where nothing does. `tier` is
    how much it may do alone where an entry does not say, `barred` which operators approve nothing of it, `review_ppm`
    which part of its writes is reviewed, `drift` what its calls are compared with; None where they are not.
    """

    operations: Mapping[tuple[str, str], Allowed | Denied]
    headers: Mapping[str, frozenset[str]]
    environment: str = "production"
    loops: Guard | None = None
    zone: str = "UTC"
    tier: str = AUTO
    barred: frozenset[str] = frozenset()
    review_ppm: int = 0
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Every card of one configuration, compiled; `exponents` are each API account's own, before those of ISO 4217.

    `duplicates_s` is for how many seconds after its end a write makes an equal one without a key a suspected duplicate.
    `spending` is every cap and every price, `roles` are those that some operator holds, `gauging` is from when on each
    breaker moves.
    """

    version: str
    agents: Mapping[str, AgentRules]
    exponents: Mapping[str, Mapping[str, int]]
    duplicates_s: float = DUPLICATES_S
    spending: Spending = UNCAPPED
    roles: frozenset[str] = frozenset()
    gauging: Gauging = USUAL
