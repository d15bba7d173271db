"""
The head of a request: what its framing, its credentials and its headers say, once, or a refusal.

Strictness above the HTTP parser's, which lets through what two parsers may read differently: other versions and
methods, odd transfer codings, names with underscores (CGI-style servers read them as hyphens), header lines given
twice. Nothing is forwarded because it came: a header leaves only if it is listed here or by the API's dialect, and
never if it is one of those that carry credentials, framing or routing. Names with underscores are dropped, never read.

An idempotency key is the same bare, as vendors have it, and as a string of RFC 8941, as the IETF's draft has it.

A boundary inside quotes may hold `;` by the letter of RFC 2046; no encoder emits one and it is refused as malformed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from breakers.verdict import Reason
from proxy.canonical.credentials import holds_key
from proxy.canonical.header_names import FORWARDED, READ, may_leave
from proxy.canonical.media import MediaType, parse_media_type
from proxy.canonical.spelling import spelled
from proxy.errors import Refused

Headers = tuple[tuple[str, str], ...]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

# The parser's own bounds on lines, repeated because they are ours to promise.
HEADERS_MAX = 128
HEADER_BYTES_MAX = 8_190
HEAD_BYTES_MAX = 65_536

# Names of dropped headers that one record keeps.
DROPPED_MAX = 64

# The longest that any call may run: a read's total time-out.
DEADLINE_MS_MAX = 900_000

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~\-]+").fullmatch
_VALUE = re.compile(rb"[ -~]*").fullmatch
_LENGTH = re.compile(r"[0-9]{1,19}").fullmatch
_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]{2,45}\]|(?=[^:]{1,253}(?::|$))[A-Za-z0-9_\-]{1,63}(?:\.[A-Za-z0-9_\-]{1,63})*)(?::([0-9]{1,5}))?",
).fullmatch
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}").fullmatch
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"').fullmatch
_ESCAPE = re.compile(r'\\(["\\])').sub
_RETRY_COUNT = re.compile(r"[0-9]{1,9}").fullmatch
_DEADLINE = re.compile(r"[1-9][0-9]{0,5}").fullmatch
_PREFERENCE = re.compile(r"respond-async|wait=[0-9]{1,4}").fullmatch
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_PORT_MAX = 65_535

# What is said of a header that is given twice, where it has words of its own.
_TWICE = {"expect": Reason.EXPECTATION_FAILED, "idempotency-key": Reason.IDEMPOTENCY_KEY_MALFORMED}


@dataclass(frozen=True, slots=True)
class Head:
    """
    A request's head with one meaning.

    `headers` are those that will be forwarded, lower-case and sorted; `redirecting` those that choose whose object is
    touched, for a policy to judge; `dropped` names the rest. `authorization` and `breakwater_key` are as they came.
    """

    method: str
    version: tuple[int, int]
    host: str
    port: int | None = None
    headers: Headers = ()
    redirecting: Headers = ()
    dropped: tuple[str, ...] = ()
    authorization: str | None = field(default=None, repr=False)
    breakwater_key: str | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    task: str | None = None
    deadline_ms: int | None = None
    duplicate: bool = False
    again: bool = False
    prefer: tuple[str, ...] = ()
    trace: str | None = None
    content_length: int | None = None
    chunked: bool = False
    expects_continue: bool = False
    media: MediaType | None = None

    @property
    def announces_body(self) -> bool:
        """
        Tell whether body bytes are to come.
        """
        return self.chunked or bool(self.content_length)

    @property
    def responds(self) -> bool:
        """
        Tell whether 202 is an answer to a write that is parked.
        """
        return "respond-async" in self.prefer

    @property
    def wait_s(self) -> int:
        """
        Return how long the caller wants to wait for a decision, in seconds; of several wishes the first counts.
        """
        said = next((token for token in self.prefer if token.startswith("wait=")), "wait=0")
        return int(said.removeprefix("wait="))


@lru_cache(maxsize=64)
def _forwarded(dialect_forward: frozenset[str]) -> frozenset[str]:
    return FORWARDED | {name for name in dialect_forward if may_leave(name)}


def canonical_head(
    method: str,
    version: tuple[int, int],
    raw_headers: tuple[tuple[bytes, bytes], ...],
    dialect_forward: frozenset[str] = frozenset(),
    redirecting: frozenset[str] = frozenset(),
) -> Head:
    """
    Read a request's head, or refuse it; `dialect_forward` and `redirecting` name headers of the API, lower-case.
    """
    if version not in {(1, 0), (1, 1)}:
        raise Refused(Reason.VERSION_UNSUPPORTED, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if method not in METHODS:
        raise Refused(Reason.METHOD_NOT_ALLOWED, "The method is not one of GET, HEAD, POST, PUT, PATCH, DELETE.")
    forwarded = _forwarded(dialect_forward)
    fields, dropped = _fields(raw_headers, forwarded | redirecting)
    nominated = {token.strip().lower() for token in fields.get("connection", "").split(",")}
    trace = fields.get("traceparent")
    if trace is not None and not _TRACEPARENT(trace):
        trace = None
    leaving = forwarded - redirecting - nominated - (frozenset() if trace else {"traceparent", "tracestate"})
    read = leaving | redirecting | READ
    dropped |= {spelled(name) for name in fields if name not in read}
    host, port = _host(fields)
    return Head(
        method=method,
        version=version,
        host=host,
        port=port,
        headers=_leaving(fields, leaving),
        redirecting=_leaving(fields, redirecting),
        dropped=tuple(sorted(dropped))[:DROPPED_MAX],
        authorization=fields.get("authorization"),
        breakwater_key=fields.get("breakwater-key"),
        idempotency_key=_idempotency_key(fields),
        task=fields.get("breakwater-task"),
        deadline_ms=_deadline_ms(fields),
        duplicate=_duplicate(fields),
        again=_again(fields),
        prefer=tuple(filter(_PREFERENCE, (token.strip().lower() for token in fields.get("prefer", "").split(",")))),
        trace=trace,
        content_length=_content_length(fields),
        chunked=_chunked(fields, version),
        expects_continue=_expects_continue(fields, version),
        media=_media(fields),
    )


def said_host(raw_headers: tuple[tuple[bytes, bytes], ...]) -> str:
    """
    Return the host that a request names, before the rest of its head is read; nothing where it is not named once, well.
    """
    named = [value.decode("latin-1").strip(" ") for name, value in raw_headers if name.lower() == b"host"]
    found = _HOST(named[0]) if len(named) == 1 else None
    return found.group(1).lower() if found else ""


def _fields(
    raw_headers: tuple[tuple[bytes, bytes], ...],
    singletons: frozenset[str],
) -> tuple[dict[str, str], set[str]]:
    """
    Return the well-formed header fields by lower-case name, and the names of those that are never read.
    """
    if len(raw_headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in raw_headers) > HEAD_BYTES_MAX:
        raise Refused(Reason.HEAD_TOO_LARGE, "The request has too many or too large headers.")
    fields: dict[str, str] = {}
    unread: set[str] = set()
    for raw_name, raw_value in raw_headers:
        if not _TOKEN(raw_name):
            raise _malformed("A header's name is not a token.")
        name = raw_name.decode("ascii").lower()
        if len(raw_name) + len(raw_value) > HEADER_BYTES_MAX:
            raise Refused(Reason.HEAD_TOO_LARGE, f"The header `{spelled(name)}` is too large.")
        if not _VALUE(raw_value):
            raise _malformed(f"The header `{spelled(name)}` has a character that is not printable ASCII.")
        if "_" in name:
            unread.add(spelled(name))
            continue
        if name in fields and (name in singletons or name in READ or name.startswith("breakwater-")):
            raise Refused(_TWICE.get(name, Reason.HEAD_MALFORMED), f"The header `{name}` is given twice.")
        fields[name] = raw_value.decode("ascii").strip(" ")
    return fields, unread


def _leaving(fields: Mapping[str, str], names: frozenset[str] | set[str]) -> Headers:
    leaving = tuple(sorted((name, value) for name, value in fields.items() if name in names))
    for name, value in leaving:
        if holds_key(value):
            raise _malformed(f"The header `{name}` holds a Breakwater key, which would be sent to the API.")
    return leaving


def _host(fields: Mapping[str, str]) -> tuple[str, int | None]:
    found = _HOST(fields.get("host", ""))
    if not found:
        raise _malformed("The request needs exactly one well-formed Host header.")
    port = int(found.group(2)) if found.group(2) else None
    if port is not None and not 0 < port <= _PORT_MAX:
        raise _malformed("The port in the Host header is no port.")
    return found.group(1).lower(), port


def _content_length(fields: Mapping[str, str]) -> int | None:
    value = fields.get("content-length")
    if value is None:
        return None
    if not _LENGTH(value):
        raise _malformed("The Content-Length is not a number of bytes.")
    return int(value)


def _chunked(fields: Mapping[str, str], version: tuple[int, int]) -> bool:
    value = fields.get("transfer-encoding")
    if value is None:
        return False
    if "content-length" in fields:
        raise _malformed("Content-Length and Transfer-Encoding exclude each other.")
    if version < (1, 1) or value.lower() != "chunked":
        raise _malformed("The Transfer-Encoding is not `chunked`, or not allowed in this version of HTTP.")
    return True


def _expects_continue(fields: Mapping[str, str], version: tuple[int, int]) -> bool:
    value = fields.get("expect")
    if value is None:
        return False
    if value.lower() != "100-continue":
        raise Refused(Reason.EXPECTATION_FAILED, "The only expectation that can be met is `100-continue`.")
    # RFC 9110, 10.1.1: an expectation in HTTP/1.0 is ignored.
    return version == (1, 1)


def _media(fields: Mapping[str, str]) -> MediaType | None:
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise Refused(Reason.MEDIA_TYPE_UNSUPPORTED, "Bodies are accepted uncompressed only.")
    value = fields.get("content-type")
    return None if value is None else parse_media_type(value)


def _idempotency_key(fields: Mapping[str, str]) -> str | None:
    value = fields.get("idempotency-key")
    if value is None:
        return None
    quoted = _QUOTED(value)
    key = _ESCAPE(r"\1", quoted.group(1)) if quoted else value
    if (value.startswith('"') and not quoted) or not _IDEMPOTENCY_KEY(key) or holds_key(key):
        detail = "An Idempotency-Key is 1 to 255 visible ASCII characters, bare or between double quotes."
        raise Refused(Reason.IDEMPOTENCY_KEY_MALFORMED, detail)
    return key


def _again(fields: Mapping[str, str]) -> bool:
    """
    Tell whether the client's SDK counts this as a re-send; a count that is none says nothing.
    """
    value = fields.get("x-stainless-retry-count", "")
    return bool(_RETRY_COUNT(value)) and int(value) > 0


def _deadline_ms(fields: Mapping[str, str]) -> int | None:
    value = fields.get("breakwater-deadline-ms")
    if value is None:
        return None
    if not _DEADLINE(value) or int(value) > DEADLINE_MS_MAX:
        raise _malformed(f"Breakwater-Deadline-Ms is a number of milliseconds from 1 to {DEADLINE_MS_MAX}.")
    return int(value)


def _duplicate(fields: Mapping[str, str]) -> bool:
    value = fields.get("breakwater-duplicate")
    if value not in {None, "allow"}:
        raise _malformed("The only value of Breakwater-Duplicate is `allow`.")
    return value is not None


def _malformed(detail: str) -> Refused:
    return Refused(Reason.HEAD_MALFORMED, detail)
