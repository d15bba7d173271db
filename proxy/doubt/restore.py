"""
The answer of a write that was found to have taken effect, put together again from the object that it made or changed.

It is not the answer that was lost: nobody has that. It is what the API shows of the object, under the status that such
a write answers with, so that a client that reads it goes on as if the first answer had come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from breakers.call import Outcome
from config.catalog import Before, OperationSpec
from proxy.paths import pointer_names

_JSON = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer that a repeat of the write may be given.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def object_answer(spec: OperationSpec, shown: bytes | None, deletion: Mapping[str, object]) -> Answer:
    """
    Return the answer of a write whose object is shown like this; None is an object that is gone.

    `deletion` are the members of an answer to a deletion, where it has any: some clients must have something to parse.
    """
    if shown is None:
        return Answer(200, _JSON, orjson.dumps(dict(deletion))) if deletion else Answer(204, (), b"")
    makes = spec.find is not None or not spec.touches or spec.touches[0].before is Before.NONE
    created = spec.method == "POST" and makes
    return Answer(201 if created else 200, _JSON, _inside(spec, shown))


def vendor_answer(outcome: Outcome) -> Answer:
    """
    Return the answer that a vendor gave to the same request under the same key.
    """
    return Answer(outcome.status or 0, outcome.headers, outcome.body)


def _inside(spec: OperationSpec, shown: bytes) -> bytes:
    """
    Return the object where the write's own answer has it.
    """
    pointer = spec.touches[0].pointer if spec.touches else ""
    for name in reversed(pointer_names(pointer)):
        shown = b"[" + shown + b"]" if name.isdigit() else b"{" + orjson.dumps(name) + b":" + shown + b"}"
    return shown
