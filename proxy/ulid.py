"""Ids that sort by the time at which they were made (ULID: 48 bits of milliseconds, 80 of randomness)."""

from __future__ import annotations

from proxy.clock import Clock, Randomness

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that an id survives being read aloud."""

RANDOM_BITS = 80
TEXT_LENGTH = 26


class Ulids:
    """
    Makes ids that only grow: within one millisecond, and while the clock stands or steps back, by counting up.
    """

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock, self._randomness, self._last = clock, randomness, 0

    def __repr__(self) -> str:
        return f"Ulids(last={_spell(self._last)})"

    def new(self) -> str:
        """
        Return the next id.
        """
        millis = int(self._clock.now().timestamp() * 1000)
        if millis > self._last >> RANDOM_BITS:
            # The top bit stays clear, so that counting up within a millisecond never reaches into the time.
            self._last = millis << RANDOM_BITS | int.from_bytes(self._randomness(10)) >> 1
        else:
            self._last += 1
        return _spell(self._last)


def _spell(value: int) -> str:
    return "".join(ALPHABET[value >> shift & 31] for shift in range(5 * (TEXT_LENGTH - 1), -1, -5))
