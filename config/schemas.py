"""What the schemas of an OpenAPI document come to: references followed, alternatives joined, one top-level type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any, TypeVar
from urllib.parse import unquote

from config.catalog import Kind
from config.faults import CatalogFault

T = TypeVar("T", dict[str, Any], list[Any], str)

# Deeper than any honest chain of references and alternatives; a document that goes on is nonsense or hostile.
DEPTH_MAX = 64

_TYPES = {kind.value: kind for kind in Kind if kind is not Kind.ANY}
_ALTERNATIVES = ("oneOf", "anyOf")


_WORDS: dict[type, str] = {dict: "an object", list: "a list", str: "text"}


def held(node: dict[str, Any], key: str, kind: type[T], where: str) -> T:
    """
    Return a member of this type, empty where it is absent or null, or raise `CatalogFault`.
    """
    value = node.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise CatalogFault(f"`{key}` of {where} should be {_WORDS[kind]}")
    return value


def join_kinds(kinds: Iterable[Kind]) -> Kind:
    """
    Return the one type that covers all of these; an integer is a number, anything else that differs is `any`.
    """
    found = set(kinds)
    if found == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    return found.pop() if len(found) == 1 else Kind.ANY


def kind_of_value(value: object) -> Kind:
    """
    Return the JSON type of a value.
    """
    kinds = ((bool, Kind.BOOLEAN), (int, Kind.INTEGER), (Decimal, Kind.NUMBER), (str, Kind.STRING), (list, Kind.ARRAY))
    return next((kind for python, kind in kinds if isinstance(value, python)), Kind.OBJECT)


@dataclass(frozen=True, slots=True)
class Schemas:
    """
    The document in which references are looked up, and what its schemas were found to be: each is read once.
    """

    document: dict[str, Any]
    _kinds: dict[int, Kind] = field(default_factory=dict, init=False, repr=False)
    _members: dict[int, dict[str, Kind]] = field(default_factory=dict, init=False, repr=False)
    _shapes: dict[int, frozenset[Kind]] = field(default_factory=dict, init=False, repr=False)

    def resolve(self, node: object, where: str) -> dict[str, Any]:
        """
        Return the object that a node is or refers to, or raise `CatalogFault`.
        """
        for _ in range(DEPTH_MAX):
            if not isinstance(node, dict):
                raise CatalogFault(f"{where} has or refers to something that should be an object and is not")
            reference = node.get("$ref")
            if reference is None:
                return node
            node = self._at(reference, where)
        raise CatalogFault(f"{where} has references that lead to each other")

    def _at(self, reference: object, where: str) -> object:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            hint = "bundle the document into one file first"
            raise CatalogFault(f"{where} refers to {reference!r}, which is not inside the document", hint)
        node: object = self.document
        for raw in unquote(reference[2:]).split("/"):
            key = raw.replace("~1", "/").replace("~0", "~")
            node = _step(node, key)
        if node is None:
            raise CatalogFault(f"{where} refers to {reference}, which does not exist")
        return node

    def kind(self, schema: object, where: str, depth: int = 0) -> Kind:
        """
        Return the top-level JSON type of a schema; `any` where it has none or several. Null counts as absent.
        """
        if not isinstance(schema, dict) or depth > DEPTH_MAX:
            return Kind.ANY
        schema = self.resolve(schema, where)
        if id(schema) not in self._kinds:
            self._kinds[id(schema)] = Kind.ANY  # for a schema that leads back to itself
            self._kinds[id(schema)] = self._kind(schema, where, depth)
        return self._kinds[id(schema)]

    def _kind(self, schema: dict[str, Any], where: str, depth: int) -> Kind:
        declared = schema.get("type")
        types = declared if isinstance(declared, list) else [declared]
        if known := [_TYPES[name] for name in types if isinstance(name, str) and name in _TYPES]:
            return join_kinds(known)
        if schema.get("allOf"):
            # Every part holds, so a part that says nothing changes nothing.
            told = [self.kind(part, where, depth + 1) for part in _parts(schema, "allOf")]
            return join_kinds(kind for kind in told if kind is not Kind.ANY)
        for key in _ALTERNATIVES:
            if schema.get(key):
                parts = [part for part in _parts(schema, key) if part != {"type": "null"}]
                return join_kinds(self.kind(part, where, depth + 1) for part in parts)
        if isinstance(schema.get("enum"), list):
            return join_kinds(kind_of_value(value) for value in schema["enum"] if value is not None)
        if "properties" in schema or "additionalProperties" in schema:
            return Kind.OBJECT
        return Kind.ARRAY if "items" in schema else Kind.ANY

    def members(self, schema: object, where: str, depth: int = 0) -> dict[str, Kind]:
        """
        Return the members of an object schema and of every part and alternative of it, each with its type.
        """
        if not isinstance(schema, dict) or depth > DEPTH_MAX:
            return {}
        schema = self.resolve(schema, where)
        if id(schema) not in self._members:
            self._members[id(schema)] = {}  # for a schema that leads back to itself
            self._members[id(schema)] = self._joined(schema, where, depth)
        return self._members[id(schema)]

    def _joined(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Kind]:
        properties = schema.get("properties")
        found = {
            name: [self.kind(member, where)]
            for name, member in (properties.items() if isinstance(properties, dict) else ())
        }
        for key in ("allOf", *_ALTERNATIVES):
            for part in _parts(schema, key):
                for name, kind in self.members(part, where, depth + 1).items():
                    found.setdefault(name, []).append(kind)
        return {name: join_kinds(kinds) for name, kinds in found.items()}

    def is_open(self, schema: object, where: str) -> bool:
        """
        Tell whether a body of this schema may be an object whose members the schema does not name.
        """
        shapes = self.shapes(schema, where)
        if self.members(schema, where) or (shapes and Kind.OBJECT not in shapes):
            return False
        return not isinstance(schema, dict) or self.resolve(schema, where).get("additionalProperties") is not False

    def others(self, schema: object, where: str) -> frozenset[Kind]:
        """
        Return the JSON types that a body of this schema may have beside that of an object.
        """
        shapes = self.shapes(schema, where)
        if shapes or self.members(schema, where):
            return shapes - {Kind.OBJECT}
        return frozenset({Kind.ANY})

    def shapes(self, schema: object, where: str, depth: int = 0) -> frozenset[Kind]:
        """
        Return every JSON type that a schema names, in any alternative; nothing where it names none.
        """
        if not isinstance(schema, dict) or depth > DEPTH_MAX:
            return frozenset()
        schema = self.resolve(schema, where)
        if id(schema) not in self._shapes:
            self._shapes[id(schema)] = frozenset()  # for a schema that leads back to itself
            self._shapes[id(schema)] = self._shaped(schema, where, depth)
        return self._shapes[id(schema)]

    def _shaped(self, schema: dict[str, Any], where: str, depth: int) -> frozenset[Kind]:
        declared = schema.get("type")
        types = declared if isinstance(declared, list) else [declared]
        if known := [_TYPES[name] for name in types if isinstance(name, str) and name in _TYPES]:
            return frozenset(known)
        if isinstance(schema.get("enum"), list):
            return frozenset(kind_of_value(value) for value in schema["enum"] if value is not None)
        if "properties" in schema or "additionalProperties" in schema:
            return frozenset({Kind.OBJECT})
        if "items" in schema:
            return frozenset({Kind.ARRAY})
        told = [
            frozenset().union(*(self.shapes(part, where, depth + 1) for part in _parts(schema, key)))
            for key in _ALTERNATIVES
        ]
        told += [self.shapes(part, where, depth + 1) for part in _parts(schema, "allOf")]
        # All of these hold at once; those that say nothing change nothing.
        return reduce(lambda one, two: one & two or one | two, filter(None, told), frozenset())


def _step(node: object, key: str) -> object:
    if isinstance(node, list):
        return next((item for place, item in enumerate(node) if str(place) == key), None)
    return node.get(key) if isinstance(node, dict) else None


def _parts(schema: dict[str, Any], key: str) -> list[object]:
    parts = schema.get(key)
    return parts if isinstance(parts, list) else []
