"""
How one total stands, and what was told about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from breakers.spend import Notice


@dataclass(slots=True, eq=False)
class Tally:
    """
    One total: what is settled and held, and the cap that it was last judged by (0: not known).

    `fired` are the percentages that are reached and told, `told` every notice that was ever raised, by the cap that it
    was about. `warns_at` is the next sum at which somebody is told.
    """

    node: str
    period: str
    measure: str
    settled: int = 0
    held: int = 0
    cap: int = 0
    until: datetime | None = None
    alerts: tuple[int, ...] = ()
    warns_at: int | None = None
    fired: frozenset[int] = frozenset()
    told: frozenset[tuple[Notice, int, int]] = field(default=frozenset())
