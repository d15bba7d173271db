"""Bodies that are not objects with declared members: whole values, open maps, and what an overlay adds to a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.catalog import Kind, OperationSpec, Place
from config.faults import CatalogFault
from config.importing import import_document
from config.table_file import Row, read_table, write_table
from config.tables import compile_catalog, load_catalog

NAMED = {"type": "object", "properties": {"a": {"type": "string"}}}
MAP = {"type": "object", "additionalProperties": {"type": "string"}}
LIST, TEXT = {"type": "array", "items": {}}, {"type": "string"}

# A schema, the arguments that a body of it has, and whether its members are the caller's to name.
SCHEMAS: list[tuple[str, Any, dict[str, str], bool]] = [
    ("members", NAMED, {"a": "string"}, False),
    ("members and more", {**NAMED, "additionalProperties": True}, {"a": "string"}, False),
    ("a list", LIST, {"": "array"}, False),
    ("a text or null", {"type": ["string", "null"]}, {"": "string"}, False),
    ("members or a list", {"oneOf": [NAMED, LIST]}, {"a": "string", "": "array"}, False),
    ("members, a list or a text", {"anyOf": [NAMED, LIST, TEXT]}, {"a": "string", "": "any"}, False),
    ("one of some numbers", {"enum": [1, 2.5]}, {"": "number"}, False),
    ("one of some words", {"enum": ["x", "y"]}, {"": "string"}, False),
    ("a map", MAP, {}, True),
    ("a map or a list", {"oneOf": [MAP, LIST]}, {"": "array"}, True),
    ("an object of any kind", {"type": "object"}, {}, True),
    ("an object of no kind", {"type": "object", "additionalProperties": False}, {}, False),
    ("anything", {}, {"": "any"}, True),
    ("nothing said", None, {"": "any"}, True),
    ("parts that say nothing more", {**NAMED, "anyOf": [{"required": ["a"]}]}, {"a": "string"}, False),
    ("members without a type", {"properties": {"a": {}}}, {"a": "any"}, False),
    ("members in parts", {"allOf": [NAMED, {"oneOf": [{"required": ["a"]}]}]}, {"a": "string"}, False),
    ("parts that narrow", {"allOf": [{"oneOf": [NAMED, LIST]}, {"type": "object"}]}, {"a": "string"}, False),
    ("a member without a name", {"properties": {"": {}, "a": TEXT}}, {"a": "string"}, False),
    ("a schema in itself", {"oneOf": [{"$ref": "#/x"}, LIST]}, {"": "array"}, False),
]


def imported(media_types: dict[str, Any], loop: Any = None) -> Row:
    operation = {"operationId": "do", "requestBody": {"content": media_types}}
    document = {"openapi": "3.0.0", "paths": {"/do": {"post": operation}}, "x": loop}
    table = import_document(json.dumps(document).encode())
    assert read_table(write_table(table).encode()) == table
    return table.operations[0]


@pytest.mark.parametrize(
    ("schema", "body", "is_open"), [case[1:] for case in SCHEMAS], ids=[case[0] for case in SCHEMAS]
)
def test_json_body(schema: Any, body: dict[str, str], is_open: bool) -> None:
    """A body that need not be an object is an argument, and one whose members nobody names is open."""
    row = imported({"application/json": {} if schema is None else {"schema": schema}}, schema)
    assert (row.arguments.get(Place.BODY, {}), row.open_body) == (body, is_open)


def test_other_media_types() -> None:
    """Only JSON can be one value, and members of any other media type leave nothing open."""
    assert imported({"multipart/form-data": {"schema": LIST}}).arguments == {}
    assert not imported({"multipart/form-data": {"schema": LIST}}).open_body
    both = imported({"application/json": {"schema": MAP}, "multipart/form-data": {"schema": NAMED}})
    assert (both.arguments[Place.BODY], both.open_body) == ({"a": "string"}, False)


BUNDLED = [
    ("jira", "addWatcher", Kind.STRING, False),
    ("jira", "setIssueProperty", Kind.ANY, True),
    ("jira", "removeFieldsAssociatedWithSchemes", None, True),
    ("jira", "removeFieldAssociationSchemeItemParameters", None, True),
    ("jira", "createIssue", None, False),
    ("github", "secret-scanning/update-org-custom-pattern", None, False),
]


@pytest.mark.parametrize(("catalog", "name", "kind", "is_open"), BUNDLED)
def test_bundled(catalog: str, name: str, kind: Kind | None, is_open: bool) -> None:
    """What the vendors describe so stands so in the bundled catalogues."""
    spec = load_catalog(catalog, Path()).operations[name]
    whole = spec.arguments.get((Place.BODY, ""))
    assert (whole.kind if whole else None, spec.open_body) == (kind, is_open)


def compiled(curated: str, **row: Any) -> OperationSpec:
    rows = [{"name": "do", "method": "POST", "path": "/do", "effect": "write", "content": {"application/json": "json"}}]
    table = {"name": "small", "operations": [rows[0] | row]}
    overlay = f"operations:\n  do: {curated}\n"
    return compile_catalog(json.dumps(table).encode(), overlay.encode()).operations["do"]


def test_overlay_adds() -> None:
    """An overlay says which media types and which whole bodies an operation takes beyond its table."""
    spec = compiled("{whole_body: array, content: {'*/*': opaque}}", arguments={"body": {"labels": "array"}})
    assert spec.contents == {"application/json": "json", "*/*": "opaque"}
    assert {name: held.kind for (_, name), held in spec.arguments.items()} == {"labels": "array", "": "array"}


FAULTS = [
    ("{whole_body: object}", {}, "no object"),
    ("{whole_body: array}", {"content": {"text/plain": "opaque"}}, "no object"),
    ("{whole_body: list}", {}, "whole_body"),
    ("{content: {'*': opaque}}", {}, "content"),
    ("{content: {'text/plain': text}}", {}, "content"),
    ("{}", {"open_body": True, "arguments": {"body": {"a": "string"}}}, "a body is open, or its members are declared"),
]


@pytest.mark.parametrize(("curated", "row", "said"), FAULTS)
def test_overlay_faults(curated: str, row: dict[str, Any], said: str) -> None:
    """A body that cannot be is a fault, in the overlay and in the table."""
    with pytest.raises(CatalogFault, match=said):
        compiled(curated, **row)
