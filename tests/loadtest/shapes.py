"""
Answers held against the vendor's own document: the types of members, and the members that must be there.

A table in `shape_tables/` has, for each operation that a sandbox answers, the shape of the body for each status. A
shape is

* `"string"`, `"integer"`, `"number"`, `"boolean"`, `"null"`, `"array"`, `"object"`, several joined by `|`, or `"any"`;
* `"#name"`: the shape of that name in the table's `shapes`;
* `[shape]`: an array of them;
* `{"|": [shape, ...]}`: any one of them;
* `{"member": shape, "other?": shape}`: an object; what ends in `?` may be missing; `"*"` is the shape of every member
  that is not named. Members that the table does not know are let be, as the documents do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "shape_tables"

# A failed alternative of a union is reported by what is wrong with the one that came nearest: no more than this of it.
_FAULTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation of the document: its method and path template, and the shape of its body by status; None is no body.
    """

    name: str
    method: str
    path: str
    answers: Mapping[str, Any]

    def meets(self, method: str, path: str) -> int | None:
        """
        Return how many segments are literally its own, None if it is another; a last `{+name}` takes any number.
        """
        mine, theirs = self.path.split("/"), path.split("/")
        if mine[-1].startswith("{+") and len(theirs) > len(mine):
            theirs = [*theirs[: len(mine) - 1], "/".join(theirs[len(mine) - 1 :])]
        if method != self.method or len(mine) != len(theirs):
            return None
        if any(
            part != theirs[n] and not part.startswith("{+" if not theirs[n] else "{") for n, part in enumerate(mine)
        ):
            return None
        return sum(not part.startswith("{") for part in mine)


class Shapes:
    """
    One vendor's table.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._shapes: Mapping[str, Any] = table["shapes"]
        self.operations = tuple(
            Operation(name, each["method"], each["path"], each["answers"]) for name, each in table["operations"].items()
        )

    @classmethod
    def of(cls, vendor: str) -> Shapes:
        """
        Read the table of that name.
        """
        return cls(json.loads((_FOLDER / f"{vendor}.json").read_text("utf-8")))

    def operation(self, method: str, path: str) -> Operation | None:
        """
        Return the operation of a request, the most literal where templates overlap.
        """
        path = path.partition("?")[0]
        found = [(met, each) for each in self.operations if (met := each.meets(method, path)) is not None]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def faults(self, method: str, path: str, status: int, body: bytes) -> list[str]:
        """
        Say what is wrong with an answer, a line each; nothing is wrong with one that is as the document says.
        """
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path}: the document has no such operation"]
        where = f"{operation.name} {status}"
        if str(status) not in operation.answers and "default" not in operation.answers:
            return [f"{where}: the document has no such answer"]
        shape = operation.answers.get(str(status), operation.answers.get("default"))
        if shape is None:
            return [f"{where}: a body where the document has none"] if body else []
        return [f"{where}{fault}" for fault in self.differences(shape, json.loads(body))]

    def differences(self, shape: Any, value: object, at: str = "") -> Iterator[str]:
        """
        Yield the pointer and the fault of every place where a value is not of its shape.
        """
        match shape:
            case str() if shape.startswith("#"):
                yield from self.differences(self._shapes[shape[1:]], value, at)
            case str():
                if shape != "any" and not any(_is(kind, value) for kind in shape.split("|")):
                    yield f"{at}: {_kind(value)} where {shape} is documented"
            case [items]:
                if not isinstance(value, list):
                    yield f"{at}: {_kind(value)} where array is documented"
                else:
                    for n, each in enumerate(value):
                        yield from self.differences(items, each, f"{at}/{n}")
            case {"|": alternatives}:
                tried = [list(self.differences(each, value, at)) for each in alternatives]
                if all(tried):
                    yield from min(tried, key=len)[:_FAULTS_SHOWN]
            case _:
                yield from self._members(shape, value, at)

    def _members(self, shape: Mapping[str, Any], value: object, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: {_kind(value)} where object is documented"
            return
        named = {
            name.removesuffix("?"): (not name.endswith("?"), inner) for name, inner in shape.items() if name != "*"
        }
        for name, (required, inner) in named.items():
            if name in value:
                yield from self.differences(inner, value[name], f"{at}/{name}")
            elif required:
                yield f"{at}/{name}: missing"
        if "*" in shape:
            for name in value.keys() - named.keys():
                yield from self.differences(shape["*"], value[name], f"{at}/{name}")


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else kinds[type(value)]


def _is(kind: str, value: object) -> bool:
    found = _kind(value)
    return found == kind or (found == "integer" and kind == "number")
