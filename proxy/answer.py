"""
What goes back to an agent: the upstream's answer, or ours in the API's own error shape.

Every answer of ours begins by saying whether anything happened. Statuses follow how vendors' SDKs retry: a status that
they re-send by themselves is used only where nothing was sent and the same request may succeed soon.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import orjson

from breakers.call import Applied, Fault, Outcome, Sent
from breakers.noun import noun
from breakers.verdict import SENTENCES, Reason, Refuse
from config.dialect import Dialect, render_error

STATUS: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.HEAD_MALFORMED: 400,
        Reason.TARGET_MALFORMED: 400,
        Reason.QUERY_MALFORMED: 400,
        Reason.BODY_MALFORMED: 400,
        Reason.VERSION_UNSUPPORTED: 400,
        Reason.DOOR_UNKNOWN: 421,
        Reason.METHOD_NOT_ALLOWED: 405,
        Reason.EXPECTATION_FAILED: 417,
        Reason.HEAD_TOO_LARGE: 431,
        Reason.BODY_TOO_LARGE: 413,
        Reason.BODY_TOO_SLOW: 400,
        Reason.MEDIA_TYPE_UNSUPPORTED: 415,
        Reason.KEY_MISSING: 401,
        Reason.KEY_UNKNOWN: 401,
        Reason.KEYS_CONFLICT: 400,
        Reason.TOKEN_EXPIRED: 401,
        Reason.TASK_UNKNOWN: 403,
        Reason.TASK_CLOSED: 403,
        Reason.IDEMPOTENCY_KEY_MALFORMED: 400,
        Reason.ARGUMENT_MISTYPED: 400,
        Reason.ARGUMENT_UNDECLARED: 400,
        Reason.OPERATION_UNKNOWN: 403,
        Reason.NOT_ALLOWED: 403,
        Reason.LIMIT_EXCEEDED: 403,
        Reason.AMOUNT_UNBOUNDED: 403,
        Reason.TOKEN_NARROWED: 403,
        Reason.TASK_REQUIRED: 403,
        Reason.CONDITION_REFUSED: 403,
        Reason.LOOP_DETECTED: 403,
        Reason.BUDGET_EXHAUSTED: 403,
        Reason.KILLED: 403,
        Reason.DUPLICATE_SUSPECTED: 403,
        Reason.SUGGEST_ONLY: 403,
        Reason.APPROVAL_PENDING: 403,
        Reason.NOT_APPROVED: 403,
        Reason.UPSTREAM_FAILING: 503,
        Reason.UPSTREAM_THROTTLED: 429,
        Reason.IDEMPOTENCY_KEY_MISSING: 400,
        Reason.IDEMPOTENCY_KEY_REUSED: 422,
        Reason.IDEMPOTENCY_IN_FLIGHT: 409,
        Reason.BEFORE_MISSING: 503,
        Reason.UNSETTLED_STATE: 503,
        Reason.OUTCOME_UNKNOWN: 424,
        Reason.ANSWER_NOT_KEPT: 424,
        Reason.UPSTREAM_UNREACHABLE: 503,
        Reason.UPSTREAM_TIMEOUT: 504,
        Reason.UPSTREAM_MALFORMED: 502,
        Reason.ANSWER_TOO_LARGE: 502,
        Reason.LEDGER_UNAVAILABLE: 503,
        Reason.STORE_UNAVAILABLE: 503,
        Reason.STOPPING: 503,
        Reason.INTERNAL: 500,
    }
)

RETRY_AFTER_S: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.BEFORE_MISSING: 1,
        Reason.UNSETTLED_STATE: 1,
        Reason.UPSTREAM_UNREACHABLE: 1,
        Reason.UPSTREAM_FAILING: 5,
        Reason.UPSTREAM_THROTTLED: 1,
        Reason.IDEMPOTENCY_IN_FLIGHT: 1,
        Reason.LEDGER_UNAVAILABLE: 5,
        Reason.STORE_UNAVAILABLE: 5,
        Reason.STOPPING: 5,
    }
)
"""
At most, in seconds, from 1 on; only where the same request may succeed soon: PyGithub re-sends any 403 that carries it.
Where the refusal itself says when that is (`retry_after_ms`), that counts.
"""

RESENT = frozenset({Reason.IDEMPOTENCY_IN_FLIGHT})
"""Where a client that sends the same again is what we want: it is answered from the first."""

SUGGESTED = "suggested"
"""The outcome of a write that is kept for a person."""

ALLOWED = "allowed"
"""The decision on an answer that is the upstream's own."""

REPLAYED = "replayed"
"""The decision on an answer that was given before."""

