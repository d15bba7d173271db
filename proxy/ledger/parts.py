"""Answers as the parts of a record: what of a body and of headers is kept, and what an entry says beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

import orjson

from breakers.call import Outcome
from proxy.ledger.blobs import Digest, Kept, Payload
from proxy.ledger.document import LeftOut
from proxy.ledger.drafts import Part

_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]{1,128}")

OURS = ("breakwater-", "idempotent-replayed")
"""How the names of headers begin that say something of one answer only: they are never given again."""

Headers = tuple[tuple[str, str], ...]


class Shown(Protocol):
    """
    A whole answer that an agent is shown.
    """

    @property
    def status(self) -> int:
        """
        Return its status.
        """

    @property
    def headers(self) -> Headers:
        """
        Return its headers.
        """

    @property
    def body(self) -> bytes:
        """
        Return its body.
        """


def plain(text: str | None) -> str | None:
    """
    Return what is not our word where it looks like an id or a media type; nothing else of that enters an entry.
    """
    return text if text is not None and _PLAIN.fullmatch(text) else None


@lru_cache(maxsize=256)
def essence(media_type: str | None) -> str | None:
    """
    Return a media type without its parameters.
    """
    return plain(media_type.partition(";")[0].strip().lower()) if media_type else None


def media_type_of(headers: Headers) -> str | None:
    """
    Return the media type that headers name.
    """
    for name, value in headers:
        if name.lower() == "content-type":
            return value
    return None


def kept(body: bytes, kept_max: int) -> Payload:
    """
    Return a body as a payload: itself, or where it is larger than `kept_max` its length and digest.
    """
    return Kept(body) if len(body) <= kept_max else Digest(len(body), sha256(body).digest())


def came(outcome: Outcome) -> dict[str, object]:
    """
    Return how much came of an answer, where what was too large to keep was not kept.
    """
    return {"came": outcome.body_bytes} if outcome.body_bytes != len(outcome.body) else {}


def answer_part(
    name: str, never_store: tuple[str, ...], payload: Payload, media_type: str | None, more: Mapping[str, object]
) -> Part:
    """
    Return the part of an answer, without what is never stored.
    """
    said = dict(more)
    if isinstance(payload, Kept) and (without := LeftOut(never_store).text(payload.data)) is not payload.data:
        payload, said["cut"] = Kept(without), True
    if (kind := essence(media_type)) is not None:
        said["ct"] = kind
    return Part(name, payload, said)


def head_part(headers: Headers) -> Part:
    """
    Return the headers that an answer was shown with, as far as they may be shown again.
    """
    again = [pair for pair in headers if not pair[0].lower().startswith(OURS)]
    return Part("head", Kept(orjson.dumps(again)))


def read_head(data: bytes) -> Headers:
    """
    Return the headers that `head_part` kept.
    """
    return tuple((str(name), str(value)) for name, value in orjson.loads(data))
