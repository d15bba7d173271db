"""A request's body in the shape that its operation declares for its media type, or a refusal."""

from __future__ import annotations

from itertools import chain

from breakers.call import Body, Form, Json, Multipart, Opaque
from breakers.verdict import Reason
from config.catalog import Content, OperationSpec
from proxy.canonical.credentials import holds_key
from proxy.canonical.forms import encode_form, parse_form
from proxy.canonical.heads import Head
from proxy.canonical.jsons import encode_json, parse_json
from proxy.canonical.media import MediaType
from proxy.canonical.multiparts import encode_multipart, parse_multipart
from proxy.errors import Refused

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"

# The key under which a catalogue says that an operation takes any bytes.
_ANYTHING = "*/*"


def admit_body(spec: OperationSpec, head: Head) -> None:
    """
    Refuse, from the head alone, a body that the operation cannot take; nothing of it need be read.
    """
    if head.announces_body:
        _shape(spec, head.media)


def parse_body(spec: OperationSpec, head: Head, data: bytes) -> tuple[str | None, Body]:
    """
    Parse a body as its operation declares it; the media type returned is the one to send, without a boundary.

    No bytes are no body, whatever the head says about their type: SDKs name one on every request.
    """
    if not data:
        return None, None
    media, content = _shape(spec, head.media)
    match content:
        case Content.FORM:
            return media.essence, Form(parse_form(data))
        case Content.JSON:
            return media.essence, Json(parse_json(data))
        case Content.MULTIPART if media.boundary is not None:
            return media.essence, parse_multipart(data, media.boundary)
        case Content.MULTIPART:
            raise Refused(Reason.MEDIA_TYPE_UNSUPPORTED, "The Content-Type of the multipart body names no boundary.")
        case _:
            return media.spelled, Opaque(data)


def refuse_key(data: bytes, body: Body) -> None:
    """
    Refuse a body that holds an agent's key in any spelling: it would be sent to the API.
    """
    said = data.decode("latin-1")
    if isinstance(body, Form):
        # Decoded: a key that is not encoded is the same, and none goes over the end of a name or a value.
        said = "\n".join(chain.from_iterable(body.pairs))
    elif isinstance(body, Json) and "\\u" in said:
        said += encode_json(body.value).decode("latin-1")
    if holds_key(said):
        raise Refused(Reason.BODY_MALFORMED, "The body holds a Breakwater key, which would be sent to the API.")


def encode_body(body: Body, media_type: str | None, boundary: str) -> tuple[bytes, str | None]:
    """
    Return a body's bytes and its `Content-Type`; `boundary` is used by multipart bodies alone.
    """
    match body:
        case None:
            return b"", None
        case Form(pairs):
            return encode_form(pairs), media_type or _FORM
        case Json(value):
            return encode_json(value), media_type or _JSON
        case Multipart():
            return encode_multipart(body, boundary), f"multipart/form-data; boundary={boundary}"
        case Opaque(data):
            return data, media_type


def _shape(spec: OperationSpec, media: MediaType | None) -> tuple[MediaType, Content]:
    content = None if media is None else spec.contents.get(media.essence) or spec.contents.get(_ANYTHING)
    if media is None or content is None or content is Content.NONE:
        raise _unaccepted(spec, media)
    if content is Content.OPAQUE and media.essence.startswith("multipart/"):
        # Its boundary is part of the bytes, so it could not be sent under one of ours.
        raise Refused(Reason.MEDIA_TYPE_UNSUPPORTED, f"The operation `{spec.name}` takes no multipart body here.")
    return media, content


def _unaccepted(spec: OperationSpec, media: MediaType | None) -> Refused:
    if all(content is Content.NONE for content in spec.contents.values()):
        return Refused(Reason.BODY_MALFORMED, f"The operation `{spec.name}` takes no body.")
    if media is None:
        return Refused(Reason.MEDIA_TYPE_UNSUPPORTED, "The body has no Content-Type.")
    accepted = ", ".join(sorted(spec.contents))
    return Refused(Reason.MEDIA_TYPE_UNSUPPORTED, f"The operation `{spec.name}` takes {accepted}.")
