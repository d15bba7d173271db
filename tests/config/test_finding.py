"""Recipes for what was lost: windows, retention, lists, markers, signs of success, and every way they fail to fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from config.catalog import Find, Listing, Marker, MarkerForm, OperationSpec, Paging, Place, Source
from config.faults import CatalogFault
from config.tables import compile_catalog
from tests.config.test_recipes import row

SHOP = {"shop": "string"}
PAGED = {"page": "integer", "after": "string", "sort": "string", "since": "string", "q": "string"}
ROWS = [
    row("pets.get", "GET /{shop}/pets/{id}", path={**SHOP, "id": "string"}),
    row("pets.list", "GET /{shop}/pets", path=SHOP, query=PAGED),
    row("me.get", "GET /me"),
    row("fees.list", "GET /fees", query={"shop": "string"}),
    row(
        "pets.make",
        "POST /{shop}/pets",
        path=SHOP,
        query={"draft": "boolean"},
        body={"name": "string", "tags": "array", "more": "object", "cost": "integer", "expand": "array"},
    ),
    row("pets.drop", "DELETE /{shop}/pets/{id}", path={**SHOP, "id": "string"}),
    row("pets.sell", "POST /sell", body={"name": "string"}),
]
OBJECTS = {"pet": {"read": "pets.get", "key": ["shop", "id"]}}
MADE = {"pet": {"with": {"id": "answer/id"}, "claims": {"name": "/title"}}}
FIND: dict[str, Any] = {"list": "pets.list", "key": {"id": "/id"}}
IN_SHOP = (("shop", Source(Place.PATH, "shop")),)
LISTED = Listing("pets.list", IN_SHOP, (), "")


def compiled(name: str, curated: dict[str, Any], dialect: Any = None, **sections: Any) -> OperationSpec:
    """
    Return one operation of a small table with this said about it.
    """
    overlay = {"dialect": {"shaping": ["expand"], **(dialect or {})}, "objects": OBJECTS, **sections}
    text = yaml.safe_dump({**overlay, "operations": {name: curated}}, sort_keys=False)
    table = json.dumps({"name": "pets", "operations": ROWS})
    return compile_catalog(table.encode(), text.encode(), "pets.overlay.yaml").operations[name]


def found(find: dict[str, Any], **sections: Any) -> Find:
    """
    Return how a lost pet is looked for.
    """
    spec = compiled("pets.make", {"touches": MADE, "find": FIND | find, **sections.pop("more", {})}, **sections)
    assert spec.find is not None
    return spec.find


# --------------------------------------------------------------------------------------------- windows and retention

AMOUNT = {"amount": {"argument": "cost", "currency": "name"}}
KEYED = {"effect_key": "pet:{name}"}
WINDOWS: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    (KEYED, 60),
    (AMOUNT, 86_400),
    (AMOUNT | KEYED, 86_400),
    (KEYED | {"effect_window": "15m"}, 900),
    (AMOUNT | {"effect_window": "60s"}, 60),
    ({"effect_window": "2d"}, 172_800),
]


@pytest.mark.parametrize(("curated", "seconds"), WINDOWS)
def test_windows(curated: dict[str, Any], seconds: int) -> None:
    """A second effect is suspected for a day where money moves, for a minute elsewhere, or as long as is said."""
    assert compiled("pets.make", curated).effect_window_s == seconds


KEPT: list[tuple[Any, dict[str, Any], tuple[bool, int]]] = [
    ([], {}, (False, 0)),
    ([], {"honours_key": True}, (True, 86_400)),
    ([{"methods": ["POST"]}], {}, (True, 86_400)),
    ([{"methods": ["POST"], "kept_h": 1}], {}, (True, 3600)),
    ([{"methods": ["POST"], "kept_h": 1}, {"methods": ["POST"], "kept_h": 720}], {}, (True, 2_592_000)),
    ([{"methods": ["POST"]}], {"honours_key": False}, (False, 0)),
    ([{"methods": ["DELETE"], "kept_h": 2}], {"honours_key": True}, (True, 86_400)),
]


@pytest.mark.parametrize(("rules", "curated", "kept"), KEPT)
def test_keys_kept(rules: Any, curated: dict[str, Any], kept: tuple[bool, int]) -> None:
    """A key is kept as long as its rule says, a day where none does, and not at all where it is not honoured."""
    spec = compiled("pets.make", curated, {"honours_key": rules, "upstream_key_header": "Key"})
    assert (spec.honours_key, spec.key_kept_s) == kept


# ------------------------------------------------------------------------------------------------------------ listings


def source(place: Place, name: str, pointer: str = "") -> Source:
    return Source(place, name, pointer=pointer)


LISTS = {"query": {"q": "all", "limit": "9"}, "items": "/data", "paging": "after", "page": "after", "more": "/more"}
LISTINGS: list[tuple[dict[str, Any], dict[str, Any], Listing]] = [
    ({}, {}, LISTED),
    ({"newest_first": False, "items": "/pets"}, {}, Listing("pets.list", IN_SHOP, (), "/pets", newest_first=False)),
    (
        {},
        LISTS,
        Listing("pets.list", IN_SHOP, (("q", "all"),), "/data", (), Paging.AFTER, "after", "/more"),
    ),
    ({"items": "", "paging": "whole"}, LISTS, Listing("pets.list", IN_SHOP, (("q", "all"),), "", (), Paging.WHOLE, "")),
    (
        {"query": {"q": "mine", "sort": "down", "since": "{since}"}, "paging": "offset", "page": "page", "items": ""},
        LISTS,
        Listing(
            "pets.list",
            IN_SHOP,
            (("q", "mine"), ("sort", "down"), ("since", "{since}")),
            "",
            (),
            Paging.OFFSET,
            "page",
        ),
    ),
    (
        {"with": {"shop": "body.more/shop/id", "sort": "=down", "after": ["body.name", "query.draft"]}},
        {},
        Listing(
            "pets.list",
            (
                ("shop", source(Place.BODY, "more", "/shop/id")),
                ("sort", Source("constant", "down")),
                ("after", source(Place.BODY, "name")),
                ("after", source(Place.QUERY, "draft")),
            ),
            (),
            "",
        ),
    ),
    (
        {"query": {"q": "in = {shop} of {since_s}"}, "quoted": {"shop": ["body.more/shop", "path.shop"]}},
        {},
        Listing(
            "pets.list",
            IN_SHOP,
            (("q", "in = {shop} of {since_s}"),),
            "",
            (("shop", source(Place.BODY, "more", "/shop")), ("shop", source(Place.PATH, "shop"))),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("find", "lists", "listing"), LISTINGS)
def test_listings(find: dict[str, Any], lists: dict[str, Any], listing: Listing) -> None:
    """A list is read as its recipe says, over what all lists have in common as far as this one takes it."""
    assert found(find, lists=lists).listing == listing


def test_items() -> None:
    """What tells an item comes from the recipe, else from all lists; claims go over those of the object."""
    lists = {"creator": "/by/id", "created": "/at"}
    plain = found({}, lists=lists)
    assert (plain.id, plain.created, plain.creator, plain.key) == ("/id", "/at", "/by/id", (("id", "/id"),))
    assert dict(plain.claims) == {"expand": None, "name": "/title"}
    own = found(
        {"id": "/n", "created": "/when", "creator": None, "claims": {"name": "/name", "tags": None}}, lists=lists
    )
    assert (own.id, own.created, own.creator) == ("/n", "/when", None)
    assert dict(own.claims) == {"expand": None, "name": "/name", "tags": None}


def test_patience() -> None:
    """How long a list lags is its own word, else the API's; how often it is read is its own."""
    plain = found({}, dialect={"lag_s": 7})
    assert (plain.lag_s, plain.needs_later, plain.reads, plain.apart_s) == (7, False, 2, 15)
    slow = found({"lag": "5m", "needs_later": True, "reads": 3, "apart": "150s", "without": ["/pull"]})
    assert (slow.lag_s, slow.needs_later, slow.reads, slow.apart_s, slow.without) == (300, True, 3, 150, ("/pull",))


