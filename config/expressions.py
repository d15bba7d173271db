"""
An expression of a condition, compiled once and asked with what one call shows.

CEL's own rules hold, as the library has them. What it does quietly is made a refusal here: an integer that it would
round, an answer that is not of the kind that was asked for, a fault anywhere inside it, even a panic of its own. Who
asks gets an answer or `Unanswerable`, whose words hold nothing of the data.

`&&`, `||` and the macros built on them look past a fault where the rest decides alone (`fault || true` is true): that
is CEL, and it is sound, because whatever was missing could not have changed the answer.

The library knows no seconds and no zones, so two functions are added as its documentation offers: `timestamp` of a
whole number, in seconds since 1970, and the parts of a time in a zone, `now.getHours("Europe/Madrid")`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType, ModuleType
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from config.demand import Demand, Reads, reads_of
from config.faults import Unreadable, did_you_mean
from config.grammar import read_expression

PLACES = ("args", "path", "query", "body")
"""The roots whose members are arguments."""

ROOTS = frozenset({
    *PLACES, "task", "agent", "api", "operation", "method", "now", "local", "look", "moved",
})  # fmt: skip

MEMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "task": ("id", "opened", "record", "model", "prompt"),
        "local": ("year", "month", "day", "hour", "minute", "weekday", "date", "time"),
        "moved": ("amount", "currency"),
    }
)
"""The roots that have the same members in every call."""

_WORDS = frozenset({"agent", "api", "operation", "method", "now"})

NODES_MAX = 10_000
"""Values that are handed over for one question: each costs a microsecond, and nobody is served meanwhile."""

STEPS_MAX = 200_000
"""What one question may cost, in steps of an eighth of a microsecond: 25 ms in which nobody else is served."""

_INTEGERS = range(-(2**63), 2**63)

_FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string", "timestamp", "duration",
})  # fmt: skip

_PARTS: Mapping[str, Callable[[datetime], int]] = MappingProxyType(
    {
        "getFullYear": lambda at: at.year,
        "getMonth": lambda at: at.month - 1,
        "getDate": lambda at: at.day,
        "getDayOfMonth": lambda at: at.day - 1,
        "getDayOfWeek": lambda at: at.isoweekday() % 7,
        "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
        "getHours": lambda at: at.hour,
        "getMinutes": lambda at: at.minute,
        "getSeconds": lambda at: at.second,
    }
)

_DAYS = re.compile(r"duration\(\s*[\"']([0-9]{1,6})d[\"']\s*\)")


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """
    An expression says nothing of this call: why, in words that hold nothing of the data.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Expression:
    """
    An expression that was read, and what it reads. Two of the same text are equal.
    """

    text: str
    reads: Reads = field(compare=False, repr=False)
    program: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        """
        Return it as it is written.
        """
        return self.text

    @property
    def arguments(self) -> tuple[str, ...]:
        """
        Return the arguments that it reads, as a rule spells them: `charge`, `body.charge`.
        """
        return tuple(
            name if root == "args" else f"{root}.{name}" for root in PLACES for name in self.reads.members(root)
        )

    @property
    def constant(self) -> bool:
        """
        Tell whether it says the same of every call.
        """
        return not self.reads.roots

    def says(self, roots: Mapping[str, object]) -> object:
        """
        Return what it says of these values, of which it sees what it reads.
        """
        try:
            return self._run(self._seen(roots))
        except Unreadable as error:
            return Unanswerable(error.message)

    def holds(self, roots: Mapping[str, object]) -> bool | Unanswerable:
        """
        Return whether it says yes; what is neither yes nor no is no answer.
        """
        said = self.says(roots)
        return said if isinstance(said, bool | Unanswerable) else Unanswerable("it says neither true nor false")

    def _seen(self, roots: Mapping[str, object]) -> dict[str, object]:
        seen = _Seen()
        # An argument or a look-up that is not there is missed by the library, where it is needed.
        values = {name: seen.cut(roots[name], demand) for name, demand in self.reads.roots.items() if name in roots}
        n = max(seen.longest, self.reads.longest)
        steps = sum(factor * n**power for power, factor in enumerate(self.reads.cost))
        if steps * (1 + seen.widest // 8 + seen.letters // 800) > STEPS_MAX:
            raise Unreadable("there is too much to look at")
        return values

    def _run(self, values: dict[str, object]) -> object:
        added = {name: _ADDED[name] for name in self.reads.functions if name in _ADDED}
        try:
            return self.program.execute(_library().Context(values, added) if added else values)
        except KeyError as missing:
            name = str(missing.args[0]) if missing.args else ""
            # A key may be computed from the data: only what stands in the expression is said again.
            raise Unreadable(f"`{name}` is not there" if self._says(name) else "a member is not there") from None
        except TypeError:
            raise Unreadable("values of different kinds are held against one another") from None
        except ArithmeticError:
            raise Unreadable("a number is out of bounds") from None
        except Exception:
            # Whatever it is, the question has no answer.
            raise Unreadable("it cannot be evaluated") from None
        except BaseException as panic:
            # A panic in the library is no `Exception`; it ends this question, and nothing else.
            if type(panic).__name__ != "PanicException":
                raise
            raise Unreadable("it cannot be evaluated") from None

    def _says(self, name: str) -> bool:
        return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", self.text) is not None


@lru_cache(maxsize=16_384)
def compiled(text: str) -> Expression:
    """
    Read and compile an expression; two of one text share what that made. Raises `Unreadable`.
    """
    if (days := _DAYS.search(text)) is not None:
        raise Unreadable("CEL's durations have no days", f'write hours: `duration("{int(days[1]) * 24}h")`')
    reads = reads_of(read_expression(text), ROOTS)
    for function in sorted(reads.functions - _FUNCTIONS - _PARTS.keys()):
        hint = did_you_mean(function, (*_FUNCTIONS, *_PARTS, "has", "exists", "exists_one", "all", "filter", "map"))
        raise Unreadable(f"`{function[:40]}` is no function of conditions", hint)
    for zone in reads.zones:
        if zone not in available_timezones():
            hint = did_you_mean(zone, available_timezones()) or "write an IANA name such as `Europe/Madrid`"
            raise Unreadable(f"`{zone[:60]}` is no time zone", hint)
    _refuse_members(reads)
    return Expression(text, reads, _program(text, reads))


def _refuse_members(reads: Reads) -> None:
    for root, demand in reads.roots.items():
        if root in _WORDS:
            if demand.members or demand.each is not None:
                raise Unreadable(f"`{root}` has no members", "")
        elif demand.whole or demand.each is not None:
            known = f", of {', '.join(MEMBERS[root])}" if root in MEMBERS else ""
            raise Unreadable(f"`{root}` is read by members", f"name one: `{root}.NAME`{known}")
        for name in demand.members if root in MEMBERS else ():
            if name not in MEMBERS[root]:
                raise Unreadable(f"`{root}` has no member `{name[:40]}`", did_you_mean(name, MEMBERS[root]))


def _program(text: str, reads: Reads) -> Any:
    try:
        program = _library().compile(text)
        named = set(program.variables())
    except Exception as error:
        # Its parser has more than one way to say no.
        said = str(error).partition("ERROR: <input>:")[2].partition("\n")[0]
        raise Unreadable(f"this is not CEL{': ' if said else ''}{said[:80]}", "see the cookbook") from None
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise Unreadable("the evaluator cannot read this", "write it in another way") from None
    if not named <= reads.names:
        raise Unreadable("this could be read in two ways", "write it more plainly, without escapes")
    return program


def _library() -> ModuleType:
    """
    Return the library; only who has a condition pays for it, because it brings a terminal's toolkit along.
    """
    import cel  # noqa: PLC0415 see above

    # It would log what a function of ours says of the data.
    logging.getLogger(cel.__name__).disabled = True
    return cel


class _Seen:
    """
    What is handed over for one question, and how much that is.
    """

    __slots__ = ("letters", "longest", "nodes", "widest")

    def __init__(self) -> None:
        self.nodes, self.longest, self.widest, self.letters = 0, 1, 0, 0

    def cut(self, value: object, demand: Demand | None) -> object:
        """
        Return what is read of a value; None as the demand is all of it.
        """
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise Unreadable("there is too much to look at")
        if isinstance(value, Mapping):
            return self._members(value, demand)
        if isinstance(value, list | tuple):
            self.longest = max(self.longest, len(value))
            if demand is None or demand.whole:
                return [self.cut(one, None) for one in value]
            return [self.cut(one, demand.each) for one in value] if demand.each is not None else []
        return self._scalar(value)

    def _members(self, value: Mapping[Any, object], demand: Demand | None) -> dict[str, object]:
        # Which key a computed index means, or a macro goes over, is not known here.
        if demand is None or demand.whole or demand.each is not None:
            self.longest, self.widest = max(self.longest, len(value)), max(self.widest, len(value))
            return {str(name): self.cut(one, None) for name, one in value.items()}
        return {name: self.cut(value[name], below) for name, below in demand.members.items() if name in value}

    def _scalar(self, value: object) -> object:
        if isinstance(value, str):
            self.letters = max(self.letters, len(value))
            return value
        if isinstance(value, bool | datetime) or value is None:
            return value
        if isinstance(value, int) and value in _INTEGERS:
            return value
        if isinstance(value, float | Decimal):
            number = float(value)
            if Decimal(repr(number)) == (value if isinstance(value, Decimal) else Decimal(repr(value))):
                return number
        if isinstance(value, int | Decimal | float):
            raise Unreadable("a number is beyond 64 bits")
        raise Unreadable("a value is no JSON")


def _timestamp(value: object) -> datetime:
    # Text is read by the library itself.
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a moment is text or whole seconds")
    return datetime.fromtimestamp(value, UTC)


def _part(read: Callable[[datetime], int]) -> Callable[[datetime, str], int]:
    def part(at: datetime, zone: str) -> int:
        return read(at.astimezone(ZoneInfo(zone)))

    return part


_ADDED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"timestamp": _timestamp, **{name: _part(read) for name, read in _PARTS.items()}}
)
