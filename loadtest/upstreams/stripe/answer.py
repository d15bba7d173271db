"""An answer before it is put on the wire, where faults may still take it."""

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
        Return an answer whose body is `value` as JSON, indented as Stripe's are.
        """
        return cls(status, json.dumps(value, indent=2).encode() + b"\n", dict(headers))