# ------------------------------------------------------------------------------------------------ markers, success

MARKERS = {
    "text": {"argument": "name", "form": "comment", "shown": "/title"},
    "tag": {"argument": "tags", "form": "label", "shown": "/tags"},
    "inner": {"argument": "more", "form": "label", "shown": "/more/tags", "pointer": "/tags"},
    "member": {"argument": "more", "form": "member", "shown": "/more"},
    "wrong": {"argument": "tags", "form": "member", "shown": "/tags"},
    "gone": {"argument": "nam", "form": "comment", "shown": "/title"},
}


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("text", Marker("name", MarkerForm.COMMENT, "/title")),
        ("tag", Marker("tags", MarkerForm.LABEL, "/tags")),
        ("inner", Marker("more", MarkerForm.LABEL, "/more/tags", "/tags")),
        ("member", Marker("more", MarkerForm.MEMBER, "/more")),
    ],
)
def test_markers(name: str, marker: Marker) -> None:
    """An operation takes one of the overlay's markers by name."""
    spec = compiled("pets.make", {"touches": MADE, "find": FIND, "marker": name}, markers=MARKERS)
    assert spec.marker == marker


def test_marked_list() -> None:
    """What bore a marker is looked for in a list that names it, and otherwise read as the first."""
    find = found(
        {"query": {"q": "in", "sort": "down"}, "marked": {"query": {"q": "tag = {marker}"}}},
        more={"marker": "tag"},
        markers=MARKERS,
    )
    assert find.listing.query == (("q", "in"), ("sort", "down"))
    assert find.marked == Listing("pets.list", IN_SHOP, (("q", "tag = {marker}"), ("sort", "down")), "")


