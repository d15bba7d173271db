"""
Which operation a request is: a trie of path segments for each base and method.

At each segment a literal beats a template with literal parts (`{base}...{head}`), which beats a parameter, which
beats a multi-segment parameter; the last takes as few segments as lead to a match. The first choice that leads to an
operation of this method wins. Most paths need no choice: they cost one dictionary look-up a segment. Where a literal
turned out wrong, or a template with literal parts or a multi-segment parameter is in play, the look-up backtracks. The
size of the table does not matter for either.

Segments come decoded, so an encoded slash stays inside its segment. An empty segment, a dot segment, and an encoded
slash that would make one never match. A segment that a template with literal parts could split in two ways matches
none: whoever is behind us might split it the other way.

Two operations of one method whose templates differ only in the names of their parameters share a route: the first by
name is what a look-up returns, with the arguments of both spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import NamedTuple

from config.catalog import ObjectSpec, OperationSpec, Place
from config.dialect import Dialect, PathAlias
from config.faults import CatalogFault

_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")

NO_OBJECTS: Mapping[str, ObjectSpec] = MappingProxyType({})

# The method whose operations answer a HEAD.
_GET = "GET"


NO_ARGUMENTS: Mapping[str, str] = MappingProxyType({})


class Match(NamedTuple):
    """
    A route that was recognised: the operation, and its path arguments, decoded.

    Arguments of an alias's template are among them, where the path has them.
    """

    spec: OperationSpec
    path: Mapping[str, str] = NO_ARGUMENTS


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One segment of a template: a literal (no names), one parameter, or several parts with literal text between them.

    `shape` is the segment without the names of its parameters.
    """

    text: str
    names: tuple[str, ...] = ()
    whole: bool = False
    multi: bool = False

    @property
    def shape(self) -> str:
        """
        Return what decides which segments match, the same for any names.
        """
        return _PLACEHOLDER.sub("{*}" if self.multi else "{}", self.text)

    def patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """
        Return the shortest-first and the longest-first reading of a segment with parts.
        """
        literals = [re.escape(text) for text in _PLACEHOLDER.split(self.text)[::2]]
        return re.compile("(.+?)".join(literals), re.DOTALL), re.compile("(.+)".join(literals), re.DOTALL)


def read_template(path: str, multi: Iterable[str] = ()) -> tuple[Segment, ...]:
    """
    Return the segments of a path template, or raise `CatalogFault` where it could not be matched with one meaning.
    """
    multi = frozenset(multi)
    if not path.startswith("/") or re.search(r"[?#\s\x00-\x1f]", path):
        raise CatalogFault(f"`{path}` is not a path template", "it begins with / and has no query, fragment or space")
    segments = () if path == "/" else tuple(_segment(path, text, multi) for text in path[1:].split("/"))
    names = [name for segment in segments for name in segment.names]
    if len(names) != len(set(names)):
        raise CatalogFault(f"`{path}` names a parameter twice")
    if unknown := multi - set(names):
        raise CatalogFault(f"`{path}` has no parameter `{min(unknown)}` that could span segments")
    if sum(segment.multi for segment in segments) > 1:
        raise CatalogFault(f"`{path}` has two parameters that span segments", "where one ends would be a guess")
    return segments


def _segment(path: str, text: str, multi: frozenset[str]) -> Segment:
    if text in {"", ".", ".."}:
        raise CatalogFault(f"`{path}` has an empty or a dot segment")
    literals = _PLACEHOLDER.split(text)[::2]
    if any("{" in literal or "}" in literal for literal in literals):
        raise CatalogFault(f"the braces of `{path}` do not pair up inside one segment")
    if "" in literals[1:-1]:
        raise CatalogFault(f"`{path}` has two parameters with nothing between them", "where one ends would be a guess")
    names = tuple(_PLACEHOLDER.findall(text))
    whole = literals == ["", ""]
    spans = not multi.isdisjoint(names)
    if spans and not whole:
        raise CatalogFault(f"`{path}` has a parameter that spans segments and shares one with other text")
    return Segment(text, names, whole=whole, multi=spans)


