"""From a document that describes an API, whichever known shape it has, to a table of operations."""

from __future__ import annotations

import json
from typing import Any

from config.faults import CatalogFault
from config.openapi import read_openapi
from config.operation_list import read_list
from config.table_file import NAME, Table

_SHAPES = "an OpenAPI 3 document in JSON, or a list of operations (docs/CATALOGUES.md)"


def import_document(data: bytes, name: str | None = None) -> Table:
    """
    Read a document into a table; raise `CatalogFault` with one clear sentence where it cannot be one.
    """
    if name is not None and not NAME.fullmatch(name):
        raise CatalogFault(f"`{name}` cannot name a table", "lower-case letters, digits, - and _, at most 63")
    document = _parsed(data)
    if not isinstance(document, dict):
        raise CatalogFault("the document is no JSON object", f"give {_SHAPES}")
    if "swagger" in document:
        hint = "convert it to OpenAPI 3; Swagger 2 is not in this version"
        raise CatalogFault(f"this is Swagger {document['swagger']}", hint)
    if "openapi" in document:
        return read_openapi(document, name)
    if "operations" in document:
        return read_list(document, name)
    raise CatalogFault("the document describes no operations", f"give {_SHAPES}")


def _parsed(data: bytes) -> object:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CatalogFault("the document is not UTF-8", "unpack it if it is compressed") from None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as broken:
        hint = (
            "YAML is not in this version: convert the document to JSON" if text.lstrip()[:1] not in {"{", "["} else ""
        )
        raise CatalogFault(f"line {broken.lineno}, column {broken.colno}: not JSON: {broken.msg}", hint) from None
    except RecursionError:
        raise CatalogFault("the document is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CatalogFault(f"a JSON object has the member `{twice}` twice", "one of the two would be lost")
    return members
