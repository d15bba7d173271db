"""Ids that sort by the time at which they were made (ULID: 48 bits of milliseconds, 80 of randomness)."""

from __future__ import annotations

from proxy.clock import Clock, Randomness

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that an id survives being read aloud."""

RANDOM_BITS = 80
RANDOM_BYTES = RANDOM_BITS // 8

DRAWN = 64
"""Ids whose randomness is drawn at once: to ask the system for it costs more than the rest of an id."""

_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)


class Ulids:
    """
    Makes ids that only grow: within one millisecond, and while the clock stands or steps back, by counting up.
    """

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock, self._randomness, self._last = clock, randomness, 0
        self._drawn: list[int] = []

    def __repr__(self) -> str:
        return f"Ulids(last={_spell(self._last)})"

    def new(self) -> str:
        """
        Return the next id.
        """
        millis = int(self._clock.now().timestamp() * 1000)
        if millis > self._last >> RANDOM_BITS:
            # The top bit stays clear, so that counting up within a millisecond never reaches into the time.
            if not self._drawn:
                self._draw()
            self._last = millis << RANDOM_BITS | self._drawn.pop() >> 1
        else:
            self._last += 1
        return _spell(self._last)

    def _draw(self) -> None:
        drawn = self._randomness(DRAWN * RANDOM_BYTES)
        self._drawn = [int.from_bytes(drawn[at : at + RANDOM_BYTES]) for at in range(0, len(drawn), RANDOM_BYTES)]


def _spell(value: int) -> str:
    """
    Return 26 letters of five bits, two by two.
    """
    high, low = value >> 70, value & (1 << 70) - 1
    p = _PAIRS
    return (
        f"{p[high >> 50]}{p[high >> 40 & 1023]}{p[high >> 30 & 1023]}{p[high >> 20 & 1023]}{p[high >> 10 & 1023]}"
        f"{p[high & 1023]}{p[low >> 60]}{p[low >> 50 & 1023]}{p[low >> 40 & 1023]}{p[low >> 30 & 1023]}"
        f"{p[low >> 20 & 1023]}{p[low >> 10 & 1023]}{p[low & 1023]}"
    )
