"""
One row of the corpus: the bytes that an agent sends, and what must become of them.

The bytes are templates: `@HOST@` is the door's address, `@KEY@` the agent's key (`@KEY64@`, `@64KEY@` as either half of
Basic), `@OTHER@` another door's address, `@LENGTH@` the length of the body once all that is filled in. `MARK` is a word
that no answer of ours has a reason to hold.

Many rows say the same thing in other bytes. Each is meant, so every request that may write says so: nothing here is
answered from an earlier row, or refused for its sake, and what becomes of it is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MARK = b"zqxjkv"

AUTH = b"Authorization: Bearer @KEY@"
FORM = b"Content-Type: application/x-www-form-urlencoded"
JSON = b"Content-Type: application/json"
READ = b"/v1/customers/cus_1"
WRITE = b"/v1/customers"
MEANT = b"Breakwater-Duplicate: allow"

# Why a request is refused for the sake of an earlier one.
REPEATS = frozenset({
    "duplicate-suspected", "idempotency-key-reused", "idempotency-in-flight", "outcome-unknown", "answer-not-kept",
})  # fmt: skip


class Fate(Enum):
    """
    What must become of a request.
    """

    REFUSED = "refused before any upstream byte"
    FORWARDED = "forwarded once, in canonical form"
    EITHER = "refused, or forwarded once"


CLIENT_FAULTS = frozenset(range(400, 500)) | {505}


@dataclass(frozen=True, slots=True)
class Case:
    """
    One request of a class of the catalogue.

    `closes`: its framing is in doubt, so the connection must not be used again. `silent`: the peer may close without an
    answer. `absent`: header names, or pieces of the target or body, that must not reach the upstream. `target`: the
    target that must.
    """

    name: str
    raw: bytes
    fate: Fate
    statuses: frozenset[int] = CLIENT_FAULTS
    door: str = "stripe"
    closes: bool = False
    silent: bool = False
    absent: tuple[bytes, ...] = ()
    target: bytes | None = None

    @property
    def is_head(self) -> bool:
        """
        Tell whether its answer has no body.
        """
        return self.raw.startswith(b"HEAD ")


def request(
    method: bytes,
    target: bytes,
    *lines: bytes,
    body: bytes = b"",
    auth: bytes | None = AUTH,
    host: bytes | None = b"Host: @HOST@",
    version: bytes = b"HTTP/1.1",
    length: bool = True,
    meant: bool = True,
) -> bytes:
    """
    Return a request's bytes: what is given, and Host, key, length and that a repeat is meant unless they are withheld.
    """
    head = [method + b" " + target + b" " + version]
    head += [line for line in (host, auth) if line is not None]
    if meant and method not in {b"GET", b"HEAD"}:
        head.append(MEANT)
    head += lines
    if body and length:
        head.append(b"Content-Length: @LENGTH@")
    return b"\r\n".join([*head, b"", b""]) + body


def get(target: bytes = READ, *lines: bytes, **more: bytes | None) -> bytes:
    """
    Return a read's bytes.
    """
    return request(b"GET", target, *lines, **more)  # type: ignore[arg-type]


def form(body: bytes, target: bytes = WRITE, *lines: bytes) -> bytes:
    """
    Return a form's bytes.
    """
    return request(b"POST", target, FORM, *lines, body=body)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """
    Return a form in chunked framing, its chunks written out by whoever calls.
    """
    return request(b"POST", WRITE, FORM, b"Transfer-Encoding: chunked", *lines, body=body, length=False)


def refused(name: str, raw: bytes, *statuses: int, door: str = "stripe") -> Case:
    """
    Return a case that must be refused, on a connection that may go on.
    """
    return Case(name, raw, Fate.REFUSED, frozenset(statuses) or CLIENT_FAULTS, door)


def broken(name: str, raw: bytes, *statuses: int, door: str = "stripe") -> Case:
    """
    Return a case whose framing is in doubt: refused, and the connection closed.
    """
    return Case(name, raw, Fate.REFUSED, frozenset(statuses) or CLIENT_FAULTS, door, closes=True, silent=True)


def passed(
    name: str, raw: bytes, *absent: bytes, door: str = "stripe", target: bytes | None = None, either: bool = False
) -> Case:
    """
    Return a case that is forwarded once without what must be absent, or may be.
    """
    fate = Fate.EITHER if either else Fate.FORWARDED
    return Case(name, raw, fate, door=door, absent=absent, target=target)
