"""
The text of a condition as a tree: CEL's grammar, as far as conditions may use it.

The library that evaluates an expression tells which names stand in it, and nothing else. What must be known before a
call comes (which arguments and look-ups it reads, which names it binds itself, how often it may loop) is told by the
tree. So an expression is read twice, and whatever one of the two readers does not take is a fault in the configuration:
there is nothing left that the two could read differently and both accept unseen.

Taken are literals, names, members, indices, calls, lists, mappings, `? :`, the operators and the macros `has`, `all`,
`exists`, `exists_one`, `filter` and `map`. Not taken are messages (`Type{…}`), names with a leading dot and optional
members. Chains of one operator are one node, so that a long one is not a deep one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from config.faults import Unreadable
from config.syntax import Call, Choice, Has, Index, Listed, Literal, Macro, Name, Node, Operation, Select

LENGTH_MAX = 2000
"""Characters of an expression; what is longer is several conditions."""

DEPTH_MAX = 24
"""Brackets inside one another, and members of members: far above what anybody reads, far below any parser's stack."""

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>(?:[rR][bB]?|[bB][rR])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
        |[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
            |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+
        |[0-9]+[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[=!<>]=|[-<>+*/%!?:,.()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)

# The operators that join two things, the loosest first; those of one row have the same strength.
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "<", "<=", ">", ">=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)

_CONSTANTS = {"true": True, "false": False, "null": None}


def read_expression(text: str) -> Node:
    """
    Return the tree of an expression. Raises `Unreadable`.
    """
    if len(text) > LENGTH_MAX:
        raise Unreadable(f"an expression has at most {LENGTH_MAX} characters", "write several conditions")
    parser = _Parser(tuple(_tokens(text)))
    tree = parser.choice()
    parser.end()
    return tree


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Unreadable(f"`{text[at : at + 12]}` at character {at + 1} is not CEL", "see the cookbook")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], at)
        at = found.end()
    yield _Token("end", "", at)


class _Parser:
    """
    Reads one expression, the loosest operator first.
    """

    def __init__(self, tokens: tuple[_Token, ...]) -> None:
        self._tokens, self._next, self._depth = tokens, 0, 0

    def end(self) -> None:
        if self._here.kind != "end":
            raise self._wrong()

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _is(self, *texts: str) -> bool:
        return self._here.text in texts and self._here.kind in {"sign", "name"}

    def _take(self, text: str | None = None) -> str:
        here = self._here
        if (text is not None and not self._is(text)) or here.kind == "end":
            raise self._wrong(text)
        self._next += 1
        return here.text

    def _word(self) -> str:
        if self._here.kind != "name":
            raise self._wrong()
        return self._take()

    def _wrong(self, wanted: str | None = None) -> Unreadable:
        here = self._here
        found = f"`{here.text[:20]}` at character {here.at + 1}" if here.text else "its end"
        return Unreadable(f"the expression cannot be read at {found}", f"`{wanted}` belongs there" if wanted else "")

    def choice(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Unreadable(f"an expression is nested at most {DEPTH_MAX} deep", "write several conditions")
        test = self._joined(0)
        if self._is("?"):
            self._take()
            then = self._joined(0)
            self._take(":")
            test = Choice(test, then, self.choice())
        self._depth -= 1
        return test

    def _joined(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._signed()
        items, signs = [self._joined(level + 1)], []
        while self._is(*_LEVELS[level]):
            signs.append(self._take())
            items.append(self._joined(level + 1))
        return items[0] if not signs else Operation(tuple(signs), tuple(items))

    def _signed(self) -> Node:
        signs = []
        while self._is("!", "-"):
            signs.append(self._take())
        if len(signs) > DEPTH_MAX:
            raise self._wrong()
        inner = self._member()
        return Operation(tuple(signs), (inner,)) if signs else inner

    def _member(self) -> Node:
        node, links = self._primary(), 0
        while self._is(".", "["):
            links += 1
            if links > DEPTH_MAX:
                raise Unreadable(f"members are nested at most {DEPTH_MAX} deep", "")
            if self._take() == "[":
                node = _indexed(node, self.choice())
                self._take("]")
                continue
            member = self._word()
            node = self._called(member, node) if self._is("(") else Select(node, member)
        return node

    def _called(self, function: str, target: Node | None) -> Node:
        arguments = self._list("(", ")")
        if target is None and function == "has":
            if len(arguments) != 1 or not isinstance(arguments[0], Select):
                raise Unreadable("`has` is asked of one member: `has(args.reason)`", "")
            return Has(arguments[0].of, arguments[0].member)
        if target is None:
            return Call(function, arguments)
        if function not in MACROS:
            return Call(function, (target, *arguments))
        bound, *bodies = arguments or (Literal("null", None),)
        if not isinstance(bound, Name) or not 1 <= len(bodies) <= (2 if function == "map" else 1):
            raise Unreadable(f"`{function}` takes a name and what is said of it", f"`list.{function}(x, …)`")
        return Macro(function, target, bound.name, tuple(bodies))

    def _list(self, first: str, last: str) -> tuple[Node, ...]:
        self._take(first)
        items: list[Node] = []
        while not self._is(last):
            items.append(self.choice())
            if not self._is(last):
                self._take(",")
        self._take(last)
        return tuple(items)

    def _mapping(self) -> Node:
        self._take("{")
        items: list[Node] = []
        while not self._is("}"):
            items.append(self.choice())
            self._take(":")
            items.append(self.choice())
            if not self._is("}"):
                self._take(",")
        self._take("}")
        return Listed(tuple(items))

    def _primary(self) -> Node:
        here = self._here
        if here.kind in {"text", "number"}:
            self._next += 1
            return Literal(*_constant(here))
        if here.kind == "name":
            name = self._take()
            if name in _CONSTANTS:
                return Literal("null" if _CONSTANTS[name] is None else "boolean", _CONSTANTS[name])
            return self._called(name, None) if self._is("(") else Name(name)
        if self._is("["):
            return Listed(self._list("[", "]"))
        if self._is("{"):
            return self._mapping()
        if not self._is("("):
            raise self._wrong()
        self._take()
        inner = self.choice()
        self._take(")")
        return inner


def _indexed(of: Node, at: Node) -> Node:
    # A member may have a name that is no word: `args["issue-id"]`.
    if isinstance(at, Literal) and at.kind == "text" and isinstance(at.value, str):
        return Select(of, at.value)
    return Index(of, at)


def _constant(token: _Token) -> tuple[str, str | None]:
    if token.kind == "number":
        return "number", token.text
    prefix = token.text[: len(token.text) - len(token.text.lstrip("rRbB"))].lower()
    quotes = 3 if token.text[len(prefix) :].startswith(('"""', "'''")) else 1
    inner = token.text[len(prefix) + quotes : -quotes]
    if "b" in prefix:
        return "bytes", None
    # What an escape stands for is the library's business: nothing is named by it.
    return "text", inner if "\\" not in inner or "r" in prefix else None
