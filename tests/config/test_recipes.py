"""Recipes: how the objects that a write touches are found and how it is made up for, and every way they fail to fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from config.catalog import After, Before, ObjectSpec, OperationSpec, Place, Source, Touch, Undo
from config.faults import CatalogFault
from config.tables import compile_catalog


def row(name: str, route: str, **arguments: dict[str, str]) -> dict[str, Any]:
    method, path = route.split()
    effect = {"GET": "read", "DELETE": "irreversible"}.get(method, "write")
    return {"name": name, "method": method, "path": path, "effect": effect, "arguments": arguments}


ID, PET = {"id": "string"}, {"shop": "string", "id": "string"}
ROWS = [
    row("pets.get", "GET /{shop}/pets/{id}", path=PET, query={"at": "string", "expand": "array"}),
    row("owners.get", "GET /owners/{id}", path=ID),
    row("pets.create", "POST /{shop}/pets", path={"shop": "string"}, body={"name": "string", "expand": "array"}),
    row("pets.update", "POST /{shop}/pets/{id}", path=PET, body={"name": "string", "tag": "string", "owner": "string"}),
    row("pets.sell", "POST /sell", query={"at": "string"}, body={"pet": "string", "shop": "string", "cost": "integer"}),
    row("pets.drop", "DELETE /{shop}/pets/{id}", path=PET),
    row("owners.find", "GET /{shop}/owners", path={"shop": "string"}),
]
OBJECTS: dict[str, Any] = {
    "pet": {"read": "pets.get", "key": ["shop", "id", "at"], "names": ["/chip"], "expected": ["age"]},
    "owner": {"read": "owners.get", "key": ["id"], "query": {"all": "1"}},
}
PET_SPEC = ObjectSpec("pet", "pets.get", ("shop", "id", "at"), ("at",), (), ("/chip",), ("age",))
NOW = {"with": {"at": "=now"}}


def compiled(name: str, curated: dict[str, Any], objects: dict[str, Any] = OBJECTS) -> OperationSpec:
    """
    Return one operation of a small table with this said about it.
    """
    table = {"name": "pets", "operations": ROWS}
    overlay = {"dialect": {"shaping": ["expand"]}, "objects": objects, "operations": {name: curated}}
    catalog = compile_catalog(
        json.dumps(table).encode(), yaml.safe_dump(overlay, sort_keys=False).encode(), "pets.overlay.yaml"
    )
    return catalog.operations[name]


def touched(name: str, touches: dict[str, Any]) -> Touch:
    """
    Return the main object that an operation touches.
    """
    return compiled(name, {"touches": touches}).touches[0]


def at(place: Place, name: str, strip: str = "") -> Source:
    return Source(place, name, strip)


SOURCES = [
    ("pets.update", {"at": "=now"}, [("shop", at(Place.PATH, "shop")), ("id", at(Place.PATH, "id"))]),
    ("pets.update", {"id": "body.tag - v", "at": "=now"}, [("id", at(Place.BODY, "tag", "v"))]),
    ("pets.create", {"id": "answer/made/id", "at": "=now"}, [("id", Source("answer", "/made/id"))]),
    ("pets.sell", {"shop": "body.shop", "id": "body.pet"}, [("id", at(Place.BODY, "pet"))]),
    ("pets.sell", {"shop": "body.shop", "id": "body.pet"}, [("at", at(Place.QUERY, "at"))]),
    ("pets.drop", {"at": "=some day"}, [("at", Source("constant", "some day"))]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sources", "expected"), SOURCES)
def test_sources(name: str, sources: dict[str, str], expected: list[tuple[str, Source]]) -> None:
    """Each part of a key comes from where the overlay says, else from the argument of its name, in the key's order."""
    touch = touched(name, {"pet": {"with": sources}})
    assert [parameter for parameter, _ in touch.sources] == ["shop", "id", "at"]
    assert set(expected) <= set(touch.sources)


MADE = {"with": {"id": "answer/id", "at": "=now"}}
TIMES = [
    ("pets.update", NOW, Before.WANTED, After.READ, ""),
    ("pets.update", NOW | {"before": "required", "after": "answer"}, Before.REQUIRED, After.ANSWER, ""),
    ("pets.update", NOW | {"before": "none", "after": "/pet"}, Before.NONE, After.ANSWER, "/pet"),
    ("pets.create", MADE, Before.NONE, After.READ, ""),
    ("pets.drop", NOW, Before.WANTED, After.GONE, ""),
    ("pets.drop", NOW | {"after": "read"}, Before.WANTED, After.READ, ""),
]


