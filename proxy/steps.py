"""Whether the wall clock was set: it went on by another time than the one that only grows."""

from __future__ import annotations

from proxy.clock import Clock

JUMP_S = 5.0
"""More than any ordinary correction, and more than two looks at both clocks are apart."""


class Steps:
    """
    The two clocks, looked at again and again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at, self._since = clock.now(), clock.monotonic()

    def __repr__(self) -> str:
        return f"Steps({self._at:%H:%M:%S})"

    def jump_s(self) -> float | None:
        """
        Return by how many seconds the wall clock was set since the last look; None where it was not.
        """
        at, since = self._clock.now(), self._clock.monotonic()
        jump = (at - self._at).total_seconds() - (since - self._since)
        self._at, self._since = at, since
        return jump if abs(jump) > JUMP_S else None
