"""A request read back from the document that was kept of it: the inverse of `document`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breakers.call import Body, Form, Json, Multipart, Opaque, Part, Request

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """
    A request as it is on record, what left with it, and the agent's own key; `left_out` names what was not kept of it.

    `opener` opens the commitment to the bytes that left, where nothing was left out.
    """

    request: Request
    sent_headers: Pairs = ()
    key: str | None = None
    left_out: tuple[str, ...] = ()
    opener: bytes | None = None


def restored(data: bytes) -> Restored:
    """
    Return what a sealed request document says.

    Raise `ValueError` where it is none.
    """
    try:
        return _restored(json.loads(data))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is no document of a request") from error


def _restored(said: Mapping[str, Any]) -> Restored:
    request = Request(
        base=said["base"],
        method=said["method"],
        segments=tuple(said.get("segments", ())),
        query=_pairs(said.get("query", ())),
        headers=_pairs(said.get("headers", ())),
        media_type=said.get("media_type"),
        body=_body(said.get("body")),
        dropped=tuple(said.get("dropped", ())),
        redirecting=_pairs(said.get("redirecting", ())),
    )
    opener = said.get("wire_opener")
    return Restored(
        request,
        _pairs(said.get("sent_headers", ())),
        said.get("key"),
        tuple(said.get("left_out", ())),
        bytes.fromhex(opener) if opener is not None else None,
    )


def _body(said: Mapping[str, Any] | None) -> Body:
    match said:
        case None:
            return None
        case {"form": pairs}:
            return Form(_pairs(pairs))
        case {"json": value}:
            return Json(value)
        case {"parts": parts}:
            return Multipart(tuple(_part(part) for part in parts))
        case {"bytes": data}:
            return Opaque(base64.b64decode(data))
        case _:
            raise ValueError("this is no body of a request")


def _part(said: Mapping[str, Any]) -> Part:
    return Part(said["name"], said["filename"], said["type"], base64.b64decode(said["data"]))


def _pairs(said: Sequence[Sequence[str]]) -> Pairs:
    return tuple((name, value) for name, value in said)
