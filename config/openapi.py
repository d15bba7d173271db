"""
Reads a vendor's description of its API (OpenAPI 3) into a table of operations.

Facts are taken, opinions are not: GET and HEAD are reads, DELETE is irreversible, every other method is a write,
whatever tags, scopes or summaries say. An argument keeps its name, its place and the top-level JSON type of its schema;
where alternatives disagree the type is `any`. Header and cookie parameters are no arguments. A JSON body that need not
be an object is an argument itself, without a name; one whose members nobody names is open.

The path of a server's URL becomes part of every template, so that a table names paths as they stand in a request; the
origin of the document's first server is base `api`, an operation's or a path's own server is a base named after its
host. What the document leaves out is filled only where one reading exists: an operation without `operationId` is called
by its method and path, a path parameter that nothing declares is a string. What contradicts itself is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from config.catalog import WHOLE_BODY, Content, Effect, Kind, Place
from config.faults import CatalogFault
from config.routes import read_template
from config.schemas import Schemas, held, join_kinds
from config.table_file import Row, Table, said

Json = dict[str, Any]

METHODS = ("get", "head", "post", "put", "patch", "delete")

# What a path item may hold beside operations.
_BESIDE_OPERATIONS = frozenset({"$ref", "summary", "description", "servers", "parameters"})

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_SLUG = re.compile(r"[^a-z0-9]+")

# A table's own name, used in file names and messages, stays short.
_SLUG_MAX = 40


def effect_of(method: str) -> Effect:
    """
    Return what an operation of this method is taken to do, until a person says otherwise.
    """
    if method in {"GET", "HEAD"}:
        return Effect.READ
    return Effect.IRREVERSIBLE if method == "DELETE" else Effect.WRITE


def content_of(essence: str) -> Content:
    """
    Return the shape of a body with this media type, given without parameters.
    """
    if essence == "application/json" or essence.endswith("+json"):
        return Content.JSON
    shapes = {"application/x-www-form-urlencoded": Content.FORM, "multipart/form-data": Content.MULTIPART}
    return shapes.get(essence, Content.OPAQUE)


def slug(title: str) -> str:
    """
    Return a title as a table's name.
    """
    return _SLUG.sub("-", title.lower()).strip("-")[:_SLUG_MAX].strip("-") or "api"


def read_openapi(document: Json, name: str | None = None, written_as: str | None = None) -> Table:
    """
    Return the operations of an OpenAPI 3 document, or raise `CatalogFault` for the first thing that cannot be one.

    `written_as` is the form in which the vendor wrote it, where that was another (swagger.py).
    """
    version = str(document.get("openapi"))
    if written_as is None and not version.startswith("3."):
        raise CatalogFault(f"OpenAPI version {version} is not read here", "convert the document to OpenAPI 3")
    paths, info = held(document, "paths", dict, "the document"), held(document, "info", dict, "the document")
    if not paths:
        raise CatalogFault("the document has no paths", "a description lists its operations under `paths`")
    reader = _Reader(Schemas(document), *_server(document, "the document"))
    rows = [row for path, item in paths.items() if not path.startswith("x-") for row in reader.rows(path, item)]
    refuse_twins(rows)
    title, licence = held(info, "title", str, "info"), held(held(info, "license", dict, "info"), "name", str, "license")
    form = written_as or f"OpenAPI {version}"
    source = f"{form}: {title} {info.get('version', '')}".strip() + (f", {licence}" if licence else "")
    servers = dict(sorted(reader.servers.items()))
    return Table(name=name or slug(title), title=title, source=source, servers=servers, operations=tuple(rows))


def refuse_twins(rows: Iterable[Row]) -> None:
    """
    Raise `CatalogFault` where two operations have one name.
    """
    seen: dict[str, Row] = {}
    for row in rows:
        twin = seen.setdefault(row.name, row)
        if twin is not row:
            raise CatalogFault(
                f"two operations are named `{row.name}`: {twin.method} {twin.path} and {row.method} {row.path}",
                "give each its own operationId",
            )


def _server(node: Json, where: str) -> tuple[str | None, str]:
    """
    Return the origin of the first of a node's servers, where it has one, and the path below which everything stands.
    """
    first: Any = next(iter(held(node, "servers", list, where)), {})
    if not isinstance(first, dict):
        raise CatalogFault(f"`servers` of {where} should hold objects")
    url = held(first, "url", str, f"a server of {where}")
    for variable, declared in held(first, "variables", dict, f"a server of {where}").items():
        url = url.replace(f"{{{variable}}}", str(declared.get("default", "")) if isinstance(declared, dict) else "")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise CatalogFault(f"a server of {where} has an address that cannot be read") from None
    origin = f"{parts.scheme}://{parts.netloc}"
    return (origin if _ORIGIN.fullmatch(origin) else None), parts.path.rstrip("/")


@dataclass(slots=True)
class _Reader:
    """
    One document being read: what its references mean, where its first server is, which servers it has named so far.
    """

    schemas: Schemas
    origin: str | None
    prefix: str
    servers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.origin:
            self.servers["api"] = self.origin

    def rows(self, path: str, item: object) -> Iterator[Row]:
        """
        Yield the operations of one path.
        """
        item = self.schemas.resolve(item, path)
        if unknown := sorted(key for key in item if key not in _BESIDE_OPERATIONS | {*METHODS} and key[:2] != "x-"):
            raise CatalogFault(
                f"`{path}` has `{unknown[0]}`, which is no method that is forwarded here",
                f"remove it from the document; methods are {', '.join(METHODS)}",
            )
        for method in METHODS:
            # A HEAD is its GET: only one that stands alone is an operation of its own.
            if method in item and not (method == "head" and "get" in item):
                yield self._row(method.upper(), path, item, item[method])

    def _row(self, method: str, path: str, item: Json, operation: object) -> Row:
        where = f"{method} {path}"
        if not isinstance(operation, dict):
            raise CatalogFault(f"{where} is not an object")
        base, prefix = self._base(operation if operation.get("servers") else item, where)
        arguments: dict[Place, dict[str, Kind]] = {place: {} for place in Place}
        multi = []
        for parameter in self._parameters(item, operation, where):
            place, name = Place(parameter["in"]), parameter["name"]
            arguments[place][name] = self.schemas.kind(parameter.get("schema"), where)
            if place is Place.PATH and parameter.get("x-multi-segment") is True:
                multi.append(name)
        template = read_template(prefix + path if path != "/" else prefix or "/", multi)
        named = [name for segment in template for name in segment.names]
        arguments[Place.PATH] = {name: arguments[Place.PATH].get(name, Kind.STRING) for name in named}
        content, is_open = self._body(operation, arguments[Place.BODY], where)
        try:
            return Row(
                name=operation.get("operationId") or where,
                method=method,  # type: ignore[arg-type]  # one of METHODS, upper-case
                path="/" + "/".join(segment.text for segment in template),
                base=base,
                effect=effect_of(method),
                content=content,
                arguments={place: held for place, held in arguments.items() if held},
                multi_segment=tuple(multi),
                open_body=is_open,
            )
        except ValidationError as invalid:
            raise CatalogFault(f"{where} cannot be an operation: {said(invalid)}") from None

    def _base(self, node: Json, where: str) -> tuple[str, str]:
        if not node.get("servers"):
            return "api", self.prefix
        origin, prefix = _server(node, where)
        if origin is None or origin == self.origin:
            return "api", prefix
        host = str(urlsplit(origin).hostname)
        base = slug(host.partition(".")[0])
        if self.servers.get(base, origin) != origin or base == "api":
            base = slug(host)
        self.servers[base] = origin
        return base, prefix

    def _parameters(self, item: Json, operation: Json, where: str) -> Iterator[Json]:
        merged: dict[tuple[str, str], Json] = {}
        for raw in (*held(item, "parameters", list, where), *held(operation, "parameters", list, where)):
            parameter = self.schemas.resolve(raw, where)
            place, name = held(parameter, "in", str, where), held(parameter, "name", str, where)
            if not name or place not in {"path", "query", "header", "cookie"}:
                raise CatalogFault(f"{where} has a parameter without a name and a place")
            merged[place, name] = parameter
        return (parameter for (place, _), parameter in merged.items() if place in {"path", "query"})

    def _body(self, operation: Json, arguments: dict[str, Kind], where: str) -> tuple[dict[str, Content], bool]:
        """
        Return the shape of each media type, fill in the arguments, and tell whether the caller names the members.
        """
        if not operation.get("requestBody"):
            return {}, False
        declared = held(self.schemas.resolve(operation["requestBody"], where), "content", dict, where)
        if not declared:
            raise CatalogFault(f"{where} has a body without `content`")
        contents = {}
        whole: set[Kind] = set()
        is_open = False
        for media_type, described in declared.items():
            essence = media_type.partition(";")[0].strip().lower()
            shape = contents[essence] = content_of(essence)
            if shape is not Content.OPAQUE and isinstance(described, dict):
                schema = described.get("schema")
                self._merge(arguments, self.schemas.members(schema, where))
                is_open |= self.schemas.is_open(schema, where)
                if shape is Content.JSON:
                    whole |= self.schemas.others(schema, where)
        is_open = is_open and not arguments
        if whole:
            arguments[WHOLE_BODY] = join_kinds(whole)
        return contents, is_open

    @staticmethod
    def _merge(arguments: dict[str, Kind], members: Mapping[str, Kind]) -> None:
        for name, kind in members.items():
            # A member without a name could not be told from a body that is no object.
            if name != WHOLE_BODY:
                arguments[name] = kind if arguments.get(name, kind) is kind else Kind.ANY