GIVEN_AGAIN = "idempotent-replayed"
"""The header that says so. An upstream says it of a re-send of ours; to the agent's own call that is nothing."""

SUGGESTION = "suggestion"
"""The detail of a refusal, and the end of a header's name, that says as what a write was parked."""

PARKED = frozenset({Reason.SUGGEST_ONLY, Reason.APPROVAL_PENDING})
"""Where a write is kept, and an answer says as what."""

INTENT = "intent"
"""The detail of a refusal, and the end of a header's name, that says which call an answer is about."""


def nobody_minds() -> None:
    """
    Do nothing about an answer that was not delivered.
    """


@noun
class Whole:
    """
    An answer whose body is at hand; `on_broken` is called where it could not be delivered, `on_reached` once it was.

    `url` is the upstream's URL that it answers, and empty for an answer of ours: headers and body are the upstream's.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    on_broken: Callable[[], None] = nobody_minds
    url: str = ""
    on_reached: Callable[[], None] = nobody_minds


@dataclass(slots=True)
class Streamed:
    """
    An answer whose body is still coming; `whole` tells, at its end, whether it all came.

    A peer that does not take a piece within `stall_s` seconds has stopped reading. `conclude(delivered, complete)`, in
    bytes, is awaited at its end, whatever the end. `url` is as in `Whole`.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: AsyncIterator[bytes]
    whole: Callable[[], bool]
    stall_s: float
    conclude: Callable[[int, bool], Awaitable[None]]
    url: str = ""


Answer = Whole | Streamed


def marks(call: str, outcome: str, dispatched: str, decision: str) -> tuple[tuple[str, str], ...]:
    """
    Return the four headers that every answer carries.

    Outcome and dispatched are as the interface names them, the decision is `gate:reason`.
    """
    return (
        ("breakwater-call", call),
        ("breakwater-outcome", outcome),
        ("breakwater-dispatched", dispatched),
        ("breakwater-decision", decision),
    )


_DENIED = {"no": "denied", "yes": "executed", "unknown": "unknown"}
"""What an answer of ours says came of the request, by whether it was sent."""


EARLY = "early"
"""Said of a write that is still under way, which may be before its first byte; the header says `unknown`."""


@lru_cache(maxsize=64)
def happened(dispatched: str, title: str) -> str:
    """
    Return the first sentence of an answer of ours: whether anything happened at the upstream.
    """
    return {
        "no": f"Nothing was sent to {title}.",
        "yes": f"The request WAS sent to {title}.",
        "unknown": f"The request WAS sent to {title}; we do not know if it took effect.",
        EARLY: f"The request may have been sent to {title}; we do not know yet if it took effect.",
    }[dispatched]


def refusal(refuse: Refuse, call: str, dialect: Dialect | None, *, dispatched: str = "no") -> Whole:
    """
    Say no, or that we do not know, in the API's own error shape; without a dialect, as problem+json.
    """
    title = dialect.title if dialect else "the upstream"
    status = STATUS[refuse.reason]
    sentences = (happened(dispatched, title), refuse.detail, SENTENCES[refuse.reason])
    dispatched = "unknown" if dispatched == EARLY else dispatched
    outcome = _DENIED[dispatched]
    if refuse.reason in PARKED and SUGGESTION in dict(refuse.details):
        outcome = SUGGESTED
    details = {"reason": str(refuse.reason), "call": call, "dispatched": dispatched}
    details.update(refuse.details)
    message = " ".join(filter(None, sentences))
    media_type, body = render_error(dialect, status, str(refuse.reason), message, details)
    headers = [("content-type", media_type), *marks(call, outcome, dispatched, f"{refuse.gate}:{refuse.reason}")]
    for name, value in refuse.details:
        if name in {INTENT, SUGGESTION}:
            headers.append((f"breakwater-{name}", value))
    if dialect and refuse.reason not in RESENT:
        for name, value in dialect.refusal_headers.items():
            headers.append((name.lower(), value))
    if refuse.reason in RETRY_AFTER_S:
        headers.append(("retry-after", str(_retry_after_s(refuse, call))))
    return Whole(status, tuple(headers), orjson.dumps(body))


