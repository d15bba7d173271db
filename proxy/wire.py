"""
What leaves for an upstream, as generated from a canonical request: never a byte copied from what came in.

A `Wire` carries everything but the credential, which only the sender adds, at the last moment.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """
    One upstream request without its credential: `target` is origin-form ASCII, `body` the exact bytes.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def image(self) -> bytes:
        """
        Return the bytes that a commitment to this request is made over: request line, headers, empty line, body.
        """
        lines = [f"{self.method} {self.target}", *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body
