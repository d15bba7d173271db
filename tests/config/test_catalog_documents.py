"""Documents as vendors write them: JSON or YAML, Swagger 2.0 or OpenAPI 3, and every way in which one can be broken."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config import document
from config.catalog import Place
from config.document import DEPTH_MAX, parse_document
from config.faults import CatalogFault
from config.importing import import_document
from config.table_file import Row, write_table

INFO = {"title": "Pets", "version": "1.10", "license": {"name": "MIT"}}
PET = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}

# One API, described twice.
OPENAPI: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": INFO,
    "servers": [{"url": "https://api.pets.example/v2"}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"in": "path", "name": "id", "schema": TEXT}, {"$ref": "#/components/parameters/Page"}],
            "get": {"operationId": "pets.get", "responses": {"200": {"description": "a pet"}}},
            "put": {
                "operationId": "pets.replace",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}},
                        "application/xml": {"schema": {"$ref": "#/components/schemas/Pet"}},
                    }
                },
            },
            "delete": {"operationId": "pets.remove", "parameters": [{"in": "path", "name": "id", "schema": WHOLE}]},
        },
        "/pets/{id}/photo": {
            "post": {
                "operationId": "pets.photo",
                "requestBody": {
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"file": {"type": "string", "format": "binary"}, "note": TEXT},
                            }
                        }
                    }
                },
            }
        },
        "/pets/{id}/sell": {
            "post": {
                "operationId": "pets.sell",
                "parameters": [{"in": "query", "name": "tags", "schema": {"type": "array", "items": TEXT}}],
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {"schema": {"properties": {"price": {"type": "integer"}}}}
                    }
                },
            }
        },
        "/pets/{id}/labels": {
            "put": {
                "operationId": "pets.label",
                "requestBody": {"content": {"application/json": {"schema": {"type": "array", "items": TEXT}}}},
            }
        },
        "/files/{path}": {
            "get": {
                "operationId": "files.get",
                "parameters": [{"in": "path", "name": "path", "x-multi-segment": True, "schema": TEXT}],
            }
        },
    },
    "components": {
        "schemas": {"Pet": PET},
        "parameters": {"Page": {"in": "query", "name": "page", "schema": WHOLE}},
    },
}

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": INFO,
    "host": "api.pets.example",
    "basePath": "/v2",
    "schemes": ["http", "https"],
    "consumes": ["application/json", "application/xml"],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"in": "path", "name": "id", **TEXT}, {"$ref": "#/parameters/Page"}],
            "get": {"operationId": "pets.get", "responses": {"200": {"description": "a pet"}}},
            "put": {"operationId": "pets.replace", "parameters": [{"$ref": "#/parameters/Pet"}]},
            "delete": {"operationId": "pets.remove", "parameters": [{"in": "path", "name": "id", **WHOLE}]},
        },
        "/pets/{id}/photo": {
            "post": {
                "operationId": "pets.photo",
                "parameters": [
                    {"in": "formData", "name": "file", "type": "file"},
                    {"in": "formData", "name": "note", **TEXT},
                ],
            }
        },
        "/pets/{id}/sell": {
            "post": {
                "operationId": "pets.sell",
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [
                    {"in": "query", "name": "tags", "type": "array", "items": TEXT, "collectionFormat": "csv"},
                    {"in": "formData", "name": "price", **WHOLE},
                ],
            }
        },
        "/pets/{id}/labels": {
            "parameters": [{"$ref": "#/parameters/Pet"}],
            "put": {
                "operationId": "pets.label",
                "consumes": ["application/json"],
                "parameters": [{"in": "body", "name": "labels", "schema": {"type": "array", "items": TEXT}}],
            },
        },
        "/files/{path}": {
            "get": {
                "operationId": "files.get",
                "parameters": [{"in": "path", "name": "path", "x-multi-segment": True, **TEXT}],
            }
        },
    },
    "parameters": {
        "Page": {"in": "query", "name": "page", **WHOLE},
        "Pet": {"in": "body", "name": "pet", "schema": {"$ref": "#/definitions/Pet"}},
    },
    "definitions": {"Pet": PET},
}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_yaml(value: Any) -> bytes:
    # What stands in several places of these dictionaries is written once, with an anchor.
    return bytes(yaml.safe_dump(value, encoding="utf-8"))


def table(data: bytes) -> str:
    """
    Return the table of a document as text, without the line that says what it was read from.
    """
    return re.sub(r'^"source": .*\n', "", write_table(import_document(data)), flags=re.MULTILINE)


def test_equivalent() -> None:
    """The same API gives the same bytes from JSON and YAML, from Swagger 2.0 and OpenAPI 3, its source aside."""
    assert b"&id001" in as_yaml(OPENAPI)
    tables = {table(write(described)) for write in (as_json, as_yaml) for described in (OPENAPI, SWAGGER)}
    assert len(tables) == 1
    assert import_document(as_yaml(SWAGGER)).source == "Swagger 2.0: Pets 1.10, MIT"
    assert import_document(as_yaml(OPENAPI)).source == "OpenAPI 3.0.3: Pets 1.10, MIT"


def row(name: str, swagger: dict[str, Any]) -> Row:
    return next(row for row in import_document(as_json(swagger)).operations if row.name == name)


def altered(*trail: str, to: Any) -> dict[str, Any]:
    changed = copy.deepcopy(SWAGGER)
    node = changed
    for key in trail[:-1]:
        node = node[key]
    node[trail[-1]] = to
    return changed


def test_swagger_defaults() -> None:
    """Without `consumes` a body is JSON, fields are a form, and a file makes them multipart."""
    bare = altered("consumes", to=None)
    assert row("pets.replace", bare).content == {"application/json": "json"}
    assert row("pets.photo", bare).content == {"multipart/form-data": "multipart"}
    bare["paths"]["/pets/{id}/photo"]["post"]["parameters"].pop(0)
    assert row("pets.photo", bare).content == {"application/x-www-form-urlencoded": "form"}


def test_swagger_body_replaces() -> None:
    """An operation's own body stands for that of its path, whatever the two are called."""
    assert row("pets.label", SWAGGER).arguments[Place.BODY] == {"": "array"}


