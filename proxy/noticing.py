"""
The loop guard on the road: each call is looked at before it is judged, and it is told how each of them ended.

An answer is compared by its status and its digest, without the members that its dialect calls volatile where all of it
was kept. What broke off tells nothing. Whatever is noticed stands in `Breakwater-Loop`, and in the words of a refusal
of ours.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

from breakers.call import Applied, Call, Caller, Health, Outcome
from breakers.facts import Facts, Noticed
from breakers.guard import Guard
from breakers.known import Earlier
from breakers.looping import HAMMERING, Looping
from breakers.policy import Policy
from breakers.results import AT_THE_DOOR
from breakers.suggestion import Cause
from breakers.verdict import Forward, Reason, Refuse
from breakers.windows import Kind, Result, Seen
from config.dialect import Dialect
from proxy.answer import STATUS
from proxy.clock import Clock
from proxy.ledger.blobs import Kept
from proxy.ledger.records import Delivered
from proxy.trail import Trail

PASSING = AT_THE_DOOR - {403}
"""Statuses of errors that pass by themselves; that nobody may do this does not."""

UNWELL = frozenset({Health.FAIL, Health.FAIL_LOCAL, Health.THROTTLE})

BY_POLICY = frozenset({403, 422})
"""Statuses of refusals that count as hammering."""

NOT_COUNTED = frozenset({Reason.KILLED, Reason.TASK_CLOSED})
"""What an operator did, whoever goes on in the meantime."""


class Watch:
    """
    One call, from before it is judged to its end; without `seen` nothing is watched, because its card says so.
    """

    __slots__ = ("_admitted", "_clock", "_looping", "_notice", "_seen", "_told", "_trail", "_volatile")

    def __init__(
        self, seen: Seen | None, volatile: tuple[str, ...], looping: Looping, trail: Trail, clock: Clock
    ) -> None:
        self._seen, self._volatile, self._looping, self._trail, self._clock = seen, volatile, looping, trail, clock
        self._admitted = self._told = False
        self._notice: Noticed | None = None
        if seen is not None:
            self._note(seen.noticed)

    def __repr__(self) -> str:
        return f"Watch({self._notice})"

    def noted(self, facts: Facts) -> Facts:
        """
        Return the facts with what was noticed.
        """
        return facts if self._notice is None else replace(facts, noticed=self._notice)

    def admit(self, go: Forward) -> Noticed | None:
        """
        Count a call that is let pass, or return why it is one too many: others were counted since it was looked at.

        What is parked for that is judged again, by what is noticed now; what an approver has seen is not one too many.
        """
        if self._seen is None or self._admitted:
            return None
        approved = bool(go.parked) and any(park.cause is Cause.LOOP for park in go.parked)
        noticed = self._looping.admit(self._seen, self._clock.monotonic(), approved=approved)
        self._note(noticed)
        self._admitted = noticed is None
        return noticed

    def withdraw(self) -> None:
        """
        Take back that it was counted: nothing of it was sent.
        """
        if self._seen is not None and self._admitted:
            self._admitted = False
            self._looping.withdraw(self._seen)

    def head(self, outcome: Outcome) -> None:
        """
        Note how a read ends whose body says no more of that than its status does: an error.
        """
        if self._seen is not None and outcome.status is not None and outcome.status >= 400:  # the protocol's own bound
            self._end(self._seen, _later(outcome) or _failed(outcome))

    def read(self, outcome: Outcome, seen: Delivered) -> None:
        """
        Note how a read ended.
        """
        if self._seen is not None and not self._told and seen.complete:
            self._end(self._seen, _of_read(outcome, seen, self._volatile))

    def write(self, outcome: Outcome) -> None:
        """
        Note how a write ended.
        """
        if self._seen is not None:
            self._end(self._seen, _of_write(outcome))

    def repeated(self, earlier: Earlier) -> None:
        """
        Note that a write was answered from an earlier one; what it was counted for before that was seen is taken back.
        """
        if self._seen is not None:
            self.withdraw()
            self._end(self._seen, Result(Kind.ANSWER, f"repeat {earlier.intent}".encode()))

    def refused(self, no: Refuse) -> Refuse:
        """
        Note that a call was refused, and return what is said of that.
        """
        if self._seen is None:
            return no
        self.withdraw()
        if no.reason is not Reason.LOOP_DETECTED and STATUS[no.reason] in {400, *BY_POLICY}:
            self._end(self._seen, Result(Kind.REFUSAL, no.reason.encode()))
        if self._notice is None or self._notice.refuses:
            return no
        return replace(no, detail=f"{no.detail} {self._notice.detail}")

    def _end(self, seen: Seen, result: Result) -> None:
        self._told = True
        self._note(self._looping.ended(seen, result, self._clock.monotonic()))

    def _note(self, noticed: Noticed | None) -> None:
        if noticed is not None:
            self._notice, self._trail.loop = noticed, f"{noticed.rule};n={noticed.count}"


def watch(call: Call, policy: Policy, dialect: Dialect, looping: Looping, trail: Trail, clock: Clock) -> Watch:
    """
    Look at a call before it is judged.
    """
    guard = _guard(call.caller, policy)
    seen = None if guard is None else looping.begin(call, guard, clock.monotonic())
    return Watch(seen, dialect.volatile, looping, trail, clock)


def hammered(no: Refuse, caller: Caller, policy: Policy, looping: Looping, clock: Clock) -> None:
    """
    Count a refusal where it is one by the card; those that suspending a task brings about count nothing.
    """
    guard = _guard(caller, policy)
    by_policy = STATUS[no.reason] in BY_POLICY and no.reason not in NOT_COUNTED
    if guard is not None and by_policy and ("loop", HAMMERING) not in no.details:
        looping.refused(caller.task, guard, clock.monotonic())


def _guard(caller: Caller, policy: Policy) -> Guard | None:
    rules = policy.agents.get(caller.agent)
    return None if rules is None else rules.loops


def _later(outcome: Outcome) -> Result | None:
    """
    Return that an upstream said "later", where it did.
    """
    if outcome.status == 202 or "retry-after" in [name for name, _ in outcome.headers]:
        return Result(Kind.LATER, changes=outcome.applied is not Applied.NOT_APPLIED)
    return None


def _failed(outcome: Outcome, *, changes: bool = False) -> Result:
    if outcome.status is None or outcome.fault is not None:
        return Result(Kind.FAULT, str(outcome.fault).encode(), changes)
    passes = outcome.health in UNWELL or outcome.status in PASSING
    return Result(Kind.FAULT if passes else Kind.ERROR, str(outcome.status).encode(), changes)


def _of_read(outcome: Outcome, seen: Delivered, volatile: tuple[str, ...]) -> Result:
    if (later := _later(outcome)) is not None:
        return later
    if outcome.status is None or outcome.fault is not None or outcome.status >= 400:  # the protocol's own bound
        return _failed(outcome)
    if seen.status != outcome.status:
        return Result(Kind.FAULT, str(seen.status).encode())
    return Result(Kind.ANSWER, digest(outcome.status, seen, volatile))


def _of_write(outcome: Outcome) -> Result:
    changes = outcome.applied is not Applied.NOT_APPLIED
    if (later := _later(outcome)) is not None:
        return later
    if outcome.applied is Applied.UNKNOWN or outcome.status is None or outcome.status >= 400:
        return _failed(outcome, changes=changes)
    return Result(Kind.ANSWER, str(outcome.status).encode(), changes)


@lru_cache(maxsize=64)
def _members(names: tuple[str, ...]) -> re.Pattern[bytes]:
    # Without parsing, which would take ten times as long; a member whose value is no scalar stays.
    either = "|".join(map(re.escape, names))
    return re.compile(rf'"(?:{either})"\s*:\s*(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^",\[\]{{}}\s]+)'.encode(), re.DOTALL)


def digest(status: int, seen: Delivered, volatile: tuple[str, ...]) -> bytes:
    """
    Return what is equal of two answers that say the same.
    """
    payload = seen.payload
    data = _members(volatile).sub(b"", payload.data) if volatile and isinstance(payload, Kept) else payload.data
    return blake2b(b"%d %s " % (status, type(payload).__name__.encode()) + data, digest_size=16).digest()
