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
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from itertools import chain
from typing import Any

from breakers.noun import noun
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
_UNPRINTABLE = re.compile(rb"[^ -~]").search
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

# What is read of names and of hosts is kept, because every client says the same ones with every call: so many of each,
# none longer than this, so that a client that says others each time fills a few hundred KiB at most.
_KEPT = 256
_KEPT_BYTES_MAX = 256

# Of a whole head, which a connection keeps while it lasts: thousands of idle ones take some MiB at most.
_HEAD_KEPT_BYTES_MAX = 2_048

# What is said of a header that is given twice, where it has words of its own.
_TWICE = {"expect": Reason.EXPECTATION_FAILED, "idempotency-key": Reason.IDEMPOTENCY_KEY_MALFORMED}


# What speaks of a trace leaves only where it is one.
_OF_A_TRACE = frozenset({"traceparent", "tracestate"})


# What becomes of a header that is known.
_LEAVES, _REDIRECTS, _READ = range(3)


@noun
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
def _kinds(dialect_forward: frozenset[str], redirecting: frozenset[str]) -> Mapping[str, int]:
    leaving = FORWARDED | {name for name in dialect_forward if may_leave(name)}
    return dict.fromkeys(READ, _READ) | dict.fromkeys(leaving, _LEAVES) | dict.fromkeys(redirecting, _REDIRECTS)


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
    kinds = _kinds(dialect_forward, redirecting)
    fields, dropped = _fields(raw_headers, kinds)
    trace = fields.get("traceparent")
    if trace is not None and not _TRACEPARENT(trace):
        trace = None
    host, port = _host(fields)
    kept_back = _kept_back(fields, trace)
    leaving: list[tuple[str, str]] = []
    redirects: list[tuple[str, str]] = []
    for name, value in fields.items():
        kind = kinds.get(name)
        if kind == _LEAVES and name not in kept_back:
            leaving.append((name, value))
        elif kind == _REDIRECTS:
            redirects.append((name, value))
        elif kind != _READ:
            dropped.add(spelled(name))
    return Head(
        method=method,
        version=version,
        host=host,
        port=port,
        headers=_without_keys(leaving),
        redirecting=_without_keys(redirects) if redirects else (),
        dropped=tuple(sorted(dropped)[:DROPPED_MAX]) if dropped else (),
        authorization=fields.get("authorization"),
        breakwater_key=fields.get("breakwater-key"),
        task=fields.get("breakwater-task"),
        trace=trace,
        # What is not said is not looked into; the first fault in this order is the one that is told.
        **{said: reader(fields[name]) for name, said, reader in _READERS if name in fields},
        chunked="transfer-encoding" in fields and _chunked(fields, version),
        expects_continue="expect" in fields and _expects_continue(fields["expect"], version),
        media=_media(fields),
    )


class LastHead:
    """
    The head that a connection sent last: what reads sends the same one again and again, and it is read once.

    It holds what credentials its caller showed, so it is kept as long as the connection and no longer.
    """

    __slots__ = ("_head", "_said")

    def __init__(self) -> None:
        self._said: tuple[object, ...] = ()
        self._head: Head | None = None

    def __repr__(self) -> str:
        return f"LastHead({'none' if self._head is None else self._head.method})"

    def read(
        self,
        method: str,
        version: tuple[int, int],
        raw_headers: tuple[tuple[bytes, bytes], ...],
        dialect_forward: frozenset[str],
        redirecting: frozenset[str],
    ) -> Head:
        """
        Read a head as `canonical_head` does.
        """
        said = (method, version, raw_headers, dialect_forward, redirecting)
        if self._head is not None and said == self._said:
            return self._head
        head = canonical_head(*said)
        if len(b"".join(chain.from_iterable(raw_headers))) <= _HEAD_KEPT_BYTES_MAX:
            self._said, self._head = said, head
        return head


def said_host(said: str) -> str:
    """
    Return the host that a `Host` header names, before the rest of its head is read; nothing where it names none well.
    """
    found = _authority(said)
    return found[0] if found else ""


def _fields(
    raw_headers: tuple[tuple[bytes, bytes], ...],
    kinds: Mapping[str, int],
) -> tuple[dict[str, str], set[str]]:
    """
    Return the well-formed header fields by lower-case name, and the names of those that are never read.
    """
    together = b"".join(chain.from_iterable(raw_headers))
    size, odd = len(together), _UNPRINTABLE(together) is not None
    if len(raw_headers) > HEADERS_MAX or size > HEAD_BYTES_MAX:
        raise Refused(Reason.HEAD_TOO_LARGE, "The request has too many or too large headers.")
    fields: dict[str, str] = {}
    unread: set[str] = set()
    for raw_name, raw_value in raw_headers:
        name = _known_name(raw_name) if len(raw_name) <= _KEPT_BYTES_MAX else _name(raw_name)
        if size > HEADER_BYTES_MAX and len(raw_name) + len(raw_value) > HEADER_BYTES_MAX:
            raise Refused(Reason.HEAD_TOO_LARGE, f"The header `{spelled(name)}` is too large.")
        if odd and _UNPRINTABLE(raw_value):
            raise _malformed(f"The header `{spelled(name)}` has a character that is not printable ASCII.")
        if "_" in name:
            unread.add(spelled(name))
            continue
        if name in fields and (name in kinds or name.startswith("breakwater-")):
            raise Refused(_TWICE.get(name, Reason.HEAD_MALFORMED), f"The header `{name}` is given twice.")
        fields[name] = raw_value.decode("ascii").strip(" ")
    return fields, unread


