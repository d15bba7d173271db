"""
What leaves for an upstream, as generated from a canonical request: never a byte copied from what came in.

The credential is held beside it, the version that was current when it was generated, and spelled only as it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.held import Held


@dataclass(frozen=True, slots=True)
class Wire:
    """
    One upstream request: `target` is origin-form ASCII, `body` the exact bytes, `credential` stands in none of them.

    `keyed` tells whether it leaves under an idempotency key of ours, `marked` whether it bears a marker.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    credential: Held
    keyed: bool = False
    marked: bool = False

    def image(self) -> bytes:
        """
        Return the bytes that a commitment to this request is made over: request line, headers, empty line, body.
        """
        lines = [f"{self.method} {self.target}", *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body
