"""Multipart bodies: named parts with one meaning, and one spelling."""

from __future__ import annotations

import email.parser
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Multipart, Part
from breakers.verdict import Reason
from proxy.canonical.multiparts import FIELD_BYTES_MAX, PARTS_MAX, encode_multipart, parse_multipart
from tests.proxy.canonical.refusals import refused


def part(disposition: str, data: bytes = b"x", *more: str) -> bytes:
    """
    Spell one part as a client does.
    """
    lines = [f"Content-Disposition: {disposition}", *more, "", ""]
    return b"--B\r\n" + "\r\n".join(lines).encode() + data + b"\r\n"


def field(name: str, data: bytes = b"x") -> bytes:
    """
    Spell one field.
    """
    return part(f'form-data; name="{name}"', data)


END = b"--B--\r\n"
MALFORMED = [
    b"",
    END,
    b"x" + field("a") + END,
    b"\r\n" + field("a") + END,
    field("a") + END + b"x",
    field("a") + END + field("b") + END,
    field("a"),
    field("a") + b"--B\r\n",
    field("a").replace(b"\r\n", b"\n") + END,
    # B19: duplicates, steering names, paths, too many parts, line ends in names
    field("a") + field("a") + END,
    field("a") + field("A") + END,
    field("a") + part('form-data; name="a"; filename="f"') + END,
    field("_charset_") + END,
    field("_method", b"DELETE") + END,
    part('form-data; name="f"; filename="../x"') + END,
    part('form-data; name="f"; filename="a/../x"') + END,
    part('form-data; name="f"; filename=".."') + END,
    part('form-data; name="f"; filename="a\\b"') + END,
    part('form-data; name="f"; filename="a/"') + END,
    part('form-data; name="f"; filename=""') + END,
    b"".join(field(f"f{n}") for n in range(PARTS_MAX + 1)) + END,
    field("a\r\nX: y") + END,
    field("a\rb") + END,
    field("a%0d%0ab") + END,
    field("a%22b") + END,
    field('a\\"b') + END,
    field("") + END,
    field("a", b"\xff") + END,
    field("a", b"\0") + END,
    field("a", b"x" * (FIELD_BYTES_MAX + 1)) + END,
    # dispositions that decoders read differently
    part("form-data") + END,
    part("form-data; name=a") + END,
    part('attachment; name="a"') + END,
    part('form-data; name="a"; name="b"') + END,
    part("form-data; name=\"a\"; filename*=UTF-8''b") + END,
    part('form-data; name="a"; filename="b"; filename*=UTF-8\'\'c') + END,
    part('form-data; filename="f"; name="a"') + END,
    # heads of parts
    part('form-data; name="a"', b"x", 'Content-Disposition: form-data; name="b"') + END,
    part('form-data; name="a"', b"x", "X-Custom: 1") + END,
    part('form-data; name="a"', b"eA==", "Content-Transfer-Encoding: base64") + END,
    part('form-data; name="a"', b"x", "Content-Type: multipart/mixed") + END,
    part('form-data; name="a"', b"x", "Content-Length: 2") + END,
    part('form-data; name="a"', b"x", " folded") + END,
    b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:60]))
def test_malformed_multiparts(data: bytes) -> None:
    """A body that two parsers may read differently is refused."""
    with refused(Reason.BODY_MALFORMED):
        parse_multipart(data, "B")


def test_part_charset() -> None:
    """A part in another charset than UTF-8 is refused."""
    data = part('form-data; name="a"', b"x", "Content-Type: text/plain; charset=utf-7") + END
    with refused(Reason.MEDIA_TYPE_UNSUPPORTED):
        parse_multipart(data, "B")


def test_stripe_upload() -> None:
    """What an SDK sends for an upload keeps its fields, and of the file's path the last piece."""
    data = (
        field("purpose", b"dispute_evidence")
        + field("file_link_data[create]", b"true")
        + part(
            'form-data; name="file"; filename="/home/me/é v1.png"',
            b"\x89PNG\r\n\x00--B",
            "Content-Type: application/octet-stream",
        )
        + END
    )
    body = parse_multipart(data, "B")
    assert body.parts == (
        Part("purpose", None, None, b"dispute_evidence"),
        Part("file_link_data[create]", None, None, b"true"),
        Part("file", "é v1.png", "application/octet-stream", b"\x89PNG\r\n\x00--B"),
    )


def test_boundary_in_data() -> None:
    """A boundary that occurs in the body is never used."""
    with pytest.raises(ValueError, match="boundary"):
        encode_multipart(Multipart((Part("a", None, None, b"--B"),)), "B")


SAFE = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\%/'), min_size=1, max_size=8)
NAMES = SAFE.filter(lambda name: name[0] not in "_xXhH")
FILENAMES = SAFE.filter(lambda name: name not in {".", ".."})
FIELDS = st.builds(Part, NAMES, st.none(), st.none(), st.text(st.characters(exclude_characters="\0")).map(
    lambda text: text.encode("utf-8", "replace"),
))  # fmt: skip
FILES = st.builds(
    Part, NAMES, FILENAMES, st.sampled_from([None, "image/png", "text/plain; charset=utf-8"]), st.binary()
)
PARTS = st.lists(FIELDS | FILES, min_size=1, max_size=4, unique_by=lambda part: part.name.casefold()).map(tuple)


@given(PARTS)
def test_multiparts_return(parts: tuple[Part, ...]) -> None:
    """What is encoded parses to what it was made from."""
    data = encode_multipart(Multipart(parts), "a-boundary-of-ours")
    assert parse_multipart(data, "a-boundary-of-ours").parts == parts


def test_other_parser_agrees() -> None:
    """A parser that is not ours reads the same parts from what is sent."""
    parts = (Part("purpose", None, None, b"x y"), Part("file", "a.png", "image/png", b"\x00\r\n--x"))
    head = b"Content-Type: multipart/form-data; boundary=B\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        head + encode_multipart(Multipart(parts), "B")
    )
    read = [
        (p["Content-Disposition"].params["name"], p.get_filename(), p.get_payload(decode=True))
        for p in message.iter_parts()
    ]
    assert read == [(p.name, p.filename, p.data) for p in parts]
