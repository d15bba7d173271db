"""Random JSON documents in pairs: independent ones, one grown out of the other, and what tells them apart strictly."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

NAMES = (
    "",
    "~",
    "/",
    "~0",
    "~1",
    "~01",
    "a/b",
    "m~n",
    "0",
    "1",
    "-",
    "a",
    "b",
    "op",
    "path",
    "é",
    "e\u0301",
    "\U0001f4a5",
    "\x00",
)

NUMBERS = (
    0,
    1,
    -1,
    10,
    2**53 + 1,
    2**70,
    *map(Decimal, ("-0", "1.0", "1.00", "1E+1", "0.1", "1.5e1", "1e400", "1E-9")),
)

SCALARS = (None, True, False, *NUMBERS, "", "1", "1.0", "true", "null", "é", "\x00", "/", "~")


class Maker:
    """
    Documents drawn from one seed.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pair(self) -> tuple[Any, Any]:
        """
        Return two documents: mostly the second is the first with a few changes.
        """
        first = self.value(4) if self._random.random() < 0.1 else self._object(4)
        return first, (self.value(4) if self._random.random() < 0.2 else self.drifted(first))

    def drifted(self, document: Any) -> Any:
        """
        Return the document with one to four changes in it, which may come to nothing.
        """
        for _ in range(self._random.randint(1, 4)):
            document = self._mutated(document)
        return document

    def value(self, depth: int) -> Any:
        """
        Return a document of at most so many levels.
        """
        dice = self._random.random()
        if depth == 0 or dice < 0.5:
            return self._random.choice(SCALARS)
        return self._object(depth) if dice < 0.8 else self._list(depth)

    def _object(self, depth: int) -> Any:
        names = self._random.sample(NAMES, self._random.randint(0, 4))
        return {name: self.value(depth - 1) for name in names}

    def _list(self, depth: int) -> Any:
        return [self.value(depth - 1) for _ in range(self._random.randint(0, 3))]

    def _mutated(self, value: Any) -> Any:
        dice = self._random.random()
        if isinstance(value, dict) and dice < 0.9:
            name = self._random.choice((*value, *self._random.sample(NAMES, 2)))
            if name not in value:
                return {**value, name: self.value(2)}
            if dice < 0.2:
                return {other: inner for other, inner in value.items() if other != name}
            return {**value, name: self._mutated(value[name])}
        if isinstance(value, list) and value and dice < 0.9:
            at = self._random.randrange(len(value))
            if dice < 0.3:
                return value[:at] + value[at + 1 :]
            return [*value[:at], self._mutated(value[at]), *value[at + 1 :]]
        return self.value(2)


def told(value: Any) -> Any:
    """
    Return a value that is equal to another's only where both are the same type for type, digit for digit.
    """
    if isinstance(value, dict):
        return {name: told(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(inner) for inner in value]
    return (type(value).__name__, repr(value))
