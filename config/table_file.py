"""
The compact table of an API's operations as a file: what an import writes and a start reads.

One JSON object, one operation a line, sorted by name, members in a fixed order, so that the same document gives the
same bytes and a new version of an API shows as a readable difference. A table holds facts only; what a person adds
stands in an overlay beside it.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.catalog import Content, Effect, Kind, Place
from config.dialect import Origin
from config.faults import CatalogFault

# A table's name stands in the configuration, in metrics and in the ledger.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^*\x00-\x1f\x7f]+$")]
Base = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]


class Row(BaseModel):
    """
    One operation: `content` by media type, `arguments` by place and name, `multi_segment` the parameters that span.

    A body argument without a name is the whole of a JSON body that is no object; `open_body` says that the caller names
    the members of the body, so that none is undeclared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    base: Base = "api"
    effect: Effect
    content: dict[str, Content] = Field(default_factory=dict)
    arguments: dict[Place, dict[str, Kind]] = Field(default_factory=dict)
    multi_segment: tuple[str, ...] = ()
    open_body: bool = False

    @model_validator(mode="after")
    def _open_or_named(self) -> Self:
        if self.open_body and any(self.arguments.get(Place.BODY, ())):
            raise ValueError("a body is open, or its members are declared")
        return self


class Table(BaseModel):
    """
    An API's operations and where they were read from; `servers` are origins by base, as far as the document has them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    # A newer table may mean something else by the same members: it is refused, not guessed at.
    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    title: str = ""
    source: str = ""
    servers: dict[Base, Origin] = Field(default_factory=dict)
    operations: tuple[Row, ...]


def read_table(data: bytes) -> Table:
    """
    Parse a table, or raise `CatalogFault` with the first things that are wrong.
    """
    try:
        return Table.model_validate_json(data)
    except ValidationError as invalid:
        hint = "a table is what `breakwater catalog import` writes"
        raise CatalogFault(f"this is not a table of operations: {said(invalid)}", hint) from None


def write_table(table: Table) -> str:
    """
    Return the table as text, the same for the same operations in any order.
    """
    head = table.model_dump(mode="json", exclude={"operations"})
    lines = [f"{_text(key)}: {_text(value)}," for key, value in head.items()]
    rows = sorted(table.operations, key=lambda row: row.name)
    return "\n".join(["{", *lines, '"operations": [', ",\n".join(map(_line, rows)), "]", "}"]) + "\n"


def _line(row: Row) -> str:
    written = row.model_dump(mode="json", exclude_defaults=True) | {"base": row.base, "effect": row.effect.value}
    arguments = {
        place.value: dict(sorted((name, kind.value) for name, kind in row.arguments[place].items()))
        for place in Place
        if row.arguments.get(place)
    }
    ordered = {name: written[name] for name in ("name", "method", "path", "base", "effect")}
    if row.content:
        ordered["content"] = dict(sorted(written["content"].items()))
    if arguments:
        ordered["arguments"] = arguments
    if row.multi_segment:
        ordered["multi_segment"] = sorted(row.multi_segment)
    if row.open_body:
        ordered["open_body"] = True
    return _text(ordered)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# More faults than this in one table have one cause.
_SAID_MAX = 3


def said(invalid: ValidationError) -> str:
    """
    Return what pydantic found, a few words a fault, without quoting the input at length.
    """
    found = [
        f"{'.'.join(map(str, fault['loc'])) or 'the document'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in invalid.errors(include_url=False, include_input=False, include_context=False)
    ]
    rest = f" (and {len(found) - _SAID_MAX} more)" if len(found) > _SAID_MAX else ""
    return "; ".join(found[:_SAID_MAX]) + rest
