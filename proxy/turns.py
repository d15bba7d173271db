"""When what a receiver did not take is offered again: ever more rarely, and each thing by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

AGAIN_AFTER_S = (5.0, 30.0, 120.0, 600.0)
"""Until the webhook is asked again, the last of them from then on."""

Post = Callable[[dict[str, object]], Awaitable[str | None]]
"""Offers one message; None once it was taken, or why it was not."""


class Turns:
    """
    The turns of what was not taken, by id; times are monotonic.
    """

    def __init__(self, again_after_s: Sequence[float] = AGAIN_AFTER_S) -> None:
        self._again_after_s = again_after_s
        # When each is next, and how often it was offered.
        self._next: dict[str, tuple[float, int]] = {}

    def __repr__(self) -> str:
        return f"Turns({len(self._next)} not taken)"

    def __len__(self) -> int:
        return len(self._next)

    def is_due(self, id_: str, now: float) -> bool:
        """
        Tell whether something may be offered now.
        """
        return self._next.get(id_, (now, 0))[0] <= now

    def put_off(self, id_: str, now: float) -> None:
        """
        Have it wait for its next turn: it was not taken.
        """
        _, times = self._next.get(id_, (now, 0))
        self._next[id_] = (now + self._again_after_s[min(times, len(self._again_after_s) - 1)], times + 1)

    def over(self, id_: str) -> None:
        """
        Forget it: it was taken.
        """
        self._next.pop(id_, None)
