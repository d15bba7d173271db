"""
What leaves for an upstream, as generated from a canonical request: never a byte copied from what came in.

The credential is held beside it, the version that was current when it was generated, and spelled only as it leaves.
"""

from __future__ import annotations

from breakers.noun import noun
from proxy.held import Held


@noun
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

    def spelled(self, host: str) -> tuple[bytes, ...]:
        """
        Return what leaves, in the pieces that are at hand: the head with host and credential, and the body.

        Raise `ValueError` where a value would end its line.
        """
        name, secret = self.credential.header()
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{field}: {value}" for field, value in self.headers]
        lines += [f"{name}: {secret}", "", ""]
        head, ends = "\r\n".join(lines), len(lines) - 1
        if head.count("\r") != ends or head.count("\n") != ends or "\0" in head:
            raise ValueError("a line of the head holds the end of a line")
        return (head.encode("ascii"), self.body) if self.body else (head.encode("ascii"),)
