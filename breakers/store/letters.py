"""
Boxes for letters between the processes of a deployment.

| key | what it holds |
|---|---|
| `letters:REPLICA` | letters to that process, oldest first; gone when nobody has put or taken one for a moment |

What stands in a letter is the road's business (`proxy/letters.py`): nothing here can read one. A letter is given to
whoever takes it first, once; where its answer is lost on the way, it is lost.
"""

from __future__ import annotations

from breakers.store.link import Purpose, Shared

BOX_KEPT_MS = 10_000
"""How long letters lie in a box that nobody empties: whoever asked has given up long before."""

BOX_LETTERS_MAX = 64
"""In one box at once: far more than operators ask at a time, and few enough that a process that hangs costs little."""

ANSWERS_WITHIN_S = 1.0
"""Beyond the time that a command waits by itself: a server that is silent for longer is away."""


class Mail:
    """
    Letters, over what is shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def __repr__(self) -> str:
        return f"<Mail {self._shared.tag}>"

    async def post(self, to: str, letter: bytes) -> bool:
        """
        Put a letter into a box; False where it is full.
        """
        told = (letter, BOX_KEPT_MS, BOX_LETTERS_MAX)
        return bool(await self._shared.run("post", (f"letters:{to}",), *told, purpose=Purpose.BEHIND))

    async def take(self, box: str, within_s: int) -> bytes | None:
        """
        Take the oldest letter out of a box, or wait so many seconds for one.
        """
        found = await self._shared.ask(
            *("BLPOP", f"letters:{box}", str(within_s)),
            purpose=Purpose.LETTERS,
            within_s=within_s + ANSWERS_WITHIN_S,
        )
        return None if found is None else bytes(found[1])
