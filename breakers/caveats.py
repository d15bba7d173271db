"""
What a token was narrowed to: each caveat is one thing that must hold, and all of them must.

A caveat is text, `key=value`, of printable ASCII. Whoever holds a token may add one, so a value is hostile input: each
key has one grammar, and a caveat that is not of it, or whose key is not known here, lets nothing pass. Values that are
lists are written `a|b`: one of them must fit. A key that comes again narrows further; it never takes the place of the
first.

| key | holds for |
|---|---|
| `t` `a` `exp` | the task, its agent, and until when (seconds since 1970); every token begins with these three |
| `nbf` | calls from that moment on |
| `p` | calls of these API accounts |
| `r` | these operations: `refunds.*:rw` for reads and writes, `charges.*:r` for reads only, `:w` for writes only |
| `m` | these HTTP methods |
| `max` | what moves no more money than this in all: `50USD` |
| `n` | so many calls in all |
| `ip` | callers at these addresses or networks |
| `peer` | callers on a unix socket that run as this user id |
| `env` | agents whose card names this environment |
| `appr` | `required`: reads only, as long as nobody can approve a write |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType

from config.faults import Unreadable, did_you_mean
from config.money import Money

FIRST = ("t", "a", "exp")
"""The keys of the caveats that every token begins with, in this order."""

CAVEAT_BYTES_MAX = 255
"""Its length stands in a token in one byte."""

KEYS_HINT = "docs/TASKS.md lists what a token can be narrowed to"

CALLS_MAX = 999_999_999
"""More calls than any task can make in a day."""

# A token names a few dozen values at most, and the same ones with every call.
_PARSED_MAX = 4_096

_TASK = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})/[0-9A-HJKMNP-TV-Z]{26}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_ENVIRONMENTS = frozenset({"production", "staging", "development", "test"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Ten digits reach into the year 2286, and no library overflows on them.
_MOMENT = re.compile(r"[1-9][0-9]{0,9}")
_COUNT = re.compile(r"0|[1-9][0-9]{0,8}")
_USER = re.compile(r"0|[1-9][0-9]{0,9}")
_SUM = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,6})?)([A-Z]{3})")
_NETWORK = re.compile(r"[0-9A-Fa-f.:]{2,39}(?:/[0-9]{1,3})?")
_PRINTABLE = re.compile(r"[!-~]+")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Caveat:
    """
    One caveat as it stands in a token, `key=value`; `id` names the token as it was narrowed by this one.
    """

    key: str
    value: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """
    Operations by their names, and what may be done with them.
    """

    pattern: str
    reads: bool
    writes: bool

    def fits(self, names: tuple[str, ...], *, writes: bool) -> bool:
        """
        Tell whether an operation of these names, which writes or does not, is among them.
        """
        return (self.writes if writes else self.reads) and any(fits(self.pattern, name) for name in names)


def read_caveat(text: str, id_: str = "") -> Caveat:
    """
    Read a caveat. Raises `Unreadable` for one that nobody here could hold a call against.
    """
    key, _, value = text.partition("=")
    grammar = _GRAMMAR.get(key)
    if grammar is None:
        raise Unreadable("no caveat has this key", did_you_mean(key[:CAVEAT_BYTES_MAX], _GRAMMAR) or KEYS_HINT)
    if len(text) > CAVEAT_BYTES_MAX or not _PRINTABLE.fullmatch(text):
        raise Unreadable(f"a caveat is at most {CAVEAT_BYTES_MAX} printable characters without a space")
    says, form = grammar
    try:
        says(value)
    except ValueError:
        raise Unreadable(f"this is no value of the caveat `{key}`", form) from None
    return Caveat(key, value, id_)


def fits(pattern: str, name: str) -> bool:
    """
    Tell whether a name is one that a pattern means; `*` is any run of characters.

    Piece by piece from the left, because a pattern is its writer's and a regular expression of many stars takes for
    ever.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *inner, last = rest
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in inner:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def agent_of(task: str) -> str:
    """
    Return the agent in the id of an opened task. Raises `ValueError` for what is none.
    """
    found = _TASK.fullmatch(task)
    if found is None:
        raise ValueError("no id of a task")
    return found.group(1)


