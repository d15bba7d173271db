from __future__ import annotations

import json
from typing import Any

import pytest

from tests.loadtest.make_shapes import Maker
from tests.loadtest.shapes import Shapes

TABLE = Shapes(
    {
        "operations": {
            "things/get": {"method": "GET", "path": "/things/{id}", "answers": {"200": "#thing", "204": None}},
            "things/latest": {"method": "GET", "path": "/things/latest", "answers": {"default": "object"}},
            "files/get": {"method": "GET", "path": "/files/{+path}", "answers": {"200": ["#thing"]}},
        },
        "shapes": {
            "thing": {
                "id": "integer",
                "name": "string|null",
                "size?": "number",
                "inner?": {"|": ["#thing", "null"]},
                "tags?": ["string"],
                "words?": {"*": "string"},
                "what?": "any",
            }
        },
    }
)

GOOD: list[dict[str, Any]] = [
    {"id": 1, "name": None},
    {"id": 1, "name": "a", "size": 1.5, "unknown": True},
    {"id": 1, "name": "a", "size": 1, "tags": [], "words": {"a": "b"}, "what": [1]},
    {"id": 1, "name": "a", "inner": {"id": 2, "name": None, "inner": None}},
]
BAD: list[tuple[object, list[str]]] = [
    ({"name": None}, ["/id: missing"]),
    ({"id": True, "name": None}, ["/id: boolean where integer is documented"]),
    ({"id": 1.0, "name": None}, ["/id: number where integer is documented"]),
    ({"id": None, "name": None}, ["/id: null where integer is documented"]),
    ({"id": 1, "name": 1}, ["/name: integer where string|null is documented"]),
    ({"id": 1, "name": "a", "tags": ["a", 1]}, ["/tags/1: integer where string is documented"]),
    ({"id": 1, "name": "a", "tags": {}}, ["/tags: object where array is documented"]),
    ({"id": 1, "name": "a", "words": {"a": 1}}, ["/words/a: integer where string is documented"]),
    ({"id": 1, "name": "a", "words": []}, ["/words: array where object is documented"]),
    ({"id": 1, "name": "a", "inner": {"id": "2"}}, ["/inner: object where null is documented"]),
    ([], [": array where object is documented"]),
]


@pytest.mark.parametrize("value", GOOD)
def test_as_documented(value: object) -> None:
    """An answer as the document has it is without fault, whatever it has beyond that."""
    assert TABLE.faults("GET", "/things/1", 200, json.dumps(value).encode()) == []


@pytest.mark.parametrize(("value", "faults"), BAD)
def test_otherwise(value: object, faults: list[str]) -> None:
    """Every member of another type, and every one that is missing, is named by its place."""
    found = TABLE.faults("GET", "/things/1", 200, json.dumps(value).encode())
    assert found == [f"things/get 200{fault}" for fault in faults]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/things/1?a=b", "things/get"),
        ("GET", "/things/latest", "things/latest"),
        ("GET", "/files/a/b", "files/get"),
        ("GET", "/files/", "files/get"),
        ("GET", "/things/", None),
        ("GET", "/things", None),
        ("GET", "/things/1/2", None),
        ("POST", "/things/1", None),
    ],
)
def test_found(method: str, path: str, name: str | None) -> None:
    """A request is the operation whose template fits it, the most literal one of several."""
    found = TABLE.operation(method, path)
    assert (None if found is None else found.name) == name


@pytest.mark.parametrize(
    ("path", "status", "body", "fault"),
    [
        ("/things/1", 204, b"", None),
        ("/things/1", 204, b"{}", "things/get 204: a body where the document has none"),
        ("/things/1", 500, b"{}", "things/get 500: the document has no such answer"),
        ("/things/latest", 500, b"{}", None),
        ("/none", 200, b"{}", "GET /none: the document has no such operation"),
        ("/files/a", 200, b'[{"id": 1}]', "files/get 200/0/name: missing"),
    ],
)
def test_answers(path: str, status: int, body: bytes, fault: str | None) -> None:
    """An answer is held against its own status, or against the document's default."""
    assert TABLE.faults("GET", path, status, body) == ([] if fault is None else [fault])


DOCUMENT: dict[str, Any] = {
    "paths": {"/files/{path}": {"get": {}}},
    "components": {
        "parameters": {"path": {"name": "path", "in": "path", "x-multi-segment": True}},
        "schemas": {
            "file": {
                "type": "object",
                "required": ["id", "owner"],
                "properties": {
                    "id": {"type": "integer", "nullable": True},
                    "owner": {"oneOf": [{"$ref": "#/components/schemas/user"}, {"type": "null"}]},
                    "parent": {"$ref": "#/components/schemas/file"},
                    "marks": {"type": ["array", "null"], "items": {"enum": ["a"]}},
                    "words": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "user": {
                "allOf": [
                    {"required": ["login"], "properties": {"login": {"type": "string"}}},
                    {"properties": {"team": {"$ref": "#/components/schemas/team"}}},
                ]
            },
            "team": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    },
}


def test_made() -> None:
    """A table made from a document has its types, its nulls and what must be there, to a depth."""
    maker = Maker(DOCUMENT, 2)
    whole = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/file"}}}}
    assert maker.answers({"200": whole, "204": {}}) == {"200": "#file", "204": None}
    assert maker.shapes == {
        "file": {
            "id": "integer|null",
            "owner": {"|": ["#user", "null"]},
            "parent?": "#file",
            "marks?": {"|": [["any"], "null"]},
            "words?": {"*": "string"},
        },
        "user": {"login": "string", "team?": "object"},
    }
    parameters = {"parameters": [{"$ref": "#/components/parameters/path"}]}
    assert maker.template("/files/{path}", parameters) == "/files/{+path}"
