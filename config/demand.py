"""
What an expression reads of what it is given, and what that may cost: told by its tree, before any call comes.

**What it reads.** A `Demand` is a tree beside the data: which members are read by name, what is read of every element,
and where a whole value is wanted. Only that is handed to the evaluator, because handing over a page of objects whole
costs more than any question about it, and because a fault in what nobody asked for must refuse nothing. Whatever is not
certain to be read by name only (a computed index, an operand, an argument of a function) is wanted whole: what is left
out can never change what an expression says.

**What it costs.** Evaluation cannot be interrupted, and the sizes of lists are an upstream's word. The cost is a
polynomial in the longest of them, because only macros loop: `all`, `exists` and `exists_one` once over their list,
`filter` and `map` with the square of it on top, since the library copies their result for each element that it adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from config.faults import Unreadable, did_you_mean
from config.syntax import Call, Choice, Has, Index, Listed, Literal, Macro, Name, Node, Operation, Select

# A pattern is compiled each time that it is asked for: a quarter of a millisecond.
_MATCH_COST = 2000

# What `filter` and `map` copy for each pair of elements, in the steps of everything else.
_COPY_COST = 0.25


@dataclass(slots=True)
class Demand:
    """
    What is read of one value: members by name, something of `each` element, or the `whole` of it.
    """

    members: dict[str, Demand] = field(default_factory=dict)
    each: Demand | None = None
    whole: bool = False

    def member(self, name: str) -> Demand:
        """
        Return what is read of a member.
        """
        return self.members.setdefault(name, Demand())

    def element(self) -> Demand:
        """
        Return what is read of every element.
        """
        self.each = self.each or Demand()
        return self.each

    def take(self) -> None:
        """
        Want the whole value, through whatever it was computed from.
        """
        self.whole = True
        for below in (*self.members.values(), *([self.each] if self.each else [])):
            if not below.whole:
                below.take()


@dataclass(frozen=True, slots=True)
class Reads:
    """
    What an expression reads of each root, the `cost` of evaluating it (the factors of 1, n, n²…), what it compares with
    what, and every name, function and time zone that stands in it.
    """

    roots: Mapping[str, Demand]
    cost: tuple[float, ...]
    compared: tuple[tuple[tuple[str, str], Literal], ...]
    names: frozenset[str]
    functions: frozenset[str]
    zones: tuple[str, ...]
    longest: int

    def members(self, root: str) -> tuple[str, ...]:
        """
        Return the members of a root that are read.
        """
        return tuple(self.roots[root].members) if root in self.roots else ()


def reads_of(tree: Node, known: frozenset[str]) -> Reads:
    """
    Return what an expression reads of the roots that there are. Raises `Unreadable` for any other name.
    """
    walk = _Walk(known)
    found, cost = walk.value(tree, {})
    if found is not None:
        found.take()
    return Reads(
        MappingProxyType(walk.roots),
        tuple(cost),
        tuple(walk.compared),
        frozenset(walk.names),
        frozenset(walk.functions),
        tuple(walk.zones),
        walk.longest,
    )


Scope = Mapping[str, Demand | None]
Cost = list[float]


class _Walk:
    """
    One walk over a tree. The place of a value is its demand, or None where it was computed.
    """

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self.roots: dict[str, Demand] = {}
        self.compared: list[tuple[tuple[str, str], Literal]] = []
        self.names: set[str] = set()
        self.functions: set[str] = set()
        self.zones: list[str] = []
        self.longest = 1

    def value(self, node: Node, scope: Scope) -> tuple[Demand | None, Cost]:
        match node:
            case Literal():
                return None, [1]
            case Name(name):
                return self._named(name, scope), [1]
            case Select(of, member):
                place, cost = self.value(of, scope)
                return (place.member(member) if place else None), _plus(cost, [1])
            case Has(of, member):
                place, cost = self.value(of, scope)
                if place:
                    place.member(member)
                return None, _plus(cost, [1])
            case Index(of, at):
                place, cost = self.value(of, scope)
                return (place.element() if place else None), _plus(cost, self._taken(at, scope))
            case Macro():
                return self._macro(node, scope)
            case Operation(signs, items):
                self._compare(signs, items, scope)
                return None, self._operation(signs, items, scope)
            case Choice(test, then, other):
                return None, _plus(*(self._taken(one, scope) for one in (test, then, other)))
            case Listed(items):
                self.longest = max(self.longest, len(items))
                return None, _plus([1], *(self._taken(one, scope) for one in items))
            case Call():
                return None, self._call(node, scope)

    def _taken(self, node: Node, scope: Scope) -> Cost:
        place, cost = self.value(node, scope)
        if place is not None:
            place.take()
        return cost

    def _named(self, name: str, scope: Scope) -> Demand | None:
        self.names.add(name)
        if name in scope:
            return scope[name]
        if name not in self._known:
            raise Unreadable(f"`{name[:40]}` is nothing that a condition can read", did_you_mean(name, self._known))
        return self.roots.setdefault(name, Demand())

    def _macro(self, node: Macro, scope: Scope) -> tuple[Demand | None, Cost]:
        over, cost = self.value(node.over, scope)
        if node.name in self._known:
            raise Unreadable(f"`{node.name}` is a name that conditions read", "bind another one: `x`")
        self.names.add(node.name)
        inner = {**scope, node.name: over.element() if over else None}
        *tests, said = node.bodies
        last, body = self.value(said, inner)
        body = _plus([1], body, *(self._taken(test, inner) for test in tests))
        width = 1 + _sums(node.over)
        cost = _plus(cost, [0, *(factor * width for factor in body)])
        if node.macro in {"filter", "map"}:
            cost = _plus(cost, [0, 0, _COPY_COST * width * width])
        if node.macro == "map":
            return (Demand(each=last) if last else None), cost
        if last is not None:
            last.take()
        # What `filter` leaves over are elements of the same list.
        return (over if node.macro == "filter" else None), cost

    def _call(self, node: Call, scope: Scope) -> Cost:
        self.functions.add(node.function)
        if node.function == "size" and len(node.arguments) == 1:
            place, cost = self.value(node.arguments[0], scope)
            if place is not None:
                place.element()
            return _plus(cost, [1])
        if node.function == "matches":
            pattern = node.arguments[-1]
            if not isinstance(pattern, Literal):
                raise Unreadable("a pattern is written out, never computed", 'write `args.name.matches("^[a-z]+$")`')
        if node.function.startswith("get") and len(node.arguments) > 1:
            zone = node.arguments[-1]
            if not isinstance(zone, Literal) or not isinstance(zone.value, str):
                raise Unreadable("a time zone is written out, never computed", 'write `now.getHours("Europe/Madrid")`')
            self.zones.append(zone.value)
        price: Cost = [_MATCH_COST if node.function == "matches" else 1]
        return _plus(price, *(self._taken(one, scope) for one in node.arguments))

    def _operation(self, signs: tuple[str, ...], items: tuple[Node, ...], scope: Scope) -> Cost:
        # `in` and `==` look at every element of what stands beside them.
        deep = [0.0, 0.1 * len(signs)] if {"in", "==", "!="} & set(signs) and not _plain(items) else [0.0]
        return _plus([1], deep, *(self._taken(one, scope) for one in items))

    def _compare(self, signs: tuple[str, ...], items: tuple[Node, ...], scope: Scope) -> None:
        """
        Note which members of roots are held against which constants.
        """
        if len(items) != len(signs) + 1:
            return
        for sign, left, right in zip(signs, items, items[1:], strict=False):
            if sign == "in" and isinstance(right, Listed):
                self._note(left, right.items, scope)
            elif sign in {"==", "!=", "<", "<=", ">", ">="}:
                self._note(left, (right,), scope)
                self._note(right, (left,), scope)

    def _note(self, one: Node, constants: tuple[Node, ...], scope: Scope) -> None:
        if isinstance(one, Select) and isinstance(one.of, Name) and one.of.name not in scope:
            place = (one.of.name, one.member)
            self.compared += [(place, constant) for constant in constants if isinstance(constant, Literal)]


def _plus(*costs: Cost) -> Cost:
    length = max(map(len, costs))
    return [sum(cost[at] for cost in costs if at < len(cost)) for at in range(length)]


def _sums(node: Node) -> int:
    """
    Return how often lists may be added to one another in what a macro goes over.
    """
    match node:
        case Operation(signs, items):
            return signs.count("+") + sum(map(_sums, items))
        case Macro(_, over, _, bodies):
            return _sums(over) + sum(map(_sums, bodies))
        case Choice(test, then, other):
            return sum(map(_sums, (test, then, other)))
        case _:
            return 0


def _plain(items: tuple[Node, ...]) -> bool:
    return any(isinstance(one, Literal) for one in items)
