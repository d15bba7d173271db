"""
Reads an SDK's own list of operations, which is also the form to write a catalogue by hand, into a table.

The list is a JSON object: `source`, optionally `api_version`, `name`, `title` and `servers` (origins by base), and
`operations`, each with `name`, `method`, `path`, `base`, optionally `content`, and `arguments` by name. An argument's
type is the name of a JSON type, `decimal`, `map` or `any`; a nested object stands for an object, a list for an array.

Where an argument goes follows from the method: what the path template names is in the path, the arguments of a GET,
HEAD or DELETE are its query, those of any other method its body. Where `content` is absent, bodies are what SDKs of
this kind send: JSON below `/v2/`, multipart where a write goes to the base `files`, forms elsewhere.

A `decimal` is text that spells a number: in a form or a query it reads as a number, in JSON it is a string.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.catalog import Content, Kind, Place
from config.dialect import Origin
from config.faults import CatalogFault
from config.openapi import effect_of, refuse_twins, slug
from config.routes import read_template
from config.table_file import NAME, Base, Name, Row, Table, said

MEDIA_TYPES = {
    Content.FORM: "application/x-www-form-urlencoded",
    Content.JSON: "application/json",
    Content.MULTIPART: "multipart/form-data",
}

_KINDS = {kind.value: kind for kind in Kind} | {"map": Kind.OBJECT}


class Listed(BaseModel):
    """
    One operation as the list has it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    base: Base = "api"
    content: Literal["form", "json", "multipart"] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)

    def row(self) -> Row:
        """
        Return the operation as a table has it, or raise `CatalogFault`.
        """
        in_path = [name for segment in read_template(self.path) for name in segment.names]
        in_query = self.method in {"GET", "HEAD", "DELETE"}
        place, content = (Place.QUERY, Content.FORM) if in_query else (Place.BODY, self._content())
        kinds = {name: self._kind(name, written, content) for name, written in self.arguments.items()}
        found = {Place.PATH: {name: kinds.pop(name, Kind.STRING) for name in in_path}, place: kinds}
        return Row(
            name=self.name,
            method=self.method,
            path=self.path,
            base=self.base,
            effect=effect_of(self.method),
            content={} if in_query else {MEDIA_TYPES[content]: content},
            arguments={place: held for place, held in found.items() if held},
        )

    def _content(self) -> Content:
        if self.content:
            return Content(self.content)
        if self.path.startswith("/v2/"):
            return Content.JSON
        return Content.MULTIPART if self.base == "files" else Content.FORM

    def _kind(self, name: str, written: object, content: Content) -> Kind:
        if isinstance(written, dict | list):
            return Kind.OBJECT if isinstance(written, dict) else Kind.ARRAY
        if written == "decimal":
            return Kind.STRING if content is Content.JSON else Kind.NUMBER
        if not isinstance(written, str) or written not in _KINDS:
            known = ", ".join(sorted({*_KINDS, "decimal"}))
            hint = f"types are {known}, a nested object, or a list of one type"
            raise CatalogFault(f"argument `{name}` of `{self.name}` has no type that is known here", hint)
        return _KINDS[written]


class OperationList(BaseModel):
    """
    The list itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    source: str
    api_version: str = ""
    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")] | None = None
    title: str = ""
    servers: dict[Base, Origin] = Field(default_factory=dict)
    operations: Annotated[tuple[Listed, ...], Field(min_length=1)]


def read_list(document: dict[str, Any], name: str | None = None) -> Table:
    """
    Return the operations of a list, or raise `CatalogFault` with the first things that are wrong.
    """
    try:
        listed = OperationList.model_validate(document)
    except ValidationError as invalid:
        raise CatalogFault(f"this is not a list of operations: {said(invalid)}") from None
    rows = tuple(operation.row() for operation in listed.operations)
    refuse_twins(rows)
    version = f", API version {listed.api_version}" if listed.api_version else ""
    return Table(
        name=name or listed.name or slug(listed.title or listed.source.partition("(")[0]),
        title=listed.title,
        source=f"operations of {listed.source}{version}",
        servers=dict(sorted(listed.servers.items())),
        operations=rows,
    )