@pytest.mark.parametrize(("name", "touch", "before", "after", "pointer"), TIMES)
def test_times(name: str, touch: dict[str, Any], before: Before, after: After, pointer: str) -> None:
    """An object is read before unless the write makes it, and after unless it is gone or the overlay knows better."""
    found = touched(name, {"pet": touch})
    assert (found.before, found.after, found.pointer) == (before, after, pointer)


def test_objects() -> None:
    """An object keeps what the overlay says of it, and a read knows which objects it shows."""
    assert touched("pets.update", {"pet": NOW}).object == PET_SPEC
    assert compiled("pets.get", {}).shows == (PET_SPEC,)
    assert touched("pets.update", {"owner": {}}).object.query == (("all", "1"),)
    assert compiled("owners.find", {}).shows == ()


def test_expected_by_write() -> None:
    """What one write is there to change joins what its object always expects, for that write only."""
    assert touched("pets.update", {"pet": NOW | {"expected": ["tag", "sold.at"]}}).object.expected == (
        "age",
        "tag",
        "sold.at",
    )
    assert compiled("pets.get", {}).shows[0].expected == ("age",)


def test_claims() -> None:
    """Arguments show where the overlay says; those that only shape an answer show nowhere, and are known as such."""
    made = touched("pets.create", {"pet": MADE | {"claims": {"name": "/title"}}})
    assert (dict(made.claims), made.shaped_by) == ({"expand": None, "name": "/title"}, ("expand",))
    plain = touched("pets.update", {"pet": NOW | {"claims": {"tag": None}}})
    assert (dict(plain.claims), plain.shaped_by) == ({"tag": None}, ())


UNDOS = [
    ("pets.update", {"pet": NOW}, "inverse", Undo()),
    ("pets.update", {}, {"operation": "pets.drop"}, {"shop": "path.shop", "id": "path.id"}),
    ("pets.create", {}, {"operation": "pets.drop", "with": {"id": "answer/id"}}, {"id": "answer/id"}),
    ("pets.drop", {"pet": NOW}, {"operation": "pets.create", "with": {"name": "before/name"}}, {"name": "before/name"}),
    ("pets.update", {}, {"operation": "pets.update", "with": {"tag": "=none"}}, {"tag": "=none"}),
]


@pytest.mark.parametrize(("name", "touches", "written", "expected"), UNDOS)
def test_undo(name: str, touches: dict[str, Any], written: Any, expected: Any) -> None:
    """A write is made up for by its inverse, or by an operation whose path takes what nobody says from the write's."""
    undo = compiled(name, {"touches": touches, "undo": written}).undo
    assert undo is not None
    if isinstance(expected, Undo):
        assert undo == expected
        return
    assert undo.operation == written["operation"]
    assert {name: _spelled(source) for name, source in undo.arguments}.items() >= expected.items()


def _spelled(source: Source) -> str:
    if source.origin == "constant":
        return f"={source.name}"
    return f"{source.origin}{source.name}" if source.name.startswith("/") else f"{source.origin}.{source.name}"


OBJECT_FAULTS = [
    ({"read": "pets.git", "key": ["id"]}, "its read `pets.git` is no operation", "did you mean `pets.get`?"),
    ({"read": "pets.drop", "key": ["shop", "id"]}, "`pets.drop` is not a read", ""),
    ({"read": "pets.get", "key": ["id"]}, "`pets.get` also needs `shop`", "name it in `key`"),
    ({"read": "pets.get", "key": ["shop", "id", "att"]}, "has no parameter `att`", "did you mean `at`"),
    ({"read": "pets.get", "key": []}, "objects.pet.key", "CATALOGUES"),
    ({"read": "pets.get", "key": ["shop", "id"], "names": ["chip"]}, "objects.pet.names", "CATALOGUES"),
]


@pytest.mark.parametrize(("written", "said", "hint"), OBJECT_FAULTS)
def test_object_faults(written: dict[str, Any], said: str, hint: str) -> None:
    """An object whose read cannot be made is a fault that names the object and what is nearest."""
    with pytest.raises(CatalogFault) as fault:
        compiled("pets.update", {}, {"pet": written})
    assert "pet" in fault.value.message
    assert said in fault.value.message
    assert hint in fault.value.hint


