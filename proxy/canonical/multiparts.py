"""
Multipart bodies (`multipart/form-data`): named parts with one meaning, and the one spelling that is sent.

The library finds the parts; what it forgives is refused here: a preamble, an epilogue, headers that no encoder writes,
`filename*`, names that one decoder unescapes and another does not. A file's directory is not its name: an SDK sends the
whole path of a file on its own machine, and RFC 7578 (4.2) has it cut to the last piece; a path that climbs is refused.
"""

from __future__ import annotations

import re

from multipart import (  # type: ignore[import-untyped]  # it ships none
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from breakers.call import Multipart, Part
from breakers.verdict import Reason
from proxy.canonical.media import parse_media_type
from proxy.canonical.pairs import refuse_steering
from proxy.canonical.spelling import spelled
from proxy.errors import Refused

# Parts in one body; an upload has a file and a handful of fields.
PARTS_MAX = 64

# A field that is not a file; a form's longest texts are a tenth of it.
FIELD_BYTES_MAX = 65_536

# One line in a part's head, and the lines.
_LINE_BYTES_MAX = 2_048
_LINES_MAX = 4

_QUOTED = r'"([^"\\\x00-\x1f\x7f-\x9f]*)"'
_DISPOSITION = re.compile(rf"(?i:form-data) *; *(?i:name)={_QUOTED}(?: *; *(?i:filename)={_QUOTED})?").fullmatch

# What HTML has browsers write for a quote or a line end, and some decoders undo.
_ESCAPED = re.compile(r"%(?:22|0[AaDd])").search

_TRANSFER_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_PART_HEADERS = frozenset({"Content-Disposition", "Content-Type", "Content-Length", "Content-Transfer-Encoding"})


def parse_multipart(data: bytes, boundary: str) -> Multipart:
    """
    Parse a multipart body, or refuse it.
    """
    _refuse_surroundings(data, boundary.encode("ascii"))
    parser = PushMultipartParser(
        boundary,
        max_header_size=_LINE_BYTES_MAX,
        max_header_count=_LINES_MAX,
        max_segment_count=PARTS_MAX,
        strict=True,
    )
    parts: list[Part] = []
    chunks: list[bytes] = []
    head: MultipartSegment | None = None
    try:
        with parser:
            for event in parser.parse(data):
                if isinstance(event, MultipartSegment):
                    head, chunks = event, []
                elif event is not None:
                    chunks.append(bytes(event))
                elif head is not None:
                    parts.append(_part(head, b"".join(chunks)))
    except ParserLimitReached:
        raise _malformed(
            f"The multipart body has more than {PARTS_MAX} parts, or a part with too long a head."
        ) from None
    except MultipartError:
        raise _malformed("The multipart body is malformed.") from None
    _refuse_duplicates(parts)
    return Multipart(tuple(parts))


def encode_multipart(body: Multipart, boundary: str) -> bytes:
    """
    Return the one spelling of a multipart body under `boundary`, which must be unpredictable.

    A boundary that occurs in the body is a ValueError.
    """
    delimiter = b"--" + boundary.encode("ascii")
    pieces: list[bytes] = []
    for part in body.parts:
        lines = _part_head(part)
        if delimiter in lines or delimiter in part.data:
            raise ValueError("the boundary occurs in the body")
        pieces += [delimiter, b"\r\n", lines, b"\r\n\r\n", part.data, b"\r\n"]
    return b"".join([*pieces, delimiter, b"--\r\n"])


def _refuse_surroundings(data: bytes, boundary: bytes) -> None:
    closing = b"\r\n--" + boundary + b"--"
    end = data.find(closing)
    if not data.startswith(b"--" + boundary + b"\r\n") or end < 0 or data[end + len(closing) :] not in {b"", b"\r\n"}:
        raise _malformed("The multipart body does not begin and end at its boundary.")


def _part(head: MultipartSegment, data: bytes) -> Part:
    headers = dict(head.headerlist)
    if len(headers) != len(head.headerlist) or not headers.keys() <= _PART_HEADERS:
        raise _malformed("A part of the multipart body has a header that is not accepted, or one twice.")
    if headers.get("Content-Transfer-Encoding", "binary").lower() not in _TRANSFER_ENCODINGS:
        raise _malformed("A part of the multipart body is encoded.")
    found = _DISPOSITION(headers["Content-Disposition"])
    if not found or not found.group(1) or _ESCAPED(found.group(0)):
        raise _malformed("A part of the multipart body has no well-formed name.")
    name, filename = found.group(1), _filename(found.group(2))
    refuse_steering(name, Reason.BODY_MALFORMED)
    if filename is None:
        _refuse_binary(name, data)
    return Part(name, filename, _part_media_type(headers.get("Content-Type")), data)


def _filename(path: str | None) -> str | None:
    if path is None:
        return None
    pieces = path.split("/")
    if not pieces[-1] or pieces[-1] in {".", ".."} or ".." in pieces:
        raise _malformed("A file in the multipart body has no well-formed name.")
    return pieces[-1]


def _refuse_binary(name: str, data: bytes) -> None:
    if len(data) > FIELD_BYTES_MAX:
        raise _malformed(f"The field `{spelled(name)}` is longer than {FIELD_BYTES_MAX} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed(f"The field `{spelled(name)}` is not valid UTF-8.") from None
    if "\0" in text:
        raise _malformed(f"The field `{spelled(name)}` holds a NUL.")


def _part_media_type(value: str | None) -> str | None:
    if value is None:
        return None
    media = parse_media_type(value)
    if media.essence.startswith("multipart/"):
        raise _malformed("The multipart body is nested.")
    return media.spelled


def _refuse_duplicates(parts: list[Part]) -> None:
    seen: set[str] = set()
    for part in parts:
        if part.name.casefold() in seen:
            raise _malformed(f"The field `{spelled(part.name)}` is given twice.")
        seen.add(part.name.casefold())


def _part_head(part: Part) -> bytes:
    filename = "" if part.filename is None else f'; filename="{part.filename}"'
    disposition = f'form-data; name="{part.name}"{filename}'
    media_type = "" if part.media_type is None else f"\r\nContent-Type: {part.media_type}"
    return f"Content-Disposition: {disposition}{media_type}".encode()


def _malformed(detail: str) -> Refused:
    return Refused(Reason.BODY_MALFORMED, detail)