def _name(raw: bytes) -> str:
    if not _TOKEN(raw):
        raise _malformed("A header's name is not a token.")
    return raw.decode("ascii").lower()


_known_name = lru_cache(maxsize=_KEPT)(_name)


def _kept_back(fields: Mapping[str, str], trace: str | None) -> frozenset[str]:
    """
    Return the names of headers that this request's own head keeps from leaving: what `Connection` nominates, no trace.
    """
    no_trace = _OF_A_TRACE if trace is None else frozenset[str]()
    said = fields.get("connection")
    return no_trace if said is None else no_trace.union(token.strip().lower() for token in said.split(","))


def _prefer(value: str) -> tuple[str, ...]:
    return tuple(filter(_PREFERENCE, (token.strip().lower() for token in value.split(","))))


def _without_keys(leaving: list[tuple[str, str]]) -> Headers:
    leaving.sort()
    for name, value in leaving:
        if holds_key(value):
            raise _malformed(f"The header `{name}` holds a Breakwater key, which would be sent to the API.")
    return tuple(leaving)


def _host(fields: Mapping[str, str]) -> tuple[str, int | None]:
    found = _authority(fields.get("host", ""))
    if not found:
        raise _malformed("The request needs exactly one well-formed Host header.")
    if found[1] is not None and not 0 < found[1] <= _PORT_MAX:
        raise _malformed("The port in the Host header is no port.")
    return found


def _authority(said: str) -> tuple[str, int | None] | None:
    return _known_authority(said) if len(said) <= _KEPT_BYTES_MAX else _read_authority(said)


def _read_authority(said: str) -> tuple[str, int | None] | None:
    found = _HOST(said)
    return (found.group(1).lower(), int(found.group(2)) if found.group(2) else None) if found else None


_known_authority = lru_cache(maxsize=_KEPT)(_read_authority)


def _content_length(value: str) -> int:
    if not _LENGTH(value):
        raise _malformed("The Content-Length is not a number of bytes.")
    return int(value)


def _chunked(fields: Mapping[str, str], version: tuple[int, int]) -> bool:
    if "content-length" in fields:
        raise _malformed("Content-Length and Transfer-Encoding exclude each other.")
    if version < (1, 1) or fields["transfer-encoding"].lower() != "chunked":
        raise _malformed("The Transfer-Encoding is not `chunked`, or not allowed in this version of HTTP.")
    return True


def _expects_continue(value: str, version: tuple[int, int]) -> bool:
    if value.lower() != "100-continue":
        raise Refused(Reason.EXPECTATION_FAILED, "The only expectation that can be met is `100-continue`.")
    # RFC 9110, 10.1.1: an expectation in HTTP/1.0 is ignored.
    return version == (1, 1)


def _media(fields: Mapping[str, str]) -> MediaType | None:
    if "content-encoding" in fields and fields["content-encoding"].lower() != "identity":
        raise Refused(Reason.MEDIA_TYPE_UNSUPPORTED, "Bodies are accepted uncompressed only.")
    value = fields.get("content-type")
    return None if value is None else parse_media_type(value)


def _idempotency_key(value: str) -> str:
    is_quoted = value.startswith('"')
    quoted = _QUOTED(value) if is_quoted else None
    key = _ESCAPE(r"\1", quoted.group(1)) if quoted else value
    if (is_quoted and not quoted) or not _IDEMPOTENCY_KEY(key) or holds_key(key):
        detail = "An Idempotency-Key is 1 to 255 visible ASCII characters, bare or between double quotes."
        raise Refused(Reason.IDEMPOTENCY_KEY_MALFORMED, detail)
    return key


def _again(value: str) -> bool:
    """
    Tell whether the client's SDK counts this as a re-send; a count that is none says nothing.
    """
    return bool(_RETRY_COUNT(value)) and int(value) > 0


def _deadline_ms(value: str) -> int:
    if not _DEADLINE(value) or int(value) > DEADLINE_MS_MAX:
        raise _malformed(f"Breakwater-Deadline-Ms is a number of milliseconds from 1 to {DEADLINE_MS_MAX}.")
    return int(value)


def _duplicate(value: str) -> bool:
    if value != "allow":
        raise _malformed("The only value of Breakwater-Duplicate is `allow`.")
    return True


# Headers that mean something by themselves: the name, what of a head it says, and what reads it.
_READERS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("idempotency-key", "idempotency_key", _idempotency_key),
    ("breakwater-deadline-ms", "deadline_ms", _deadline_ms),
    ("breakwater-duplicate", "duplicate", _duplicate),
    ("x-stainless-retry-count", "again", _again),
    ("prefer", "prefer", _prefer),
    ("content-length", "content_length", _content_length),
)


def _malformed(detail: str) -> Refused:
    return Refused(Reason.HEAD_MALFORMED, detail)
