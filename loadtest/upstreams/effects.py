"""
A count of every effect, by kind and by object, so that "exactly once" is a number that can be asked for.

An effect is `KIND.VERB` (`issue.created`, `comment.deleted`); a handler counts one as it changes something.
"""

from __future__ import annotations

from collections import Counter, defaultdict


class Effects(Counter[str]):
    """
    How often each effect happened; `by_object` counts the same for each object, under the id that its API shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_object: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, effect: str, object_: str) -> None:
        """
        Count one effect on one object.
        """
        self[effect] += 1
        self.by_object[object_][effect] += 1

    def clear(self) -> None:
        """
        Forget everything so far.
        """
        super().clear()
        self.by_object.clear()
