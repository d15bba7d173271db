"""
The nouns that every judgement is about: who calls, what the request says, which operation it is, how it ended.

A `Request` is the canonical form: what was judged, and the only thing that bytes for an upstream are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from breakers.caveats import Caveat
from breakers.known import Names
from breakers.noun import noun
from breakers.suggestion import Grant
from breakers.task import Task
from config.catalog import Effect, OperationSpec, Place


@noun
class Caller:
    """
    The principal behind a call: the agent, the id of the key that it showed, the task that the call belongs to.

    `named` tells whether the call itself named its task; the task of a day is nobody's choice. `opened` is the record
    of an opened one. Of a token, `key_id` is its id, `tokens` are the ids of every stage of its narrowing, its own the
    first, and `caveats` all that must hold, its task, agent and time the first; both in their order.
    """

    agent: str
    key_id: str
    task: str
    named: bool = False
    opened: Task | None = None
    tokens: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()

    def under(self, opened: Task | None) -> Caller:
        """
        Return the caller with the record of its task.
        """
        # Written out in full, as below: each call of an opened task is asked for it.
        return Caller(self.agent, self.key_id, self.task, self.named, opened, self.tokens, self.caveats)


@noun
class Form:
    """
    A form body: decoded names and values, in the order in which they came.
    """

    pairs: tuple[tuple[str, str], ...]


@noun
class Json:
    """
    A JSON body, parsed strictly; it is sent as the canonical text of `value`.
    """

    value: object


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of a multipart body; `filename` is None for a plain field.
    """

    name: str
    filename: str | None
    media_type: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Multipart:
    """
    A multipart/form-data body; the boundary is ours and is not part of its meaning.
    """

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """
    A body that nobody here reads into: it is sent as the bytes that came.
    """

    data: bytes


Body = Form | Json | Multipart | Opaque | None


@noun
class Request:
    """
    A request in canonical form: decoded, bounded, with one meaning.

    `segments` and `query` are decoded text; `headers` holds only those that will be forwarded, lower-case and sorted;
    `dropped` names the others that came; `redirecting` holds, of those forwarded, the ones that choose whose object is
    touched.
    """

    base: str
    method: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str | None = None
    body: Body = None
    dropped: tuple[str, ...] = ()
    redirecting: tuple[tuple[str, str], ...] = ()


@noun
class Operation:
    """
    An operation that was recognised, with its typed arguments by (place, name).

    `mistyped` names declared arguments whose value has another type (their value stays as it came), `undeclared` those
    that the operation does not declare; both are spelled `place.name`, a declared name exactly as declared. Both are
    complete, because rules are judged by them: whoever records or shows them sets the bound.
    """

    spec: OperationSpec
    arguments: Mapping[tuple[Place, str], object]
    mistyped: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    writes: bool = field(init=False, compare=False, repr=False)
    """Whether success changes something."""
    _objects: tuple[tuple[str, str], ...] | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "writes", self.spec.effect is not Effect.READ)

    def naming(self, find: Callable[[Operation], tuple[tuple[str, str], ...]]) -> tuple[tuple[str, str], ...]:
        """
        Return the objects that it names, as `find` finds them; once, because the road asks for them several times.
        """
        if self._objects is None:
            object.__setattr__(self, "_objects", find(self))
        return self._objects or ()


@noun
class Call:
    """
    One HTTP request to us, identified and recognised.

    `api` is the configured API account, `idempotency_key` the agent's own, `deadline_ms` how long its caller waits.
    `door` is the door that the call came through, `way` by what its caller named it. `duplicate` says that a repeat is
    meant, `again` that it is a re-send by its client; `names` is under what a write can be found again. `wait_s` is how
    long its caller waits for an approver, `responds` that it takes 202 for a write that is parked. `grant` is what an
    approver said of it: only the execution of a suggestion has one.
    """

    id: str
    at: datetime
    api: str
    caller: Caller
    operation: Operation
    request: Request
    idempotency_key: str | None = None
    deadline_ms: int = 12_000
    trace: str | None = None
    door: str = ""
    way: str = ""
    duplicate: bool = False
    again: bool = False
    names: Names | None = None
    wait_s: int = 0
    responds: bool = False
    grant: Grant | None = None

    def named(self, names: Names | None) -> Call:
        """
        Return the call with its names.
        """
        # Written out in full: `replace` takes five times as long, and this is on the road of every write.
        return Call(
            self.id,
            self.at,
            self.api,
            self.caller,
            self.operation,
            self.request,
            self.idempotency_key,
            self.deadline_ms,
            self.trace,
            self.door,
            self.way,
            self.duplicate,
            self.again,
            names,
            self.wait_s,
            self.responds,
            self.grant,
        )


class Applied(StrEnum):
    """
    Whether an upstream's state changed. Drives money, the record of a repeat, the ledger.
    """

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """
    What a result says about the upstream. Drives the breakers.
    """

    OK = "ok"
    FAIL = "fail"
    FAIL_LOCAL = "fail_local"
    THROTTLE = "throttle"
    IGNORE = "ignore"


class Retry(StrEnum):
    """
    Whether the same request may be sent again by us.
    """

    NEVER = "never"
    SAME_KEY_ONLY = "same_key_only"
    SAFE = "safe"


class Sent(StrEnum):
    """
    Whether any byte of the request left this process.
    """

    YES = "yes"
    NO = "no"


class Fault(StrEnum):
    """
    How an exchange with an upstream broke, where it did not end in a whole answer.
    """

    REFUSED_ADDRESS = "refused-address"
    UNRESOLVED = "unresolved"
    CONNECT = "connect"
    TLS = "tls"
    STOPPED = "stopped"
    RESET = "reset"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TOO_LARGE = "too-large"
    ABANDONED = "abandoned"
    LATE = "late"
    LOST = "lost"
    UNASKED = "unasked"


@noun
class Outcome:
    """
    How one dispatched call ended: three independent verdicts, and what the upstream said.

    `headers` are those of the upstream's answer that may be shown, `body` is whole for a write and empty for a read
    that was streamed; `body_bytes` counts what came either way. `status` is None where no answer came.
    """

    applied: Applied
    health: Health
    retry: Retry
    sent: Sent
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    body_bytes: int = 0
    upstream_us: int = 0
    attempts: int = 1
    request_id: str | None = None
    fault: Fault | None = None
