"""A record before it has a place in the log; the log adds index, time and the links of its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime

import orjson

from breakers.noun import noun
from proxy.ledger import profile
from proxy.ledger.blobs import Payload

SYSTEM_TASK = "system"
"""The task of records that belong to the log itself and to operators."""

DISK_FULL = "disk-full"
"""Why a log was closed whose last records may be lost: of those that nobody waits for, where there was no room."""

NAME_LENGTH_MAX = 512
"""Of a task, a call or an agent: an entry that kept only its names and commitments always fits."""


@noun
class Part:
    """
    One payload of a record: sealed beside it, committed to in it under `name`, with `more` next to the commitment.
    """

    name: str
    payload: Payload
    more: Mapping[str, object] = field(default_factory=dict)


@noun
class Draft:
    """
    A record that has no place in the log yet.
    """

    kind: str
    task: str
    fields: Mapping[str, object]
    call: str | None = None
    actor: Mapping[str, object] | None = None
    trace: str | None = None
    parts: tuple[Part, ...] = ()


Record = Draft | Callable[[], Draft]
"""A draft, or what makes one in the thread that writes. It is made there of what is never changed once it is built, and
with caches that any thread may use, so that no lock is needed for it."""


def checked(record: Record) -> Draft:
    """
    Return a draft that can be written.

    Raise `ValueError` where it leaves the profile of entries or a name in it has no bound.
    """
    draft = record if isinstance(record, Draft) else record()
    parts = [part.more for part in draft.parts if part.more]
    profile.check((draft.task, draft.call, draft.actor, draft.trace, draft.fields, parts))
    for name in (draft.task, draft.call or "", *(draft.actor or {}).values()):
        if len(str(name)) > NAME_LENGTH_MAX:
            raise ValueError("a task, a call or an agent has too long a name")
    return draft


def stamp(at: datetime) -> str:
    """
    Spell a time: RFC 3339, UTC, microseconds.
    """
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    if utc.microsecond:
        # In a quarter of the time; where there are no microseconds it would leave them out.
        return orjson.dumps(utc, option=orjson.OPT_UTC_Z)[1:-1].decode()
    # The offset of UTC is spelled with six characters.
    return utc.isoformat("T", "microseconds")[:-6] + "Z"


def read_stamp(text: str) -> datetime:
    """
    Return the time that `stamp` spelled.
    """
    return datetime.fromisoformat(text)


def present(fields: Mapping[str, object]) -> dict[str, object]:
    """
    Return the fields that have a value.
    """
    return {name: value for name, value in fields.items() if value is not None}


def system(kind: str, /, **fields: object) -> Draft:
    """
    Return a record of the log itself or of an operator's act.
    """
    return Draft(kind, SYSTEM_TASK, present(fields))