@lru_cache(_PARSED_MAX)
def moment(value: str) -> datetime:
    """
    Read seconds since 1970. Raises `ValueError`.
    """
    return datetime.fromtimestamp(int(_matched(_MOMENT, value)), UTC)


def count(value: str) -> int:
    """
    Read a number of calls. Raises `ValueError`.
    """
    return int(_matched(_COUNT, value))


def user(value: str) -> int:
    """
    Read a user's id. Raises `ValueError`.
    """
    return int(_matched(_USER, value))


@lru_cache(_PARSED_MAX)
def money(value: str) -> Money:
    """
    Read a sum such as `50USD`, exact to the micro-unit. Raises `ValueError`.
    """
    found = _SUM.fullmatch(value)
    if found is None:
        raise ValueError("no sum")
    return Money.parse(f"{found.group(1)} {found.group(2)}")


@lru_cache(_PARSED_MAX)
def resources(value: str) -> tuple[Resource, ...]:
    """
    Read operations and what may be done with them. Raises `ValueError`.
    """
    return tuple(_resource(one) for one in value.split("|"))


def _resource(text: str) -> Resource:
    pattern, _, mode = text.rpartition(":")
    if not pattern or mode not in {"r", "w", "rw"}:
        raise ValueError("no operations")
    return Resource(pattern, "r" in mode, "w" in mode)


@lru_cache(_PARSED_MAX)
def names(value: str) -> frozenset[str]:
    """
    Read names of API accounts. Raises `ValueError`.
    """
    return frozenset(_matched(_NAME, one) for one in value.split("|"))


@lru_cache(_PARSED_MAX)
def methods(value: str) -> frozenset[str]:
    """
    Read HTTP methods. Raises `ValueError`.
    """
    return frozenset(_one_of(_METHODS, one) for one in value.split("|"))


@lru_cache(_PARSED_MAX)
def networks(value: str) -> tuple[Network, ...]:
    """
    Read addresses and networks. Raises `ValueError`.
    """
    return tuple(ip_network(_matched(_NETWORK, one)) for one in value.split("|"))


def _matched(form: re.Pattern[str], value: str) -> str:
    if form.fullmatch(value) is None:
        raise ValueError("another form")
    return value


def _one_of(words: frozenset[str], value: str) -> str:
    if value not in words:
        raise ValueError("another word")
    return value


_GRAMMAR: Mapping[str, tuple[Callable[[str], object], str]] = MappingProxyType(
    {
        "t": (agent_of, "the id of an opened task"),
        "a": (lambda value: _matched(_NAME, value), "an agent's name"),
        "exp": (moment, "write seconds since 1970: `exp=1795262400`"),
        "nbf": (moment, "write seconds since 1970: `nbf=1795262400`"),
        "p": (names, "write names of `apis`: `p=stripe|github`"),
        "r": (resources, "write operations and what may be done with them: `r=refunds.*:rw|charges.*:r`"),
        "m": (methods, "write HTTP methods: `m=GET|POST`"),
        "max": (money, "write an amount and its currency: `max=50USD`"),
        "n": (count, f"write a number of calls, at most {CALLS_MAX:,}: `n=6`"),
        "ip": (networks, "write addresses or networks: `ip=10.0.0.0/8|192.0.2.7`"),
        "peer": (user, "write a user's id: `peer=1000`"),
        "env": (lambda value: _one_of(_ENVIRONMENTS, value), "write `env=test`, or another environment of a card"),
        "appr": (lambda value: _one_of(frozenset({"required"}), value), "write `appr=required`"),
    }
)
"""What a value of each key is, and how it is written."""
