"""Bodies by their operation's declaration: the shape that it takes, or a refusal."""

from __future__ import annotations

import pytest

from breakers.call import Body, Form, Json, Multipart, Opaque, Part
from breakers.verdict import Reason
from config.catalog import NO_ARGUMENTS, Content, Effect, OperationSpec
from proxy.canonical.bodies import admit_body, encode_body, parse_body
from proxy.canonical.heads import Head, canonical_head
from tests.proxy.canonical.refusals import refused

FORM = {"application/x-www-form-urlencoded": Content.FORM}
JSON = {"application/json": Content.JSON, "application/json-patch+json": Content.JSON}
UPLOAD = {"multipart/form-data": Content.MULTIPART}
ANYTHING = {"*/*": Content.OPAQUE, "application/json": Content.JSON}
TEXT = {"text/plain": Content.OPAQUE}
NOTHING: dict[str, Content] = {}


def spec(contents: dict[str, Content]) -> OperationSpec:
    """
    Declare an operation by its bodies.
    """
    return OperationSpec("api", "things.create", "POST", "/things", "api", Effect.WRITE, contents, NO_ARGUMENTS)


def head(content_type: str | None, length: int) -> Head:
    """
    Read the head of a body of that type and length.
    """
    fields = [(b"Host", b"localhost"), (b"Content-Length", str(length).encode())]
    if content_type is not None:
        fields.append((b"Content-Type", content_type.encode()))
    return canonical_head("POST", (1, 1), tuple(fields))


PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\n'
ACCEPTED: list[tuple[dict[str, Content], str | None, bytes, str | None, Body]] = [
    (FORM, "application/x-www-form-urlencoded", b"a=1", "application/x-www-form-urlencoded", Form((("a", "1"),))),
    (
        FORM,
        "Application/X-WWW-Form-Urlencoded; charset=utf-8",
        b"a=1",
        "application/x-www-form-urlencoded",
        Form((("a", "1"),)),
    ),
    (JSON, "application/json;charset=UTF-8", b"[1]", "application/json", Json([1])),
    (JSON, "application/json-patch+json", b"[]", "application/json-patch+json", Json([])),
    (UPLOAD, "multipart/form-data; boundary=B", PART, "multipart/form-data", Multipart((Part("a", None, None, b"x"),))),
    (
        UPLOAD,
        'multipart/form-data; boundary="B"',
        PART,
        "multipart/form-data",
        Multipart((Part("a", None, None, b"x"),)),
    ),
    (ANYTHING, "image/png", b"\x89\0", "image/png", Opaque(b"\x89\0")),
    (ANYTHING, "application/json", b"1", "application/json", Json(1)),
    (TEXT, "text/plain; charset=UTF8", b"x", "text/plain; charset=utf-8", Opaque(b"x")),
    # no bytes are no body, whatever an SDK says about their type
    (FORM, None, b"", None, None),
    (JSON, "application/json", b"", None, None),
    (NOTHING, "application/json", b"", None, None),
    (NOTHING, None, b"", None, None),
]


@pytest.mark.parametrize(("contents", "content_type", "data", "media_type", "body"), ACCEPTED)
def test_accepted(
    contents: dict[str, Content], content_type: str | None, data: bytes, media_type: str | None, body: Body
) -> None:
    """A body of a declared type is read in its shape."""
    read = head(content_type, len(data))
    admit_body(spec(contents), read)
    assert parse_body(spec(contents), read, data) == (media_type, body)


# B18, A8, B21: the wrong type, no type, a body where none belongs.
REFUSED = [
    (FORM, "application/json", b'{"a":1}', Reason.MEDIA_TYPE_UNSUPPORTED),
    (JSON, "application/x-www-form-urlencoded", b"a=1", Reason.MEDIA_TYPE_UNSUPPORTED),
    (FORM, "text/plain", b"a=1", Reason.MEDIA_TYPE_UNSUPPORTED),
    (FORM, "multipart/form-data; boundary=B", PART, Reason.MEDIA_TYPE_UNSUPPORTED),
    (FORM, None, b"a=1", Reason.MEDIA_TYPE_UNSUPPORTED),
    (JSON, "application/graphql", b"{x}", Reason.MEDIA_TYPE_UNSUPPORTED),
    (JSON, "application/vnd.api+json", b"{}", Reason.MEDIA_TYPE_UNSUPPORTED),
    (UPLOAD, "multipart/mixed", PART, Reason.MEDIA_TYPE_UNSUPPORTED),
    (ANYTHING, "multipart/form-data; boundary=B", PART, Reason.MEDIA_TYPE_UNSUPPORTED),
    ({"": Content.NONE}, "application/json", b"{}", Reason.BODY_MALFORMED),
    (NOTHING, "application/json", b"{}", Reason.BODY_MALFORMED),
    (NOTHING, None, b"x", Reason.BODY_MALFORMED),
]


@pytest.mark.parametrize(("contents", "content_type", "data", "reason"), REFUSED)
def test_refused(contents: dict[str, Content], content_type: str | None, data: bytes, reason: Reason) -> None:
    """A body of another type is refused from its head alone, and again when it is there."""
    with refused(reason):
        admit_body(spec(contents), head(content_type, len(data)))
    with refused(reason):
        parse_body(spec(contents), head(content_type, len(data)), data)


def test_no_boundary() -> None:
    """A multipart body whose type names no boundary cannot be read."""
    with refused(Reason.MEDIA_TYPE_UNSUPPORTED):
        parse_body(spec(UPLOAD), head("multipart/form-data", len(PART)), PART)


@pytest.mark.parametrize(
    ("contents", "content_type", "data"),
    [
        (FORM, "application/x-www-form-urlencoded", b'{"a":1}'),
        (JSON, "application/json", b"a=1"),
        (JSON, "application/json", b"{}{}"),
    ],
)
def test_mislabelled(contents: dict[str, Content], content_type: str, data: bytes) -> None:
    """A body that is not what it calls itself is malformed."""
    with refused(Reason.BODY_MALFORMED):
        parse_body(spec(contents), head(content_type, len(data)), data)


@pytest.mark.parametrize(
    ("body", "media_type", "sent"),
    [
        (None, None, (b"", None)),
        (Form((("a[b]", "1 2"),)), None, (b"a%5Bb%5D=1%202", "application/x-www-form-urlencoded")),
        (Json({"a": 1}), "application/json-patch+json", (b'{"a":1}', "application/json-patch+json")),
        (Json(None), None, (b"null", "application/json")),
        (Multipart((Part("a", None, None, b"x"),)), None, (PART, "multipart/form-data; boundary=B")),
        (Opaque(b"x"), "text/plain; charset=utf-8", (b"x", "text/plain; charset=utf-8")),
    ],
)
def test_sent(body: Body, media_type: str | None, sent: tuple[bytes, str | None]) -> None:
    """What is sent is generated from the body, under the type that announces it."""
    assert encode_body(body, media_type, "B") == sent
