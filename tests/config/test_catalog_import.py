"""Importing: an OpenAPI document or a list of operations becomes a table, or one clear sentence."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.faults import CatalogFault
from config.importing import import_document
from config.table_file import Row, read_table, write_table

PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pet Shop!", "version": "7", "license": {"name": "MIT"}},
    "servers": [{"url": "https://api.pets.example/v2"}, {"url": "https://elsewhere.example"}],
    "paths": {
        "/pets": {
            "parameters": [{"$ref": "#/components/parameters/Limit"}],
            "get": {"operationId": "pets.list"},
            "head": {"operationId": "pets.head"},
            "post": {
                "operationId": "pets.create",
                "tags": ["READ"],
                "requestBody": {"$ref": "#/components/requestBodies/Pet"},
            },
        },
        "/pets/{id}": {
            "parameters": [
                {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}},
                {"in": "header", "name": "X-Trace", "schema": {"type": "string"}},
            ],
            "delete": {
                "operationId": "pets.remove",
                "parameters": [{"in": "path", "name": "id", "schema": {"type": "integer"}}],
            },
            "put": {"operationId": "pets.replace", "requestBody": {"content": {"text/plain": {"schema": {}}}}},
        },
        "/files/{path}/raw": {
            "get": {
                "parameters": [{"in": "path", "name": "path", "x-multi-segment": True, "schema": {"type": "string"}}]
            },
            "post": {
                "operationId": "files.upload",
                "servers": [{"url": "https://uploads.pets.example"}],
                "requestBody": {"content": {"*/*": {}, "multipart/form-data": {"schema": {"type": "array"}}}},
            },
        },
    },
    "components": {
        "parameters": {"Limit": {"in": "query", "name": "limit", "schema": {"type": ["integer", "null"]}}},
        "requestBodies": {
            "Pet": {
                "content": {
                    "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Pet"}},
                    "application/x-www-form-urlencoded": {"schema": {"properties": {"age": {"type": "string"}}}},
                }
            }
        },
        "schemas": {
            "Pet": {
                "allOf": [{"$ref": "#/components/schemas/Named"}, {"properties": {"age": {"type": "integer"}}}],
                "oneOf": [
                    {"properties": {"weight": {"type": "integer"}, "kind": {"enum": ["cat", None]}}},
                    {"properties": {"weight": {"type": "number"}, "kind": {"type": "boolean"}}},
                ],
                "properties": {
                    "mother": {"$ref": "#/components/schemas/Pet"},
                    "any": {},
                    "list": {"items": {}},
                    "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "map": {"additionalProperties": True},
                },
            },
            "Named": {"type": "object", "properties": {"name": {"allOf": [{"type": "string"}, {"maxLength": 9}]}}},
        },
    },
}

LIST: dict[str, Any] = {
    "source": "an SDK 1.0",
    "api_version": "2026-01-01",
    "operations": [
        {
            "name": "things.create",
            "method": "POST",
            "path": "/v1/things/{thing}",
            "arguments": {"size": "decimal", "tags": ["string"], "deep": {"er": "string"}, "m": "map", "on": "boolean"},
        },
        {"name": "things.list", "method": "GET", "path": "/v1/things", "arguments": {"limit": "integer"}},
        {"name": "things.delete", "method": "DELETE", "path": "/v1/things/{thing}", "arguments": {"force": "boolean"}},
        {"name": "v2.things.create", "method": "POST", "path": "/v2/things", "arguments": {"size": "decimal"}},
        {"name": "files.create", "method": "POST", "path": "/v1/files", "base": "files", "arguments": {"file": "any"}},
        {"name": "other.create", "method": "PUT", "path": "/v1/other", "content": "json"},
    ],
}


def rows(document: dict[str, Any]) -> dict[str, Row]:
    return {row.name: row for row in import_document(json.dumps(document).encode()).operations}


def arguments(row: Row) -> dict[str, str]:
    return {f"{place}.{name}": str(kind) for place, held in row.arguments.items() for name, kind in held.items()}


EFFECTS = [
    ("pets.list", "GET", "/v2/pets", "api", "read"),
    ("pets.create", "POST", "/v2/pets", "api", "write"),
    ("pets.remove", "DELETE", "/v2/pets/{id}", "api", "irreversible"),
    ("pets.replace", "PUT", "/v2/pets/{id}", "api", "write"),
    ("GET /files/{path}/raw", "GET", "/v2/files/{path}/raw", "api", "read"),
    ("files.upload", "POST", "/files/{path}/raw", "uploads", "write"),
]


@pytest.mark.parametrize("expected", EFFECTS)
def test_effect_and_route(expected: tuple[str, ...]) -> None:
    """The method decides the effect, a server the base and the path below it, and what is nameless gets a name."""
    row = rows(PETS)[expected[0]]
    assert (row.name, row.method, row.path, row.base, row.effect.value) == expected


def test_every_row() -> None:
    """Every operation becomes one row, and a HEAD beside a GET is that GET."""
    assert set(rows(PETS)) == {name for name, *_ in EFFECTS}


def test_openapi_arguments() -> None:
    """References, parts and alternatives come to one top-level type, and to any where they differ."""
    found = rows(PETS)
    assert arguments(found["pets.list"]) == {"query.limit": "integer"}
    assert arguments(found["pets.remove"]) == {"path.id": "integer"}
    assert arguments(found["pets.replace"]) == {"path.id": "string"}
    assert arguments(found["pets.create"]) == {
        "query.limit": "integer",
        "body.name": "string",
        "body.age": "any",
        "body.weight": "number",
        "body.kind": "any",
        "body.mother": "object",
        "body.any": "any",
        "body.list": "array",
        "body.either": "string",
        "body.map": "object",
    }


def test_contents() -> None:
    """Each media type that a body may have is named with its shape."""
    found = rows(PETS)
    assert found["pets.replace"].content == {"text/plain": "opaque"}
    assert found["files.upload"].content == {"*/*": "opaque", "multipart/form-data": "multipart"}
    assert found["pets.create"].content == {
        "application/json": "json",
        "application/x-www-form-urlencoded": "form",
    }
    assert found["files.upload"].multi_segment == ()
    assert found["GET /files/{path}/raw"].multi_segment == ("path",)


def test_provenance() -> None:
    """A table says where it came from, and an origin for each base."""
    table = import_document(json.dumps(PETS).encode())
    assert (table.name, table.source) == ("pet-shop", "OpenAPI 3.0.3: Pet Shop! 7, MIT")
    assert table.servers == {"api": "https://api.pets.example", "uploads": "https://uploads.pets.example"}
    assert import_document(json.dumps(PETS).encode(), "mine").name == "mine"


LISTED = [
    ("things.create", {"application/x-www-form-urlencoded": "form"},
     "path.thing string body.size number body.tags array body.deep object body.m object body.on boolean"),
    ("things.list", {}, "query.limit integer"),
    ("things.delete", {}, "path.thing string query.force boolean"),
    ("v2.things.create", {"application/json": "json"}, "body.size string"),
    ("files.create", {"multipart/form-data": "multipart"}, "body.file any"),
    ("other.create", {"application/json": "json"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "said"), LISTED)
def test_operation_list(name: str, content: dict[str, str], said: str) -> None:
    """In a list the method decides where arguments go, and the route what a body is where the list does not say."""
    row = rows(LIST)[name]
    assert row.content == content
    assert " ".join(f"{name} {kind}" for name, kind in arguments(row).items()) == said


@pytest.mark.parametrize("document", [PETS, LIST])
def test_deterministic(document: dict[str, Any]) -> None:
    """The same operations in another order give the same bytes, one operation a line, and they read back equal."""
    text = write_table(import_document(json.dumps(document).encode()))
    turned = copy.deepcopy(document)
    key = "paths" if "paths" in turned else "operations"
    turned[key] = dict(reversed(turned[key].items())) if key == "paths" else turned[key][::-1]
    assert write_table(import_document(json.dumps(turned).encode())) == text
    assert write_table(read_table(text.encode())) == text
    assert sum(line.startswith('{"name":') for line in text.splitlines()) == len(rows(document))


def changed(*path: str, to: Any, document: dict[str, Any] | None = None) -> bytes:
    document = copy.deepcopy(PETS if document is None else document)
    node: Any = document
    for key in path[:-1]:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(path[-1]) if isinstance(node, list) else path[-1]] = to
    return json.dumps(document).encode()


def listed(*path: str, to: Any) -> bytes:
    return changed("operations", *path, to=to, document=LIST)


LOOP = {"$ref": "#/components/schemas/Loop"}
GET = ("paths", "/pets", "get")
FAULTS = [
    ("broken JSON", b'{"openapi": "3.0.3",', "line 1, column 21: not JSON"),
    ("not text", b"\x1f\x8b\x08", "unpack it"),
    ("not an object", b"[]", "no mapping of names"),
    ("something else", b"{}", "describes no operations"),
    ("twice the same path", b'{"openapi": "3.0.3", "paths": {"/a": {}, "/a": {}}}', "the member `/a` twice"),
    ("OpenAPI 4", changed("openapi", to="4.0.0"), "OpenAPI version 4.0.0"),
    ("no paths", changed("paths", to={}), "no paths"),
    ("one name twice", changed(*GET, "operationId", to="pets.create"), "two operations are named `pets.create`"),
    ("an odd name", changed(*GET, "operationId", to="pets.*"), "cannot be an operation: name"),
    ("an odd method", changed("paths", "/pets", "trace", to={}), "`trace`, which is no method"),
    ("no operation", changed(*GET, to=3), "not an object"),
    ("a dangling reference", changed(*GET, "parameters", to=[{"$ref": "#/nowhere"}]), "does not exist"),
    ("an outside reference", changed(*GET, "parameters", to=[{"$ref": "other.json"}]), "not inside the document"),
    ("a loop", changed("components", "schemas", "Loop", to=LOOP, document=json.loads(changed(
        *GET, "parameters", to=[{"in": "query", "name": "q", "schema": LOOP}]))), "lead to each other"),
    ("a nameless parameter", changed(*GET, "parameters", to=[{"in": "query"}]), "without a name"),
    ("a bodiless body", changed(*GET, "requestBody", to={"x": 1}), "without `content`"),
    ("a bad template", changed("paths", "/pets/{a}{b}", to={"get": {}}), "would be a guess"),
    ("no list", changed("operations", to=[], document=LIST), "not a list of operations"),
    ("a list's method", listed("0", "method", to="LOOK"), "operations.0.method"),
    ("a list's type", listed("1", "arguments", "limit", to="int"), "`limit` of `things.list`"),
    ("a list's key", listed("1", "effect", to="read"), "operations.1.effect"),
    ("a list's twins", listed("1", "name", to="things.delete"), "two operations are named"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "said"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_import_faults(document: bytes, said: str) -> None:
    """A document that cannot be read is refused in one sentence that names the place."""
    with pytest.raises(CatalogFault) as fault:
        import_document(document)
    assert said in f"{fault.value.message} {fault.value.hint}"


def test_table_name() -> None:
    """A name that could not stand in a configuration is refused."""
    with pytest.raises(CatalogFault, match="cannot name a table"):
        import_document(json.dumps(PETS).encode(), "Pet Shop")


def spots(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(spot for key, value in items for spot in spots(value, (*path, str(key))))]


SCALARS = st.sampled_from(
    [None, True, 3, "", "x", [], {}, [1], ["$ref"], {"$ref": "#/paths"}, {"in": "path"}, {"a": 1}]
)


@given(st.sampled_from([(document, spot) for document in (PETS, LIST) for spot in spots(document) if spot]), SCALARS)
@settings(max_examples=300, deadline=None)
def test_any_damage(where: tuple[dict[str, Any], tuple[str, ...]], value: Any) -> None:
    """A document that is wrong in one place is read or refused, and never ends in another exception."""
    document, spot = where
    try:
        table = import_document(changed(*spot, to=value, document=document))
    except CatalogFault:
        return
    assert read_table(write_table(table).encode()).operations
