"""
What a write says, in one sequence of bytes: two writes are the same exactly where these are.

Version 1 holds, each behind its length so that no two requests run into one another: the agent, the task where the call
itself named one, the API account, the base and method, the path's segments, the query, the headers that select what is
done, the body's media type without parameters, the body. Pairs of a query and of a form are sorted by name and keep
their order within a name; members of JSON objects are sorted, and `1`, `1.0` and `"1"` are three values; text is
compared as it is, without Unicode normalisation. Parts of a multipart body stand in their order, without the boundary,
each by its digest; any other body is its bytes.

Left out is what may differ between a request and its repeat: the credential, the idempotency key, our own headers (none
is in a canonical request), and of those that leave, what only says who asks and in which form the answer is wanted.

A version that records were made under never changes: a new algorithm gets a new number beside the old one, and a record
is compared under its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from operator import itemgetter
from types import MappingProxyType

import orjson

from breakers.call import Body, Call, Form, Json, Multipart, Opaque, Part

Canonical = Callable[[Call], bytes]

# A trace is new with every attempt; the others choose how an answer is shown, and a client may word them as it likes.
_WITHOUT_EFFECT = frozenset({"accept", "accept-language", "range", "traceparent", "tracestate", "user-agent"})

_by_name = itemgetter(0)

# Nearly every text of a request is shorter than this; to spell a number anew takes twice as long.
_SPELLED = tuple(map(str, range(256)))


def framed(texts: list[str]) -> bytes:
    """
    Return texts as bytes from which they could be read back: every length first, then all of them.
    """
    try:
        lengths = ",".join(map(_SPELLED.__getitem__, map(len, texts)))
    except IndexError:
        lengths = ",".join(map(str, map(len, texts)))
    return f"{lengths};{''.join(texts)}".encode("utf-8", "surrogatepass")


def canonical_1(call: Call) -> bytes:
    """
    Return what a write says, in version 1.
    """
    request, caller = call.request, call.caller
    media_type = (request.media_type or "").partition(";")[0]
    texts = [caller.agent, f"+{caller.task}" if caller.named else "-", call.api, request.base, request.method]
    texts += (str(len(request.segments)), *request.segments)
    query = sorted(request.query, key=_by_name) if request.query else ()
    selecting = [pair for pair in request.headers if pair[0] not in _WITHOUT_EFFECT]
    for pairs in (query, selecting, request.redirecting):
        texts.append(str(2 * len(pairs)))
        for pair in pairs:
            texts += pair
    kind, body = _body(request.body)
    texts += (media_type, kind)
    return framed(texts) + body


def _body(body: Body) -> tuple[str, bytes]:
    match body:
        case None:
            return "none", b""
        case Form(pairs):
            return "form", framed([text for pair in sorted(pairs, key=_by_name) for text in pair])
        case Json(value):
            return "json", orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        case Multipart(parts):
            return "multipart", framed([text for part in parts for text in _part(part)])
        case Opaque(data):
            return "opaque", data


def _part(part: Part) -> tuple[str, ...]:
    return (part.name, _optional(part.filename), _optional(part.media_type), sha256(part.data).hexdigest())


def _optional(text: str | None) -> str:
    return "-" if text is None else f"+{text}"


CANONICAL: Mapping[int, Canonical] = MappingProxyType({1: canonical_1})
"""Every version that is still read; the highest is the one that new records get."""