SERVERS = [
    ({}, "https://api.pets.example", "/v2/pets/{id}"),
    ({"schemes": ["http"]}, "http://api.pets.example", "/v2/pets/{id}"),
    ({"schemes": None, "basePath": "/"}, "https://api.pets.example", "/pets/{id}"),
    ({"host": None}, None, "/v2/pets/{id}"),
    ({"schemes": ["wss"]}, None, "/v2/pets/{id}"),
]


@pytest.mark.parametrize(("changes", "origin", "path"), SERVERS)
def test_swagger_server(changes: dict[str, Any], origin: str | None, path: str) -> None:
    """Host, base path and schemes are one server, of which an operation's path is a part."""
    read = import_document(as_json(SWAGGER | changes))
    assert read.servers.get("api") == origin
    assert next(row.path for row in read.operations if row.name == "pets.get") == path


PHOTO = ("paths", "/pets/{id}/photo", "post", "parameters")
BODY = {"in": "body", "name": "b", "schema": {}}
SWAGGER_FAULTS = [
    (altered("swagger", to="1.2"), "Swagger version 1.2"),
    (altered("schemes", to="https"), "`schemes` of the document should be a list"),
    (altered("paths", to={}), "no paths"),
    (altered("paths", "/pets/{id}", "trace", to={}), "`trace`, which is no method"),
    (altered(*PHOTO, to=[BODY, {"in": "formData", "name": "x", **TEXT}]), "more than one body"),
    (altered(*PHOTO, to=[BODY, {**BODY, "name": "c"}]), "more than one body"),
    (altered(*PHOTO, to=[{"in": "formData", "name": 3}]), "`name` of POST /pets/{id}/photo should be text"),
    (altered(*PHOTO, to=[{"in": "query"}]), "without a name and a place"),
    (altered(*PHOTO, to=[{"$ref": "#/parameters/None"}]), "does not exist"),
    (altered(*PHOTO[:-1], to=7), "not an object"),
]


@pytest.mark.parametrize(("swagger", "said"), SWAGGER_FAULTS, ids=[said for _, said in SWAGGER_FAULTS])
def test_swagger_faults(swagger: dict[str, Any], said: str) -> None:
    """A Swagger document that contradicts itself is refused in one sentence that names the place."""
    with pytest.raises(CatalogFault) as fault:
        import_document(as_json(swagger))
    assert said in fault.value.message