def _retry_after_s(refuse: Refuse, call: str) -> int:
    told_ms = dict(refuse.details).get("retry_after_ms")
    at_least = 0 if told_ms is None else -(-int(told_ms) // 1000)
    return max(at_least, _jittered(RETRY_AFTER_S[refuse.reason], call))


def _jittered(at_most: int, call: str) -> int:
    # Callers that were refused together do not come back together: a call's id ends in randomness.
    return 1 + sum(call[-4:].encode()) % at_most


def written(call: str, outcome: Outcome, dialect: Dialect, url: str = "") -> Whole:
    """
    Return what the agent is told about a write that was dispatched, or could not be.

    An upstream's answer passes as it came where it says what happened; where it leaves doubt, 424 says so.
    """
    if outcome.applied is Applied.UNKNOWN:
        details = ((INTENT, call), ("state", "unknown"), ("upstream_status", str(outcome.status or "none")))
        doubt = Refuse(Reason.OUTCOME_UNKNOWN, "forward", "An operator has it on record.", details)
        return refusal(doubt, call, dialect, dispatched="unknown")
    if outcome.status is None:
        return unsent(call, outcome.fault, dialect)
    if outcome.fault is not None and outcome.applied is Applied.APPLIED:
        detail = f"{dialect.title} answered {outcome.status}, but the rest of its answer could not be kept."
        return refusal(Refuse(Reason.ANSWER_NOT_KEPT, "forward", detail), call, dialect, dispatched="yes")
    if outcome.fault is not None:
        detail = f"{dialect.title} refused it; the rest of its answer could not be read."
        return not_carried_out(call, outcome, dialect, "upstream-refused", detail)
    if outcome.status == 401:  # the field's own number
        return credential_refused(call, outcome, dialect)
    shown = [pair for pair in outcome.headers if pair[0] != GIVEN_AGAIN]
    return Whole(outcome.status, (*shown, *_executed(call)), outcome.body, url=url)


_TURN_LOST: Mapping[Fault | None, str] = MappingProxyType(
    {
        Fault.LATE: "It could not leave in time after it was recorded, and was not sent late.",
        Fault.LOST: "It lost its turn before it left.",
    }
)


def unsent(call: str, fault: Fault | None, dialect: Dialect) -> Whole:
    """
    Say that nothing could be sent: the upstream was out of reach, or writes were stopped at the last moment.
    """
    if fault is Fault.STOPPED:
        return refusal(Refuse(Reason.KILLED, "kill", "It was stopped before it left."), call, dialect)
    if fault is Fault.UNASKED:
        detail = "Nobody could be asked any more whether it may leave."
        return refusal(Refuse(Reason.STORE_UNAVAILABLE, "store", detail), call, dialect)
    if fault in _TURN_LOST:
        return refusal(Refuse(Reason.UNSETTLED_STATE, "forward", _TURN_LOST[fault]), call, dialect)
    detail = f"No connection to {dialect.title} could be made ({fault})."
    return refusal(Refuse(Reason.UPSTREAM_UNREACHABLE, "forward", detail), call, dialect)


def read_failed(call: str, outcome: Outcome, dialect: Dialect) -> Whole:
    """
    Say that a read brought no answer that could be passed on.
    """
    if outcome.status == 401 and outcome.fault is None:  # the field's own number
        return credential_refused(call, outcome, dialect)
    if outcome.sent is Sent.NO:
        return unsent(call, outcome.fault, dialect)
    if outcome.fault is Fault.TOO_LARGE:
        detail = f"{dialect.title}'s answer to this read is larger than is read whole here."
        return refusal(Refuse(Reason.ANSWER_TOO_LARGE, "forward", detail), call, dialect, dispatched="yes")
    late = outcome.fault is Fault.TIMEOUT
    reason = Reason.UPSTREAM_TIMEOUT if late else Reason.UPSTREAM_MALFORMED
    detail = f"{dialect.title} did not give a whole answer to this read ({outcome.fault})."
    return refusal(Refuse(reason, "forward", detail), call, dialect, dispatched="yes")


def credential_refused(call: str, outcome: Outcome, dialect: Dialect) -> Whole:
    """
    Pass an upstream's 401 on in its shape, with a message that cannot be taken for a verdict on the agent's key.
    """
    detail = f"{dialect.title} refused Breakwater's own credential. Your key is fine; tell the operator."
    return not_carried_out(call, outcome, dialect, "upstream-credential-refused", detail)


def not_carried_out(call: str, outcome: Outcome, dialect: Dialect, code: str, detail: str) -> Whole:
    """
    Pass an upstream's refusal on under its own status, in words of ours.
    """
    status = outcome.status or 502
    message = f"The request WAS sent to {dialect.title} and not carried out. {detail}"
    details = {"reason": code, "call": call, "dispatched": "yes"}
    media_type, body = render_error(dialect, status, code, message, details)
    return Whole(status, (("content-type", media_type), *_executed(call)), orjson.dumps(body))


def read_headers(call: str, outcome_headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """
    Return the headers of a read's answer that is passed on.
    """
    return (*outcome_headers, *_executed(call))


def _executed(call: str) -> tuple[tuple[str, str], ...]:
    return marks(call, "executed", "yes", f"forward:{ALLOWED}")