def shape_of(segments: tuple[Segment, ...]) -> str:
    """
    Return what two templates have in common when they match the same paths.
    """
    return "/" + "/".join(segment.shape for segment in segments)


@dataclass(slots=True)
class _Leaf:
    spec: OperationSpec
    # The parameters in the order of the template, for a path that was matched with choices.
    names: tuple[str, ...]
    # Where each parameter stands, for a path that was matched without: its segment is its value.
    places: tuple[tuple[str, int], ...]
    # Where a parameter of an alias's template stands.
    also: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parts: dict[str, tuple[re.Pattern[str], re.Pattern[str], _Node]] = field(default_factory=dict)
    parameter: _Node | None = None
    multi: _Node | None = None
    # What a look-up may follow without choosing: the parameter, where it is all there is beside literals.
    only: _Node | None = None
    leaf: _Leaf | None = None

    def child(self, segment: Segment) -> _Node:
        if not segment.names:
            return self.literals.setdefault(segment.text, _Node())
        if segment.multi:
            self.only, self.multi = None, self.multi or _Node()
            return self.multi
        if segment.whole:
            self.parameter = self.parameter or _Node()
            self.only = None if self.parts or self.multi else self.parameter
            return self.parameter
        self.only = None
        if segment.shape not in self.parts:
            self.parts[segment.shape] = (*segment.patterns(), _Node())
        return self.parts[segment.shape][2]


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    An API's operations (by name) and manners, ready for look-ups; `digest` is the SHA-256 of the table and the overlay.
    """

    name: str
    dialect: Dialect
    operations: Mapping[str, OperationSpec]
    digest: str
    _roots: Mapping[tuple[str, str], _Node] = field(repr=False, compare=False)
    objects: Mapping[str, ObjectSpec] = field(default_factory=dict, compare=False)

    @classmethod
    def build(
        cls,
        name: str,
        dialect: Dialect,
        specs: Iterable[OperationSpec],
        digest: str,
        objects: Mapping[str, ObjectSpec] = NO_OBJECTS,
    ) -> Catalog:
        """
        Lay the operations out for look-ups; of those that share a route, the first by name answers.
        """
        operations = {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.name)}
        roots: dict[tuple[str, str], _Node] = {}
        templates = {spec.name: _template(spec) for spec in operations.values()}
        for spec in operations.values():
            _lay(roots.setdefault((spec.base, spec.method), _Node()), spec, templates)
        for node in roots.values():
            for alias in dialect.path_aliases:
                _graft(node, alias)
        for base, method in list(roots):
            if method == _GET:
                roots.setdefault((base, "HEAD"), roots[base, _GET])
        return cls(name, dialect, MappingProxyType(operations), digest, MappingProxyType(roots), objects)

    def match(self, base: str, method: str, segments: tuple[str, ...]) -> Match | None:
        """
        Return the operation of this base, method and path, with its path arguments; HEAD is its GET.
        """
        node = self._roots.get((base, method))
        if node is None:
            return None
        framed = f"/{'/'.join(segments)}/"
        if "//" in framed or ("/." in framed and _has_dots(framed)):
            return Match(node.leaf.spec) if not segments and node.leaf else None
        for text in segments:
            child = node.literals.get(text) or node.only
            if child is None:
                return self._choose(base, method, segments)
            node = child
        leaf = node.leaf
        if leaf is None:
            return self._choose(base, method, segments)
        if not leaf.places:
            return Match(leaf.spec)
        return Match(leaf.spec, {name: segments[place] for name, place in leaf.places})

    def _choose(self, base: str, method: str, segments: tuple[str, ...]) -> Match | None:
        found = _walk(self._roots[base, method], segments, 0)
        if found is None:
            return None
        leaf, values = found
        path = dict(zip(leaf.names, values, strict=True))
        return Match(leaf.spec, path | {name: segments[place] for name, place in leaf.also})

    def refused(self, segments: tuple[str, ...]) -> str | None:
        """
        Return why a path that is no operation never will be one here, where the dialect says so.
        """
        path = "/" + "/".join(segments)
        return next((refused.because for refused in self.dialect.refused_paths if refused.path == path), None)

    def named(self, name: str) -> tuple[OperationSpec, ...]:
        """
        Return the operation of this name and then its aliases; nothing where the name is unknown.
        """
        spec = self.operations.get(name)
        return (spec, *(self.operations[alias] for alias in spec.aliases)) if spec else ()

    def matching(self, pattern: str) -> tuple[OperationSpec, ...]:
        """
        Return the operations one of whose names a pattern matches, in order; `*` is any run of characters.
        """
        if "*" not in pattern:
            return self.named(pattern)
        match = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
        return tuple(spec for spec in self.operations.values() if any(map(match, spec.names)))

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """
        Return the names that are most like an unknown one.
        """
        return tuple(get_close_matches(name, self.operations, n=count))


def _template(spec: OperationSpec) -> tuple[Segment, ...]:
    spanning = {name for (place, name), held in spec.arguments.items() if place is Place.PATH and held.multi_segment}
    return read_template(spec.path, spanning.intersection(_PLACEHOLDER.findall(spec.path)))


def _lay(node: _Node, spec: OperationSpec, templates: Mapping[str, tuple[Segment, ...]]) -> None:
    template = templates[spec.name]
    for segment in template:
        node = node.child(segment)
    if node.leaf is not None:
        if spec.name not in node.leaf.spec.aliases:
            raise CatalogFault(f"`{node.leaf.spec.name}` and `{spec.name}` have the same route and are not aliases")
        return
    names = tuple(name for segment in template for name in segment.names)
    also = tuple(_also(template, names, [templates[alias] for alias in spec.aliases]))
    own = ((name, place) for place, segment in enumerate(template) for name in segment.names)
    node.leaf = _Leaf(spec, names, (*own, *also), also)


def _also(
    template: tuple[Segment, ...], names: tuple[str, ...], aliases: list[tuple[Segment, ...]]
) -> Iterator[tuple[str, int]]:
    for alias in aliases:
        for place, (own, other) in enumerate(zip(template, alias, strict=False)):
            if own.multi:
                break  # from here on, how many segments stand before a parameter depends on the path
            if other.whole and other.names[0] not in names:
                yield other.names[0], place


def _graft(root: _Node, alias: PathAlias) -> None:
    meant: _Node | None = root
    for text in alias.means[1:].split("/"):
        meant = meant.literals.get(text) if meant else None
    if meant is None:
        return  # no operation of this method stands below the prefix
    *above, last = alias.prefix[1:].split("/")
    node = root
    for text in above:
        node = node.literals.setdefault(text, _Node())
    if node.literals.setdefault(last, meant) is not meant:
        raise CatalogFault(f"`{alias.prefix}` cannot mean `{alias.means}`: operations stand below it")


def _walk(node: _Node, segments: tuple[str, ...], at: int) -> tuple[_Leaf, tuple[str, ...]] | None:
    if at == len(segments):
        return (node.leaf, ()) if node.leaf else None
    text = segments[at]
    literal = node.literals.get(text)
    if literal and (found := _walk(literal, segments, at + 1)):
        return found
    for shortest, longest, child in node.parts.values():
        split, other = shortest.fullmatch(text), longest.fullmatch(text)
        if split and other and split.groups() == other.groups() and (found := _walk(child, segments, at + 1)):
            return found[0], (*split.groups(), *found[1])
    if node.parameter and (found := _walk(node.parameter, segments, at + 1)):
        return found[0], (text, *found[1])
    if node.multi:
        for end in range(at + 1, len(segments) + 1):
            if found := _walk(node.multi, segments, end):
                return found[0], ("/".join(segments[at:end]), *found[1])
    return None


def _has_dots(framed: str) -> bool:
    return "/./" in framed or "/../" in framed
