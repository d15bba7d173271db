"""
What a judgement can say: forward it, refuse it, or ask for a read first; and every reason with its sentence.

A reason is stable, kebab-case and promised to callers; its sentence is for people and models and may be improved. The
reasons up to `ARGUMENT_UNDECLARED` belong to the edge (the request never became a call); the rest judge a call or
report how it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from breakers.breaker import Wish
from breakers.call import Call
from breakers.facts import Facts, Fetch
from breakers.known import Earlier
from breakers.noun import noun
from breakers.spend import Charge
from breakers.suggestion import Park, Suggested
from config.catalog import Subject, Touch


class Reason(StrEnum):
    """
    Why a call was not forwarded, or why its answer is ours and not the upstream's.
    """

    # the protocol's edge
    HEAD_MALFORMED = "head-malformed"
    TARGET_MALFORMED = "target-malformed"
    QUERY_MALFORMED = "query-malformed"
    BODY_MALFORMED = "body-malformed"
    VERSION_UNSUPPORTED = "version-unsupported"
    DOOR_UNKNOWN = "door-unknown"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    EXPECTATION_FAILED = "expectation-failed"
    HEAD_TOO_LARGE = "head-too-large"
    BODY_TOO_LARGE = "body-too-large"
    BODY_TOO_SLOW = "body-too-slow"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    KEY_MISSING = "key-missing"
    KEY_UNKNOWN = "key-unknown"
    KEYS_CONFLICT = "keys-conflict"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 a reason's name
    TASK_UNKNOWN = "task-unknown"
    TASK_CLOSED = "task-closed"
    IDEMPOTENCY_KEY_MALFORMED = "idempotency-key-malformed"
    ARGUMENT_MISTYPED = "argument-mistyped"
    ARGUMENT_UNDECLARED = "argument-undeclared"
    # judgement
    OPERATION_UNKNOWN = "operation-unknown"
    NOT_ALLOWED = "not-allowed"
    LIMIT_EXCEEDED = "limit-exceeded"
    AMOUNT_UNBOUNDED = "amount-unbounded"
    TOKEN_NARROWED = "token-narrowed"  # noqa: S105 a reason's name
    TASK_REQUIRED = "task-required"
    CONDITION_REFUSED = "condition-refused"
    LOOP_DETECTED = "loop-detected"
    BUDGET_EXHAUSTED = "budget-exhausted"
    KILLED = "killed"
    DUPLICATE_SUSPECTED = "duplicate-suspected"
    SUGGEST_ONLY = "suggest-only"
    APPROVAL_PENDING = "approval-pending"
    NOT_APPROVED = "not-approved"
    UPSTREAM_FAILING = "upstream-failing"
    UPSTREAM_THROTTLED = "upstream-throttled"
    IDEMPOTENCY_KEY_MISSING = "idempotency-key-missing"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    IDEMPOTENCY_IN_FLIGHT = "idempotency-in-flight"
    BEFORE_MISSING = "before-missing"
    UNSETTLED_STATE = "unsettled-state"
    # how it ended
    OUTCOME_UNKNOWN = "outcome-unknown"
    ANSWER_NOT_KEPT = "answer-not-kept"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    UPSTREAM_MALFORMED = "upstream-malformed"
    ANSWER_TOO_LARGE = "answer-too-large"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    STORE_UNAVAILABLE = "store-unavailable"
    STOPPING = "stopping"
    INTERNAL = "internal"


# Written for a person or a model that reads one error message: what it means, then what to do. None says whether
# anything was sent; the answer's first sentence does, and it knows.
SENTENCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.HEAD_MALFORMED: "The request's head has no single meaning; send it with an ordinary HTTP client.",
        Reason.TARGET_MALFORMED: (
            "The request's path has no single meaning; send it without dot or empty segments and with plain "
            "percent-encoding."
        ),
        Reason.QUERY_MALFORMED: "The request's query has no single meaning; send each parameter once, percent-encoded.",
        Reason.BODY_MALFORMED: (
            "The request's body does not parse with one meaning; send each member once, in the shape that its "
            "media type promises."
        ),
        Reason.VERSION_UNSUPPORTED: "This HTTP version is not spoken here; use HTTP/1.1.",
        Reason.DOOR_UNKNOWN: (
            "No API is configured for this host or path; check the base URL that the client was given."
        ),
        Reason.METHOD_NOT_ALLOWED: "This HTTP method is not forwarded; use a method that the API documents.",
        Reason.EXPECTATION_FAILED: (
            "This expectation is not supported; send the request without an Expect header other than 100-continue."
        ),
        Reason.HEAD_TOO_LARGE: "The request's head is larger than is accepted; send fewer or shorter headers.",
        Reason.BODY_TOO_LARGE: "The request's body is larger than this operation accepts here; send less at once.",
        Reason.BODY_TOO_SLOW: "The request's body did not arrive in time; send it again, faster or smaller.",
        Reason.MEDIA_TYPE_UNSUPPORTED: (
            "This operation does not take a body of this media type or encoding; use the one that the API "
            "documents, uncompressed."
        ),
        Reason.KEY_MISSING: "The request carries no Breakwater agent key; put it where the client puts its API key.",
        Reason.KEY_UNKNOWN: "This agent key is not known or was revoked; ask the operator for a new one.",
        Reason.KEYS_CONFLICT: (
            "The request carries more than one credential; send exactly one, the Breakwater agent key."
        ),
        Reason.TOKEN_EXPIRED: (
            "This task token is past its time, not valid yet, or was revoked; ask whoever opened the task for another."
        ),
        Reason.TASK_UNKNOWN: "No task of this agent has this id; name one that was opened for it, or name none.",
        Reason.TASK_CLOSED: "This task is over; nothing more is done under it. Ask for another task to be opened.",
        Reason.IDEMPOTENCY_KEY_MALFORMED: (
            "The idempotency key is empty, too long, repeated or not printable; send one of at most 255 printable "
            "characters."
        ),
        Reason.ARGUMENT_MISTYPED: (
            "An argument that a rule reads has another type than the operation declares; send it with its "
            "declared type."
        ),
        Reason.ARGUMENT_UNDECLARED: (
            "The request carries an argument that this operation does not declare, where none is accepted; leave "
            "it out."
        ),
        Reason.OPERATION_UNKNOWN: (
            "This method and path are no known operation of this API; check them against the API's reference."
        ),
        Reason.NOT_ALLOWED: (
            "This agent's card does not allow this; do something else, or ask the agent's owner to allow it. "
            "Repeating the request will not help."
        ),
        Reason.LIMIT_EXCEEDED: (
            "A value is outside the limit that this agent's card sets; stay inside the limit, or ask the agent's "
            "owner to do this."
        ),
        Reason.AMOUNT_UNBOUNDED: (
            "There is no certain upper bound for the money that this would move; state the amount and name "
            "exactly one object that it concerns."
        ),
        Reason.TOKEN_NARROWED: (
            "The token that came with this request was narrowed so that it may not do this; do something else, or ask "
            "whoever gave you the token."
        ),
        Reason.TASK_REQUIRED: (
            "This operation is only done under a task that was opened for it; ask for one to be opened, and use its "
            "token."
        ),
        Reason.CONDITION_REFUSED: (
            "A condition on this agent's card does not hold for this request, or could not be checked; do something "
            "else, or ask the agent's owner."
        ),
        Reason.LOOP_DETECTED: (
            "This repeats what was done before without anything having changed; stop, look at the results you have, "
            "and do something else."
        ),
        Reason.BUDGET_EXHAUSTED: (
            "A cap on what this work may take is reached; stop, and tell the agent's owner what is left to do. Another "
            "key, task or form of the request does not change it."
        ),
        Reason.KILLED: (
            "An operator has stopped calls like this one; wait until a person lifts the stop, and do not try another "
            "way."
        ),
        Reason.DUPLICATE_SUSPECTED: (
            "This would do the same thing once more; use the result of the first call, and do not try it another way."
        ),
        Reason.SUGGEST_ONLY: (
            "The request is kept as a suggestion that a person may carry out; go on with something else, and do not "
            "try it another way. Repeating exactly this request asks how it stands."
        ),
        Reason.APPROVAL_PENDING: (
            "The request waits for a person's approval; go on with something else, and do not try it another way. "
            "Repeating exactly this request asks how it stands."
        ),
        Reason.NOT_APPROVED: (
            "A person was asked to approve exactly this request, and it was not approved; do something else, or ask "
            "the agent's owner. Repeating it does not ask again."
        ),
        Reason.UPSTREAM_FAILING: ("The API fails at the moment, and is left alone until it recovers; try again later."),
        Reason.UPSTREAM_THROTTLED: "The API has asked for fewer calls; wait as long as it says, then try again.",
        Reason.IDEMPOTENCY_KEY_MISSING: (
            "This operation needs an Idempotency-Key: send one that is new for each thing that you mean to do, and the "
            "same one when you repeat it."
        ),
        Reason.IDEMPOTENCY_KEY_REUSED: (
            "This idempotency key belongs to another request; repeat that one unchanged, or send this one under a new "
            "key."
        ),
        Reason.IDEMPOTENCY_IN_FLIGHT: (
            "The same request is still under way; wait, then repeat it unchanged under the same key: it is answered "
            "from the first and never sent twice."
        ),
        Reason.BEFORE_MISSING: (
            "What this would change has to be on record before it changes, and it could not be read; try again later."
        ),
        Reason.UNSETTLED_STATE: "The rules or the state changed while this request was judged; send it again.",
        Reason.OUTCOME_UNKNOWN: (
            "Whether the request took effect is not known; do not re-issue it in any other form, with or without a "
            "key. Repeating exactly this request asks how it ended, is answered from the first and sends nothing."
        ),
        Reason.ANSWER_NOT_KEPT: (
            "The request was answered, and its answer is not kept whole; read the object instead of repeating the "
            "write."
        ),
        Reason.UPSTREAM_UNREACHABLE: "The API could not be reached; try again later.",
        Reason.UPSTREAM_TIMEOUT: "The API did not answer in time; try again later.",
        Reason.UPSTREAM_MALFORMED: (
            "The API's answer could not be read; read the object to see its state before anything else, and tell "
            "an operator if it stays so."
        ),
        Reason.ANSWER_TOO_LARGE: (
            "The API's answer is too large to have its links put right; ask for less at once: a smaller page, fewer "
            "fields."
        ),
        Reason.LEDGER_UNAVAILABLE: (
            "The request cannot be recorded at the moment, and nothing passes unrecorded; try again later."
        ),
        Reason.STORE_UNAVAILABLE: (
            "The shared state that keeps writes from being repeated cannot be reached; try again in a moment."
        ),
        Reason.STOPPING: "Breakwater is shutting down; try again in a moment.",
        Reason.INTERNAL: "Breakwater failed in a way that it did not foresee; tell an operator the call's id.",
    }
)


@noun
class Refuse:
    """
    The call does not pass. `gate` names who says so, `detail` is one or two sentences for whoever reads the answer.

    `details` are further fields for the answer's body: short, bounded, and never a credential.
    """

    reason: Reason
    gate: str
    detail: str
    details: tuple[tuple[str, str], ...] = field(default=())


@noun
class Ask:
    """
    The call cannot be judged before these reads are answered; `wishes` are the permits without which none may be made.
    """

    reads: tuple[Subject | Touch | Fetch, ...]
    wishes: tuple[Wish, ...] = ()


class Again(StrEnum):
    """
    How a repeat of an earlier write is answered: with its answer, with its end once it has one, or that nobody knows.
    """

    REPLAY = "replay"
    JOIN = "join"
    UNKNOWN = "unknown"


@noun
class Repeat:
    """
    The call repeats an earlier write, and is answered from that; nothing is sent.
    """

    again: Again
    earlier: Earlier


@noun
class Forward:
    """
    The call may pass, as judged on these facts under this policy version. Only `decide` builds one.

    `rules` names the allow entries that let it pass, for the record; `amount_micros` and `currency` are what it moves
    where something had to know that. `flags` are what the record notes although it let the call pass. `charges` are
    what it takes of every cap above it, and `conditions` the names of those that were asked, each with what it said.
    `wishes` are what it needs of breakers, and `parked` the reasons to park it that its grant answers.
    """

    call: Call
    facts: Facts
    policy_version: str
    rules: tuple[str, ...]
    amount_micros: int | None = None
    currency: str | None = None
    flags: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    conditions: tuple[tuple[str, bool], ...] = ()
    wishes: tuple[Wish, ...] = ()
    parked: tuple[Park, ...] = ()


@noun
class Suggest:
    """
    The write is parked: nothing refuses it, and these reasons keep it from being sent. Nothing is taken for it.

    The other fields are as in `Forward`: what it would take and what was asked.
    """

    call: Call
    facts: Facts
    policy_version: str
    parked: tuple[Park, ...]
    rules: tuple[str, ...]
    amount_micros: int | None = None
    currency: str | None = None
    flags: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    conditions: tuple[tuple[str, bool], ...] = ()


@noun
class Pending:
    """
    The write is a suggestion already, or was one: it is answered from that.
    """

    suggested: Suggested


Verdict = Forward | Suggest | Pending | Refuse | Ask | Repeat
