"""
A parked write as data: why it was parked, how it stands, and what an approver's word is good for.

| from | to | by |
|---|---|---|
| (absent) | `open` | a write that something parks |
| `open` | `open` | an edit; another policy, by which it was judged anew |
| `open` | `approved`, `rejected`, `expired`, `void` | an approver; its time; what it was shown for is no more |
| `approved` | `executing` | reserve, in the step that takes everything else; what was approved is what is sent |
| `approved` | `open`, `expired`, `void` | what else parks it, or shows; its time; policy, task or object moved |
| `executing` | `executed`, `approved` | its end is on record; it was let go before anything was on record of it |

Nothing leads out of `executed`, `rejected`, `expired` and `void`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Cause(StrEnum):
    """
    What parks a write.
    """

    BREAKER = "breaker"
    TIER = "tier"
    KILL = "kill"
    APPROVAL = "approval"
    DUPLICATE = "duplicate"
    LOOP = "loop"
    TOKEN = "token"  # noqa: S105 a cause's name
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Park:
    """
    One reason to park a write. A grant answers it where it lists the same `cause` and `about` (a breaker's key, a
    rule's pattern, a scope, what was done before and by which call: bounded, stable); `detail` says it in a sentence.

    `by` is the role that may approve it, `within_s` how long that may take; `waits` tells that an approver is awaited,
    and not only that somebody may look.
    """

    cause: Cause
    about: str
    detail: str
    by: str = "approver"
    within_s: float | None = None
    waits: bool = False

    @property
    def id(self) -> str:
        """
        Return what a grant lists.
        """
        return f"{self.cause}:{self.about}"


class Stage(StrEnum):
    """
    How a suggestion stands.
    """

    OPEN = "open"
    APPROVED = "approved"
    EXECUTING = "executing"
    EXECUTED = "executed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"


LIVE = frozenset({Stage.OPEN, Stage.APPROVED, Stage.EXECUTING})


@dataclass(frozen=True, slots=True)
class Grant:
    """
    An approver's word, once: for one suggestion as it was shown (`digest`), answering the reasons of these ids.
    """

    suggestion: str
    digest: str
    answers: frozenset[str]
    by: str = ""


@dataclass(frozen=True, slots=True)
class Suggested:
    """
    How one suggestion stands, as every process knows it; what it would send is on record at `place`.

    `fingerprint` is what the parked write says and `key` its agent's own, both as names of it; `digest` is of exactly
    what an approver is shown. `answers` are the ids of the reasons that parked it, `roles` who has to be asked for
    them. `version` grows with every change, `why` says what ended it, `by` who decided, `intent` what it was sent as.
    """

    id: str
    agent: str
    task: str
    api: str
    operation: str
    fingerprint: str
    at: datetime
    expires: datetime
    digest: str
    answers: tuple[str, ...]
    key: str | None = None
    roles: tuple[str, ...] = ("approver",)
    stage: Stage = Stage.OPEN
    version: int = 0
    changed_at: datetime | None = None
    by: str = ""
    why: str = ""
    intent: str = ""
    place: str = ""
    waits: bool = False
    shadow: bool = False
