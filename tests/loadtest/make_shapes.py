"""
Make a table of `shape_tables/` from an OpenAPI 3 document: `DOCUMENT TABLE --source WORDS --licence WORDS < LIST`.

The list on standard input has a `METHOD /path` a line, the path as the document spells it. Only facts are taken:
methods, paths, names and types of members, and which members must be there. Types deeper than `--depth` references
below an answer stay `object`, since the documents of these vendors reach nearly all of themselves from everywhere.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

_TYPES = {"string", "integer", "number", "boolean", "null", "array", "object"}


class Maker:
    """
    One document, and the named shapes that were reached in it so far, each at the least depth at which it was.
    """

    def __init__(self, document: Mapping[str, Any], depth_max: int) -> None:
        self._document = document
        self._depth_max = depth_max
        self.depths: dict[str, int] = {}
        self.shapes: dict[str, Any] = {}

    def template(self, path: str, operation: Mapping[str, Any]) -> str:
        """
        Return a path with `{+name}` where the document says that a parameter may take several segments.
        """
        for parameter in map(self._resolved, operation.get("parameters") or ()):
            if parameter.get("x-multi-segment"):
                path = path.replace(f"{{{parameter['name']}}}", f"{{+{parameter['name']}}}")
        return path

    def answers(self, responses: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the shape of the body for each status.
        """
        found = {}
        for status, response in responses.items():
            content = self._resolved(response).get("content") or {}
            media = content.get("application/json") or next(iter(content.values()), None)
            found[str(status)] = None if media is None else self._shape(media.get("schema", {}), 0)
        return dict(sorted(found.items()))

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def _shape(self, schema: Mapping[str, Any], depth: int) -> Any:
        if "$ref" in schema:
            return self._named(schema["$ref"].rsplit("/", 1)[-1], schema, depth + 1)
        if "allOf" in schema:
            parts = [self._resolved(part) for part in schema["allOf"]]
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return self._shape(_merged([*parts, rest]), depth)
        options = schema.get("oneOf") or schema.get("anyOf")
        kinds = schema.get("type") or ("object" if "properties" in schema else None)
        if options and kinds not in {"object", "array"}:
            found = [self._shape(option, depth) for option in options]
        else:
            listed = [kinds] if isinstance(kinds, str) else list(kinds or [])
            found = [self._of_kind(kind, schema, depth) for kind in listed] or ["any"]
        return _union([*found, *(["null"] if schema.get("nullable") else [])])

    def _of_kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        if kind == "array":
            return [self._shape(schema.get("items") or {}, depth)]
        if kind != "object":
            return kind if kind in _TYPES else "any"
        required = set(schema.get("required") or ())
        shape = {
            name if name in required else f"{name}?": self._shape(inner, depth)
            for name, inner in (schema.get("properties") or {}).items()
        }
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and extra:
            shape["*"] = self._shape(extra, depth)
        return shape or "object"

    def _named(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        if depth > self._depth_max:
            whole = self._shape({**self._resolved(schema), "properties": {}}, depth)
            return "object" if whole == {} else whole
        if depth < self.depths.get(name, depth + 1):
            self.depths[name] = depth
            self.shapes[name] = self._shape(self._resolved(schema), depth)
        return f"#{name}"


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"properties": {}, "required": []}
    for part in parts:
        whole |= {key: value for key, value in part.items() if key not in {"properties", "required", "allOf"}}
        inner = _merged(part["allOf"]) if "allOf" in part else part
        whole["properties"] |= inner.get("properties") or {}
        whole["required"] += inner.get("required") or []
    return whole


def _union(shapes: list[Any]) -> Any:
    plain = [part for shape in shapes if isinstance(shape, str) and shape[0] != "#" for part in shape.split("|")]
    others = [shape for n, shape in enumerate(shapes) if not isinstance(shape, str) or shape[0] == "#"]
    if "any" in plain:
        return "any"
    flat = [
        inner for shape in others for inner in (shape["|"] if isinstance(shape, dict) and "|" in shape else [shape])
    ]
    alternatives = [*flat, *(["|".join(dict.fromkeys(plain))] if plain else [])]
    return alternatives[0] if len(alternatives) == 1 else {"|": alternatives}


def _reached(table: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left: list[Any] = [table]
    while left:
        match left.pop():
            case str(name) if name.startswith("#") and name[1:] not in found:
                found[name[1:]] = shapes[name[1:]]
                left.append(shapes[name[1:]])
            case dict(node):
                left += node.values()
            case list(nodes):
                left += nodes
            case _:
                pass
    return dict(sorted(found.items()))


def main() -> None:
    """
    Read the document and the list, write the table.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.loadtest.make_shapes", description=__doc__)
    parser.add_argument("document", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--source", required=True, help="what the document is, for the table's head")
    parser.add_argument("--licence", required=True)
    parser.add_argument("--depth", type=int, default=3)
    options = parser.parse_args()
    raw = options.document.read_bytes()
    document = yaml.load(
        gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw, getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    maker = Maker(document, options.depth)
    operations = {}
    for line in sys.stdin:
        method, path = line.split()
        operation = document["paths"][path][method.lower()]
        operations[operation.get("operationId", line.strip())] = {
            "method": method,
            "path": maker.template(path, operation),
            "answers": maker.answers(operation["responses"]),
        }
    head = {"source": options.source, "licence": options.licence, "operations": operations}
    table = head | {"shapes": _reached(operations, maker.shapes)}
    options.table.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