def test_nowhere() -> None:
    """Why something cannot be found stands where its recipe would."""
    spec = compiled("pets.make", {"touches": MADE, "find": "no list shows a pet"})
    assert (spec.find, spec.unfound) == (None, "no list shows a pet")
    assert compiled("pets.sell", {}).unfound == ""


def test_done() -> None:
    """What an object shows once a write took effect is one value or several."""
    spec = compiled(
        "pets.make", {"touches": MADE, "done": {"/state": ["sold", "gone"], "/here": False, "/price": None}}
    )
    assert spec.done == (("/state", ("sold", "gone")), ("/here", (False,)), ("/price", (None,)))


def test_identity() -> None:
    """Who we are is told by a read without parameters."""
    dialect = {"identity": {"read": "me.get", "pointer": "/id"}}
    assert compiled("pets.make", {}, dialect).name == "pets.make"


# -------------------------------------------------------------------------------------------------------------- faults

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"find": {"key": {"id": "/id"}}}, "nothing says which `list` shows it", "name a read"),
    ({"find": FIND | {"list": "pets.lst"}}, "its list `pets.lst` is no operation", "did you mean `pets.list`"),
    ({"find": FIND | {"list": "pets.drop"}}, "`pets.drop` is not a read by GET", ""),
    ({"find": FIND | {"list": "fees.list"}}, "`fees.list` has no parameter `page` to go on by", ""),
    ({"find": FIND | {"page": "pag"}}, "`pets.list` has no parameter `pag` to go on by", "did you mean `page`?"),
    ({"find": FIND | {"paging": "after", "page": "after"}}, "nothing says whether `pets.list` goes on", "`more`"),
    ({"find": FIND | {"paging": "never"}}, "find", ""),
    ({"find": FIND | {"query": {"srt": "down"}}}, "`pets.list` has no parameter `srt`", "did you mean `sort`?"),
    ({"find": FIND | {"query": {"srt[gte]": "1"}}}, "`pets.list` has no parameter `srt`", "did you mean `sort`?"),
    ({"find": FIND | {"with": {"sho": "path.shop"}}}, "`pets.list` has no parameter `sho`", "did you mean `shop`?"),
    ({"find": FIND | {"with": {"sort": "body.nam"}}}, "no body argument `nam`", "did you mean `name`?"),
    ({"find": FIND | {"with": {"sort": "body.name/first"}}}, "nothing lies in `name`", ""),
    ({"find": FIND | {"with": {"sort": "answer/id"}}}, "`answer/id` is no place", "`body.NAME/POINTER`"),
    ({"find": FIND | {"query": {"q": "{shp}"}}}, "nothing fills `{shp}` in the query", ""),
    ({"find": FIND | {"query": {"q": "{sinc}"}}}, "nothing fills `{sinc}` in the query", "did you mean `since`"),
    ({"find": FIND | {"quoted": {"shop": "path.shop"}}}, "does not name `{shop}`", ""),
    ({"find": FIND | {"query": {"q": "{marker}"}}}, "list for writes without one", "under `marked`"),
    ({"find": FIND | {"marked": {"query": {"q": "{marker}"}}}}, "`marked` is for a `marker`", "{marker}"),
    ({"find": FIND | {"marked": {}}, "marker": "tag"}, "`marked` is for a `marker`", "{marker}"),
    ({"find": FIND | {"claims": {"nam": "/x"}}}, "has no argument `nam`", "did you mean `name`?"),
    ({"find": {"list": "pets.list"}}, "nothing says where an item shows `id`", "`id: /id`"),
    ({"find": FIND | {"key": {"id": "/id", "shp": "/s"}}}, "`pet` has no key `shp`", "did you mean `shop`?"),
    ({"find": FIND, "touches": {}}, "`key` is of an object, and it touches none", ""),
    ({"find": FIND | {"apart": "15"}}, "duration", ""),
    ({"find": FIND | {"lag": "500ms"}}, "less than a second", ""),
    ({"find": FIND | {"reads": 0}}, "find", ""),
    ({"effect_window": "a day"}, "effect_window", ""),
    ({"find": FIND, "marker": "txt"}, "`txt` is none of the `markers`", "did you mean `text`?"),
    ({"marker": "text"}, "a marker that nobody looks for", "which list shows it"),
    ({"find": "nowhere", "marker": "text"}, "a marker that nobody looks for", "which list shows it"),
    ({"find": FIND, "marker": "gone"}, "no body argument `nam`", "did you mean `name`?"),
    ({"find": FIND, "marker": "wrong"}, "`tags` is of type array, which takes no member", ""),
    ({"done": {"/state": "sold"}, "touches": {}}, "`done` is shown by an object", "what it touches"),
    ({"done": {"state": "sold"}}, "done", ""),
]


