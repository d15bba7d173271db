"""
Reads the older description of an API, Swagger 2.0, by writing it as the OpenAPI 3 document that means the same.

Only what a table is made of is written anew: `host`, `basePath` and `schemes` become the first server; a parameter's
own type becomes its schema; the parameter in `body`, or those in `formData`, become a body, in the media types that
the operation `consumes`. Schemas stay where they are, because a reference leads to any place of a document. So the same
API gives the same table from either description.
"""

from __future__ import annotations

from collections.abc import Iterable

from config.catalog import Content
from config.faults import CatalogFault
from config.openapi import METHODS, Json, content_of, read_openapi
from config.schemas import Schemas, held
from config.table_file import Table

# What a form is sent as where `consumes` names none of the two.
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_JSON = "application/json"

# Where an API speaks both, a credential goes the way on which nobody reads it.
_SCHEMES = ("https", "http")


def read_swagger(document: Json, name: str | None = None) -> Table:
    """
    Return the operations of a Swagger 2.0 document, or raise `CatalogFault` for the first thing that cannot be one.
    """
    version = str(document["swagger"])
    if version not in {"2.0", "2"}:
        raise CatalogFault(f"Swagger version {version} is not read here", "Swagger 2.0 is, and OpenAPI 3")
    schemas = Schemas(document)
    written = {path: _item(schemas, path, item) for path, item in held(document, "paths", dict, "the document").items()}
    return read_openapi({**document, "servers": [_server(document)], "paths": written}, name, "Swagger 2.0")


def _server(document: Json) -> Json:
    host, path = (held(document, key, str, "the document") for key in ("host", "basePath"))
    named = held(document, "schemes", list, "the document")
    scheme = next((scheme for scheme in _SCHEMES if scheme in named), None if named else _SCHEMES[0])
    # Where the document does not say its own host, it means the one that it was fetched from.
    return {"url": f"{scheme}://{host}{path}" if host and scheme else path}


def _item(schemas: Schemas, path: str, item: object) -> object:
    if path.startswith("x-"):
        return item
    known = dict(schemas.resolve(item, path))
    shared = known.pop("parameters", None)
    for method in METHODS:
        if isinstance(operation := known.get(method), dict):
            known[method] = _operation(schemas, operation, {"parameters": shared}, f"{method.upper()} {path}")
    return known


def _operation(schemas: Schemas, operation: Json, item: Json, where: str) -> Json:
    own, fields, bodies = [], {}, []
    for parameter in _parameters(schemas, operation, item, where):
        match parameter.get("in"):
            case "body":
                bodies.append(parameter)
            case "formData":
                fields[held(parameter, "name", str, where)] = _schema(parameter)
            case _:
                kept = {key: value for key, value in parameter.items() if key in {"in", "name"} or key[:2] == "x-"}
                own.append({**kept, "schema": _schema(parameter)})
    if len(bodies) + bool(fields) > 1:
        raise CatalogFault(f"{where} has more than one body", "a request has one `body` parameter, or fields of a form")
    node = operation if operation.get("consumes") is not None else schemas.document
    consumed = [str(media) for media in held(node, "consumes", list, where)]
    written: Json = {**operation, "parameters": own}
    if bodies:
        written["requestBody"] = _body(consumed or [_JSON], bodies[0].get("schema"))
    elif fields:
        written["requestBody"] = _body(_forms(consumed, fields.values()), {"type": "object", "properties": fields})
    return written


def _body(media_types: Iterable[str], schema: object) -> Json:
    return {"content": {media: {"schema": schema} for media in media_types}}


def _parameters(schemas: Schemas, operation: Json, item: Json, where: str) -> Iterable[Json]:
    """
    Return a path's parameters and an operation's own, which replace those of the same place and name, and any body.
    """
    shared, own = (
        [schemas.resolve(raw, where) for raw in held(node, "parameters", list, where)] for node in (item, operation)
    )
    if any(parameter.get("in") == "body" for parameter in own):
        shared = [parameter for parameter in shared if parameter.get("in") != "body"]
    return {(str(one.get("in")), str(one.get("name"))): one for one in (*shared, *own)}.values()


def _schema(parameter: Json) -> Json:
    # OpenAPI 3 has no files: their bytes are a string.
    return {**parameter, "type": "string", "format": "binary"} if parameter.get("type") == "file" else parameter


def _forms(consumed: Iterable[str], fields: Iterable[Json]) -> list[str]:
    shapes = {media: content_of(media.partition(";")[0].strip().lower()) for media in consumed}
    forms = [media for media, shape in shapes.items() if shape in {Content.FORM, Content.MULTIPART}]
    files = any(field.get("format") == "binary" for field in fields)
    return forms or [_MULTIPART if files else _FORM]
