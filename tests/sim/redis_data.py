"""
What a Redis holds: strings, hashes, sorted sets and lists, each with a time to live; what its commands are made of.

Written from the commands' own documentation, and held against a real server by `test_redis_model.py`: a command that is
not here is refused loudly, as is an argument of one that is. Everything is bytes; time is what `micros` returns.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_INTEGER = "ERR value is not an integer or out of range"
HASH_NO_INTEGER = "ERR hash value is not an integer"
NO_FLOAT = "ERR value is not a valid float"
BOUND_NO_FLOAT = "ERR min or max is not a float"
SYNTAX = "ERR syntax error"

INT_MAX = 2**63 - 1


class Refused(Exception):
    """
    What a server says instead of an answer.
    """


class Status(bytes):
    """
    An answer that is a word of the protocol, as `OK`.
    """


OK = Status(b"OK")

Reply = Any
"""bytes, int, None, `Status`, or a list of replies."""


@dataclass(slots=True)
class Sorted:
    """
    A sorted set: the members' scores, and the pairs in their order.
    """

    scores: dict[bytes, float] = field(default_factory=dict)
    order: list[tuple[float, bytes]] = field(default_factory=list)

    def put(self, member: bytes, score: float) -> bool:
        """
        Give a member a score, and tell whether it is new.
        """
        is_new = not self.drop(member)
        self.scores[member] = score
        insort(self.order, (score, member))
        return is_new

    def drop(self, member: bytes) -> bool:
        """
        Take a member out, and tell whether it was there.
        """
        score = self.scores.pop(member, None)
        if score is None:
            return False
        del self.order[bisect_left(self.order, (score, member))]
        return True


Value = bytes | dict[bytes, bytes] | Sorted | list[bytes]


class Keyspace:
    """
    Every key, and when it is over.
    """

    def __init__(self, micros: Callable[[], int]) -> None:
        self.micros = micros
        self.values: dict[bytes, Value] = {}
        self.over_ms: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<Keyspace {len(self.values)} keys>"

    def copied(self) -> Keyspace:
        """
        Return all of it as it is now.
        """
        made = Keyspace(self.micros)
        made.values, made.over_ms = copy.deepcopy(self.values), dict(self.over_ms)
        return made

    def now_ms(self) -> int:
        """
        Return the milliseconds of its clock.
        """
        return self.micros() // 1000

    def found(self, key: bytes) -> Value | None:
        """
        Return what a key holds; one that is over holds nothing.
        """
        over = self.over_ms.get(key)
        if over is not None and over <= self.now_ms():
            self.forget(key)
        return self.values.get(key)

    def forget(self, key: bytes) -> bool:
        """
        Remove a key, and tell whether it was there.
        """
        self.over_ms.pop(key, None)
        return self.values.pop(key, None) is not None

    def string(self, key: bytes) -> bytes | None:
        """
        Return a string.
        """
        value = self.found(key)
        if value is not None and not isinstance(value, bytes):
            raise Refused(WRONG_TYPE)
        return value

    def hash(self, key: bytes) -> dict[bytes, bytes]:
        """
        Return a hash; nothing keeps an empty one.
        """
        value = self.found(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Refused(WRONG_TYPE)
        return value

    def sorted(self, key: bytes) -> Sorted:
        """
        Return a sorted set; nothing keeps an empty one.
        """
        value = self.found(key)
        if value is None:
            return Sorted()
        if not isinstance(value, Sorted):
            raise Refused(WRONG_TYPE)
        return value

    def list(self, key: bytes) -> list[bytes]:
        """
        Return a list; nothing keeps an empty one.
        """
        value = self.found(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Refused(WRONG_TYPE)
        return value

    def keep(self, key: bytes, value: Value) -> None:
        """
        Hold what was changed, or forget a key under which nothing is left.
        """
        if value.scores if isinstance(value, Sorted) else value:
            self.values[key] = value
        else:
            self.forget(key)


def integer(text: bytes, otherwise: str = NO_INTEGER) -> int:
    """
    Read a whole number as the server does. Raise `Refused`.
    """
    plain = text.removeprefix(b"-")
    if not plain.isdigit() or (plain[:1] == b"0" and text != b"0") or not -INT_MAX - 1 <= int(text) <= INT_MAX:
        raise Refused(otherwise)
    return int(text)


def number(text: bytes, otherwise: str = NO_FLOAT) -> float:
    """
    Read a score. Raise `Refused`.
    """
    try:
        read = float(text)
    except ValueError:
        raise Refused(otherwise) from None
    if math.isnan(read):
        raise Refused(otherwise)
    return read


def spelled(score: float) -> bytes:
    """
    Return a score as the server spells it.
    """
    if math.isinf(score):
        return b"inf" if score > 0 else b"-inf"
    return b"%d" % int(score) if score.is_integer() and abs(score) < 1e17 else (b"%.17g" % score)


@dataclass(frozen=True, slots=True)
class Bound:
    """
    One end of a range of scores.
    """

    score: float
    is_open: bool

    @classmethod
    def read(cls, text: bytes) -> Bound:
        """
        Read `5`, `(5`, `-inf`. Raise `Refused`.
        """
        is_open = text[:1] == b"("
        return cls(number(text[is_open:], BOUND_NO_FLOAT), is_open)

    def below(self, score: float) -> bool:
        """
        Tell whether this lower end lets a score in.
        """
        return self.score < score or (self.score == score and not self.is_open)

    def above(self, score: float) -> bool:
        """
        Tell whether this upper end lets a score in.
        """
        return self.score > score or (self.score == score and not self.is_open)