@pytest.mark.parametrize(("curated", "said", "hint"), FAULTS)
def test_faults(curated: dict[str, Any], said: str, hint: str) -> None:
    """A recipe that could not be followed is a fault at its line that says what is nearest."""
    with pytest.raises(CatalogFault) as fault:
        compiled("pets.make", {"touches": MADE} | curated, markers=MARKERS)
    assert fault.value.message.startswith("pets.overlay.yaml:")
    assert said in fault.value.message
    assert hint in fault.value.hint


def test_place_of_fault() -> None:
    """A fault names file, line and column of the section that is wrong."""
    text = "operations:\n  pets.make:\n    note: x\n    find: {list: pets.lst}\n"
    with pytest.raises(CatalogFault, match=r"^pets\.overlay\.yaml:4:5: `pets\.make`: its list `pets\.lst`"):
        compile_catalog(json.dumps({"name": "p", "operations": ROWS}).encode(), text.encode(), "pets.overlay.yaml")


@pytest.mark.parametrize(
    ("read", "said"), [("me.gt", "`me.gt` is no operation"), ("pets.get", "needs no parameter"), ("pets.sell", "not a")]
)
def test_identity_faults(read: str, said: str) -> None:
    """A read that cannot tell who we are is a fault."""
    with pytest.raises(CatalogFault, match="identity") as fault:
        compiled("pets.make", {}, {"identity": {"read": read, "pointer": "/id"}})
    assert said in fault.value.message
