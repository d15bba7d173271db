"""From a document that describes an API, whichever known shape it has, to a table of operations."""

from __future__ import annotations

from config.document import parse_document
from config.faults import CatalogFault
from config.openapi import read_openapi
from config.operation_list import read_list
from config.swagger import read_swagger
from config.table_file import NAME, Table

_SHAPES = "an OpenAPI 3 or Swagger 2.0 document, or a list of operations (docs/CATALOGUES.md), in JSON or YAML"


def import_document(data: bytes, name: str | None = None) -> Table:
    """
    Read a document into a table; raise `CatalogFault` with one clear sentence where it cannot be one.
    """
    if name is not None and not NAME.fullmatch(name):
        raise CatalogFault(f"`{name}` cannot name a table", "lower-case letters, digits, - and _, at most 63")
    document = parse_document(data)
    if not isinstance(document, dict):
        raise CatalogFault("the document is no mapping of names to values", f"give {_SHAPES}")
    if "swagger" in document:
        return read_swagger(document, name)
    if "openapi" in document:
        return read_openapi(document, name)
    if "operations" in document:
        return read_list(document, name)
    raise CatalogFault("the document describes no operations", f"give {_SHAPES}")
