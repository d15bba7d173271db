"""The mark of an intent in every form: how it stands in a request, and how it is recognised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Body, Form, Json, Opaque, Request
from breakers.verdict import Reason
from config.catalog import Marker, MarkerForm
from proxy.canonical.bodies import encode_body
from proxy.canonical.forms import parse_form
from proxy.canonical.jsons import parse_json
from proxy.canonical.names import nest
from proxy.markers import marked, shows, spelled

INTENT = "01K9ZTQ6Q7T6GZ7E0M3V4R8XWB"
OTHER = "01K9ZTQ6Q7T6GZ7E0M3V4R8XWC"
COMMENTED, TRAILED = f"<!-- breakwater_call: {INTENT} -->", f"Breakwater-Call: {INTENT}"
LABEL = f"breakwater_call_{INTENT}"
PROPERTY = {"key": "breakwater_call", "value": {"intent": INTENT}}

MEMBER = Marker("metadata", MarkerForm.MEMBER, "/metadata")
COMMENT = Marker("body", MarkerForm.COMMENT, "/body")
TRAILER = Marker("message", MarkerForm.TRAILER, "/commit/message")
LABELLED = Marker("fields", MarkerForm.LABEL, "/fields/labels", "/labels")
PROPERTIED = Marker("properties", MarkerForm.PROPERTY, "/properties")

# One row: the marker, the body that came, the body that leaves; None is the same one.
BODIES: tuple[tuple[Marker, Body, Body], ...] = (
    (MEMBER, Json({"a": 1}), Json({"a": 1, "metadata": {"breakwater_call": INTENT}})),
    (MEMBER, Json({"metadata": {"b": "c"}}), Json({"metadata": {"b": "c", "breakwater_call": INTENT}})),
    (MEMBER, Json({"metadata": {"breakwater_call": "x"}}), Json({"metadata": {"breakwater_call": INTENT}})),
    (MEMBER, Json({"metadata": "none"}), None),
    (MEMBER, Form((("a", "1"),)), Form((("a", "1"), ("metadata[breakwater_call]", INTENT)))),
    (MEMBER, Form((("metadata[breakwater_call]", "x"),)), Form((("metadata[breakwater_call]", INTENT),))),
    (MEMBER, Form((("metadata", ""),)), None),
    (COMMENT, Json({"body": "It is."}), Json({"body": f"It is.\n\n{COMMENTED}"})),
    (COMMENT, Json({"title": "A"}), Json({"title": "A", "body": COMMENTED})),
    (COMMENT, Json({"body": None}), Json({"body": COMMENTED})),
    (COMMENT, Json({"body": ""}), Json({"body": COMMENTED})),
    (COMMENT, Json({"body": 1}), None),
    (COMMENT, Json(["body"]), None),
    (COMMENT, Form((("body", "It is."),)), Form((("body", f"It is.\n\n{COMMENTED}"),))),
    (COMMENT, Opaque(b"body"), None),
    (COMMENT, None, None),
    (TRAILER, Json({"message": "Fix"}), Json({"message": f"Fix\n\n{TRAILED}"})),
    (TRAILER, Json({}), None),
    (LABELLED, Json({"fields": {"labels": ["a"]}}), Json({"fields": {"labels": ["a", LABEL]}})),
    (LABELLED, Json({"fields": {"summary": "A"}}), Json({"fields": {"summary": "A", "labels": [LABEL]}})),
    (LABELLED, Json({}), Json({"fields": {"labels": [LABEL]}})),
    (LABELLED, Json({"fields": {"labels": "a"}}), None),
    (LABELLED, Json({"fields": "a"}), None),
    (PROPERTIED, Json({"a": 1}), Json({"a": 1, "properties": [PROPERTY]})),
    (PROPERTIED, Json({"properties": [{"key": "b"}]}), Json({"properties": [{"key": "b"}, PROPERTY]})),
    (
        PROPERTIED,
        Json({"properties": [{"key": "breakwater_call", "value": {"intent": OTHER}}]}),
        Json({"properties": [PROPERTY]}),
    ),
)  # fmt: skip


@pytest.mark.parametrize(("marker", "came", "leaves"), BODIES)
def test_marked(marker: Marker, came: Body, leaves: Body) -> None:
    """A request bears the mark where its body has a place for it, and leaves as it came where it has none."""
    request = Request("api", "POST", ("v1",), body=came)
    bearing = marked(request, marker, INTENT)
    assert bearing.body == (came if leaves is None else leaves)
    assert (bearing is request) == (leaves is None)


# One row: the marker, an object that bears the mark, others that do not.
OBJECTS: tuple[tuple[Marker, Any, list[Any]], ...] = (
    (
        MEMBER,
        {"metadata": {"a": "b", "breakwater_call": INTENT}},
        [{"metadata": {"breakwater_call": OTHER}}, {"metadata": INTENT}, {"breakwater_call": INTENT}, None],
    ),
    (
        COMMENT,
        {"body": f"It is.\r\n\r\n{COMMENTED}\r\n"},
        [{"body": INTENT}, {"body": COMMENTED.replace(INTENT, OTHER)}, {"body": None}, {}],
    ),
    (
        TRAILER,
        {"commit": {"message": f"Fix\n\nSigned-off-by: A\n{TRAILED}\n"}},
        [{"commit": {"message": f"Fix {TRAILED} or not"}}, {"commit": {}}],
    ),
    (
        LABELLED,
        {"fields": {"labels": ["a", LABEL]}},
        [{"fields": {"labels": [f"{LABEL}0"]}}, {"fields": {"labels": LABEL}}, {"fields": {}}],
    ),
    (Marker("labels", MarkerForm.LABEL, "/labels"), {"labels": [{"name": LABEL}]}, [{"labels": [{"name": "bug"}]}]),
    (
        PROPERTIED,
        {"properties": {"breakwater_call": {"intent": INTENT}}},
        [{"properties": {"breakwater_call": {"intent": OTHER}}}, {"properties": {}}, {"properties": None}],
    ),
    (PROPERTIED, {"properties": [PROPERTY]}, [{"properties": [{"key": "b", "value": {"intent": INTENT}}]}]),
)


@pytest.mark.parametrize(("marker", "bears", "others"), OBJECTS)
def test_shows(marker: Marker, bears: object, others: list[object]) -> None:
    """An object shows the mark of this intent only where it stands whole, at its place."""
    assert shows(bears, marker, INTENT)
    assert not [other for other in others if shows(other, marker, INTENT)]


@pytest.mark.parametrize("form", MarkerForm)
def test_spelled(form: MarkerForm) -> None:
    """The mark names its intent, in characters that a search need not escape."""
    mark = spelled(Marker("a", form, "/a"), INTENT)
    assert INTENT in mark
    assert mark.isascii()
    assert '"' not in mark


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
NAMES = st.sampled_from(["a", "b", "metadata[a]", "metadata[b]", "items[0][a]"])


@given(st.dictionaries(st.sampled_from(["title", "body", "other"]), st.none() | TEXT | st.integers(-9, 9)))
def test_member_round(body: dict[str, object]) -> None:
    """Whatever stands beside it, a marked JSON body is sent, shown again, and recognised, and nothing else is lost."""
    request = marked(Request("api", "POST", ("v1",), body=Json(body)), MEMBER, INTENT)
    data, _ = encode_body(request.body, None, "")
    shown = parse_json(data)
    assert shows(shown, MEMBER, INTENT)
    assert isinstance(shown, dict)
    assert {name: value for name, value in shown.items() if name != "metadata"} == body


@given(st.dictionaries(NAMES, TEXT, max_size=4))
def test_form_round(body: dict[str, str]) -> None:
    """A marked form still parses as one tree, with the mark where the vendor reads it."""
    request = marked(Request("api", "POST", ("v1",), body=Form(tuple(body.items()))), MEMBER, INTENT)
    data, _ = encode_body(request.body, None, "")
    assert shows(nest(parse_form(data), Reason.BODY_MALFORMED), MEMBER, INTENT)
