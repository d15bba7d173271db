"""
Values against models: every fault of a section at once, in our words, at its place.

A section with faults is read once more without the members that are wrong, so that what stands beside them can still be
held against the catalogues; such a model is for finding further faults only, never for running.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from config.faults import Fault, Unreadable, did_you_mean
from config.source import Source, Spot, Trail
from config.written import NOT_YET, Strict, is_plain

Model = TypeVar("Model", bound=Strict)

# Stand for required members that are missing or wrong, so that what stands beside them can still be checked.
_STAND_INS: Mapping[str, object] = MappingProxyType({"purpose": "missing", "credential": {"env": "MISSING"}})

_KINDS = {
    "string_type": "this must be text",
    "path_type": "this must be a path",
    "dict_type": "this must be a mapping",
    "mapping_type": "this must be a mapping",
    "model_type": "this must be a mapping",
    "tuple_type": "this must be a list",
    "list_type": "this must be a list",
    "bool_type": "this must be true or false",
}


@dataclass(frozen=True, slots=True)
class Places:
    """
    Where a value stands, by its trail: its key for what is wrong with its name, itself for what is wrong with it.
    """

    source: Source

    def key(self, trail: Trail) -> Spot:
        """
        Return where the last key of a trail stands, else the nearest place around it.
        """
        return self.source.keys.get(trail) or self.value(trail)

    def key_folded(self, trail: Trail) -> Spot:
        """
        Return where the last key of a trail stands, in whatever capitals it was written.
        """
        parent, last = trail[:-1], str(trail[-1]).casefold()
        same = (at for at in self.source.keys if at[:-1] == parent and str(at[-1]).casefold() == last)
        return self.key(next(same, trail))

    def value(self, trail: Trail) -> Spot:
        """
        Return where the value of a trail stands, else the nearest place around it.
        """
        for length in range(len(trail), 0, -1):
            spot = self.source.values.get(trail[:length])
            if spot is not None:
                return spot
        return Spot(self.source.file, 0, 0)


def shaped(model: type[Model], value: object, trail: Trail, places: Places) -> tuple[Model | None, list[Fault]]:
    """
    Return the model and no faults, or what can still be checked of it and every fault of its shape.
    """
    try:
        return model.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as error:
        faults = [_translated(model, dict(item), trail, places) for item in error.errors(include_url=False)]
        rest = _without([tuple(item["loc"]) for item in error.errors()], value)
    try:
        return model.model_validate(rest, by_alias=True, by_name=False), faults
    except ValidationError:
        return None, faults


def _without(wrong: list[Trail], value: object) -> object:
    rest = copy.deepcopy(value)
    for loc in sorted(wrong, key=len, reverse=True):
        parent, last = _reached(rest, loc)
        if isinstance(parent, dict) and last in parent:
            del parent[last]
        if isinstance(parent, dict) and parent is rest and last in _STAND_INS:
            parent[last] = _STAND_INS[last]
        elif isinstance(parent, list):
            parent[last] = "-"
    return rest


def _reached(value: Any, loc: Trail) -> tuple[Any, Any]:
    """
    Follow a location as far as the value goes; return the last container and the key in it.
    """
    parent, last = None, None
    for part in loc:
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if not inside:
            return (value, part) if isinstance(value, dict) and parent is None else (parent, last)
        parent, last, value = value, part, value[part]
    return parent, last


def _translated(model: type[Strict], item: Mapping[str, Any], trail: Trail, places: Places) -> Fault:
    loc, kind, context = tuple(item["loc"]), str(item["type"]), item.get("ctx", {})
    at = (*trail, *loc)
    name = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        return _unknown_key(model, loc, places.key(at))
    if kind == "missing":
        return places.key(at[:-1]).fault(f"`{name}` is missing", f"add `{name}:`")
    spot = places.value(at)
    reason = context.get("error")
    if isinstance(reason, Unreadable):
        return spot.fault(reason.message, reason.hint)
    given = item.get("input")
    if kind == "literal_error":
        known = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ",").split(",")]
        shown = f"`{given[:40]}`" if isinstance(given, str) else "this"
        return spot.fault(f"{shown} is not one of its values", did_you_mean(str(given), known))
    if kind in _KINDS:
        return spot.fault(_KINDS[kind], _hint(kind, given))
    if kind == "greater_than_equal":
        return spot.fault("this is too little", f"write at least {context['ge']}")
    if kind == "less_than_equal":
        return spot.fault("this is too much", f"write at most {context['le']}")
    return spot.fault(str(item["msg"]))


def _hint(kind: str, given: object) -> str:
    if kind in {"string_type", "path_type"}:
        return f'put it in quotes: "{given}"' if is_plain(given) else ""
    if kind in {"tuple_type", "list_type"}:
        return "write `[one, two]`"
    if kind == "bool_type":
        return "write `true` or `false`, without quotes"
    return "write `{}` if nothing is in it" if given is None else "write `name: value`, one a line, indented below"


def _unknown_key(model: type[Strict], loc: Trail, spot: Spot) -> Fault:
    name, section = str(loc[-1]), section_at(model, loc[:-1])
    if section is None:
        return spot.fault(f"`{name[:60]}` is unknown")
    if name in section.later:
        return spot.fault(f"`{name}` is {NOT_YET}", "remove it")
    return spot.fault(f"`{name[:60]}` is unknown here", did_you_mean(name, written_names(section)))


def written_names(section: type[BaseModel]) -> list[str]:
    """
    Return the keys of a section as they are written.
    """
    return [field.alias or name for name, field in section.model_fields.items()]


def section_at(model: type[Strict], loc: Trail) -> type[Strict] | None:
    """
    Return the model that a location inside another leads to, through mappings, lists and options.
    """
    here: Any = model
    for part in loc:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in here.model_fields.items()}
            here = _bare(fields.get(str(part)))
        else:
            here = _bare(next((inside for inside in reversed(get_args(here)) if inside is not Ellipsis), None))
    return here if isinstance(here, type) and issubclass(here, Strict) else None


def _bare(annotation: Any) -> Any:
    """
    Return an annotation without `Annotated` and without `| None`.
    """
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if isinstance(annotation, UnionType):
        annotation = next(option for option in get_args(annotation) if option is not type(None))
        return _bare(annotation)
    return annotation