VALUES = [
    ("a: yes", {"a": "yes"}),
    ("a: true\nb: False", {"a": True, "b": False}),
    ("a: ~\nb:\nc: null", {"a": None, "b": None, "c": None}),
    ("200: {}", {"200": {}}),
    ("on: 2025-12-25", {"on": "2025-12-25"}),
    ("a: 0x10\nb: 0o10\nc: -7", {"a": 16, "b": 8, "c": -7}),
    ("a: '7'\nb: |\n  x\n  y\n", {"a": "7", "b": "x\ny\n"}),
    ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    ("d: {<<: [{a: 1}, {a: 2, b: 2}]}", {"d": {"a": 1, "b": 2}}),
    ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
    ("'<<': 1", {"<<": 1}),
    ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text for text, _ in VALUES])
def test_yaml_values(text: str, value: object) -> None:
    """YAML is read by its core schema: what JSON could say means that, everything else is text."""
    assert parse_document(text.encode()) == value


def test_exact_version() -> None:
    """A version that stands there as a number is not rounded."""
    assert import_document(b"openapi: 3.1\ninfo: {title: P, version: 1.10}\npaths: {/: {get: {}}}").source.endswith(
        "OpenAPI 3.1: P 1.10"
    )


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
YAML_FAULTS = [
    ("a: 1\na: 2", "line 2, column 1: `a` stands here twice"),
    ("a: {<<: {b: 1}, <<: {c: 1}}", "`<<` stands here twice"),
    ("a: {<<: 7}", "a merge key takes a mapping"),
    ("a: !!python/object x", "line 1, column 4: the tag"),
    ("a: *b", "line 1, column 4: the alias `*b` repeats nothing"),
    ("a: &b [*b]", "the alias `*b` repeats nothing"),
    (BOMB, "with its aliases read out"),
    ("a: " + "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), "nested more than"),
    ("? {a: 1}\n: 2", "a key is one word"),
    ("a: 1\n---\nb: 2", "line 2, column 1: a second document"),
    ("a: [1", "not YAML"),
    ("a:\n\t- b", "line 2, column 1: not YAML"),
    ("a: \x01", "characters that YAML forbids"),
    ("# nothing", "empty"),
    ("- a", "no mapping of names"),
    ('{"a": ' * 100_000, "nested too deeply"),
    ('{"a": NaN}', "no number"),
]


@pytest.mark.parametrize(("text", "said"), YAML_FAULTS, ids=[said for _, said in YAML_FAULTS])
def test_text_faults(text: str, said: str) -> None:
    """Text that could be lost, misread or endless is refused at its line."""
    with pytest.raises(CatalogFault) as fault:
        import_document(text.encode())
    assert said in fault.value.message


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document beyond every real description is refused before it is read."""
    monkeypatch.setattr(document, "BYTES_MAX", 3)
    with pytest.raises(CatalogFault, match="larger than"):
        parse_document(b"a: 1")


def test_long_number() -> None:
    """A number of any length is read at a bounded cost."""
    digits = "1" * 100_000
    assert parse_document(f'{{"a": {digits}, "b": 0.{digits}}}'.encode()) == {"a": digits, "b": f"0.{digits}"}


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


def block(value: object, indent: int = 0) -> str:
    """
    Write a value as block YAML, its words in quotes.
    """
    pad = "\n" + " " * indent
    if isinstance(value, dict) and value:
        members = value.items()
        return "".join(f"{pad}{json.dumps(k, ensure_ascii=False)}: {block(v, indent + 1)}" for k, v in members)
    if isinstance(value, list) and value:
        return "".join(f"{pad}- {block(item, indent + 1)}" for item in value)
    return json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(WORDS, ANYTHING, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_same_value(value: dict[str, Any]) -> None:
    """Any value is the same value from JSON and from YAML."""
    assert parse_document(block(value).encode()) == parse_document(json.dumps(value).encode()) == value


@given(st.text(st.sampled_from("ab:- \n{}[]&*!<|>'\"#?,.0%"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text(text: str) -> None:
    """Any text is a value or one fault, and never another exception."""
    with contextlib.suppress(CatalogFault):
        parse_document(text.encode())