TOUCH_FAULTS = [
    ("pets.update", {"pat": {}}, "touches `pat`, which is no object", "did you mean `pet`?"),
    ("pets.update", {"pet": {"with": {"att": "=x"}}}, "`pet` has no key `att`", "did you mean `at`"),
    ("pets.update", {"pet": {}}, "nothing says where the key `at` of `pet` comes from", "answer/NAME"),
    ("pets.create", {"owner": {}}, "nothing says where the key `id` of `owner` comes from", "body.NAME"),
    ("pets.update", {"owner": {"with": {"id": "body.ownr"}}}, "no body argument `ownr`", "did you mean `owner`"),
    ("pets.update", {"owner": {"with": {"id": "tag"}}}, "`tag` is no place", "=CONSTANT"),
    ("pets.update", {"owner": {"with": {"id": "answer/"}}}, "`answer/` is no place", ""),
    ("pets.update", {"owner": {"with": {"id": "before/owner"}}}, "cannot be read before the write", ""),
    ("pets.create", {"pet": MADE | {"before": "required"}}, "cannot be read before the write", ""),
    ("pets.update", {"pet": NOW | {"claims": {"nam": "/x"}}}, "has no argument `nam`", "did you mean `name`"),
    ("pets.update", {"pet": NOW, "owner": {"claims": {"tag": None}}}, "`owner` has `claims`", ""),
    ("pets.update", {"pet": NOW | {"after": "later"}}, "touches.pet.after", ""),
    ("pets.update", {"pet": NOW | {"before": "later"}}, "touches.pet.before", ""),
    ("pets.update", {"pet": NOW | {"expected": ["a..b"]}}, "touches.pet.expected", ""),
]


@pytest.mark.parametrize(("name", "touches", "said", "hint"), TOUCH_FAULTS)
def test_touch_faults(name: str, touches: dict[str, Any], said: str, hint: str) -> None:
    """A touch that no request could follow is a fault that names the operation and what is nearest."""
    with pytest.raises(CatalogFault) as fault:
        compiled(name, {"touches": touches})
    assert "pets.overlay.yaml" in fault.value.message
    assert name in fault.value.message
    assert said in fault.value.message
    assert hint in fault.value.hint


REST_FAULTS = [
    ("pets.update", {"undo": "inverse"}, "`undo: inverse` needs an object", "say what it touches"),
    ("pets.update", {"undo": {"operation": "pets.dorp"}}, "by `pets.dorp`, which is no operation", "`pets.drop`"),
    ("pets.update", {"undo": {"operation": "pets.drop", "with": {"ids": "path.id"}}}, "no argument `ids`", "`id`"),
    ("pets.create", {"undo": {"operation": "pets.drop"}}, "nothing says where `id` of `pets.drop`", "answer/NAME"),
    ("pets.drop", {"undo": {"operation": "pets.create", "with": {"name": "before/name"}}}, "nothing reads that", ""),
    (
        "pets.create",
        {"touches": {"pet": MADE}, "undo": {"operation": "pets.create", "with": {"name": "before/name"}}},
        "nothing reads that",
        "",
    ),
    ("pets.sell", {"effect_key": "sale:{pets}"}, "has no argument `pets`", "did you mean `pet`"),
    ("pets.sell", {"effect_key": "sale:{pet|costs}"}, "has no argument `costs`", "did you mean `cost`"),
    ("pets.sell", {"effect_key": "sale"}, "`sale` names no argument", "{charge}"),
    ("pets.sell", {"effect_key": "sale:{pet}}"}, "names no argument", ""),
    ("pets.sell", {"effect_key": "x" * 201}, "effect_key", ""),
]


@pytest.mark.parametrize(("name", "curated", "said", "hint"), REST_FAULTS)
def test_undo_and_key_faults(name: str, curated: dict[str, Any], said: str, hint: str) -> None:
    """What could not be sent, or names nothing, is a fault that says so."""
    with pytest.raises(CatalogFault) as fault:
        compiled(name, curated)
    assert said in fault.value.message
    assert hint in fault.value.hint


def test_effect_key() -> None:
    """An effect key keeps its words, its arguments and their alternatives; without one it is empty."""
    assert compiled("pets.sell", {"effect_key": "sale:{pet|at}:{cost}"}).effect_key == "sale:{pet|at}:{cost}"
    assert compiled("pets.sell", {}).effect_key == ""
