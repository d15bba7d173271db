"""An answer before it is put on the wire, where faults may still take it, and a refusal that ends as one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A status, headers beyond the usual ones, and the body's exact bytes.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, value: object, **headers: str) -> Answer:
        """
        Return an answer whose body is `value` as JSON, indented.
        """
        return cls(status, json.dumps(value, indent=2).encode() + b"\n", dict(headers))


class Refusal(Exception):
    """
    A request that the vendor refuses; a sandbox's own subclass says what its answer looks like.
    """

    def answer(self) -> Answer:
        """
        Return the refusal as the vendor words it.
        """
        raise NotImplementedError
