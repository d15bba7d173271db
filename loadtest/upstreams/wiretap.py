"""
What came over the wire: each request as it was read, each connection's bytes as they arrived.

Requests are for asserting what was sent; the bytes are for proving what was not: a secret that appears in none of them
was never sent, in whatever place or encoding of the message a parser might have dropped.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One request: its target and headers are the bytes that came.
    """

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """
        Return the first header of that name.
        """
        for key, value in self.headers:
            if key.lower() == name.lower().encode():
                return value.decode("latin-1")
        return None

    @property
    def path(self) -> str:
        """
        Return the target without its query.
        """
        return self.target.partition("?")[0]


class Wiretap:
    """
    Everything that one sandbox was sent.
    """

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.credentials: Counter[str] = Counter()
        self._wires: list[bytearray] = []

    def __repr__(self) -> str:
        size = sum(map(len, self._wires))
        return f"<Wiretap {len(self.requests)} requests, {len(self._wires)} connections, {size} bytes>"

    def connection(self) -> bytearray:
        """
        Return a new connection's own record, to be extended as bytes arrive.
        """
        self._wires.append(bytearray())
        return self._wires[-1]

    def contains(self, secret: str) -> bool:
        """
        Tell whether a secret came over any connection, plainly or in base64.
        """
        return any(form in wire for form in forms(secret) for wire in self._wires)

    def count(self, method: str, path: str) -> int:
        """
        Count the requests of that method and path.
        """
        return sum(seen.method == method and seen.path == path for seen in self.requests)

    def clear(self) -> None:
        """
        Forget everything so far.
        """
        self.requests.clear()
        self.credentials.clear()
        for wire in self._wires:
            wire.clear()


def forms(secret: str) -> list[bytes]:
    """
    Return a secret's plain bytes and the three cores that base64 can give it, by its offset in what was encoded.
    """
    raw = secret.encode()
    found = [raw]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        # A character holds six bits: those at the edges also depend on what stands beside the secret.
        found.append(encoded[-(-8 * offset // 6) : 8 * (offset + len(raw)) // 6])
    return found


def credential(header: str | None, *schemes: str) -> str | None:
    """
    Return the key in an Authorization header: the token of Bearer or of a further scheme, or the user of Basic.
    """
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() in {"bearer", *schemes}:
        return value.strip()
    pair = basic(header)
    return value if pair is None and scheme.lower() == "basic" else pair[0] if pair else None


def basic(header: str | None) -> tuple[str, str] | None:
    """
    Return user and password of an Authorization header whose scheme is Basic.
    """
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password
