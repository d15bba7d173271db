"""What a write says in bytes: the same exactly where two requests are, whatever they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Body, Call, Caller, Form, Json, Multipart, Opaque, Part, Request
from breakers.fingerprint import CANONICAL, canonical_1, framed
from tests.breakers.world import call

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def said(body: Body = None, *, caller: Caller | None = None, api: str = "shop", **request: Any) -> Call:
    made = call("issues/create", api=api)
    base = Request("api", "POST", ("issues",), media_type=request.pop("media_type", JSON), body=body)
    return replace(made, request=replace(base, **request), caller=caller or made.caller)


def form(*pairs: tuple[str, str]) -> Call:
    return said(Form(pairs), media_type=FORM)


def parts(*some: Part) -> Call:
    return said(Multipart(some), media_type="multipart/form-data")


def headers(*some: tuple[str, str]) -> Call:
    return said(headers=some)


A, B = Part("a", None, None, b"x"), Part("b", "f.txt", "text/plain", b"y")

SAME: dict[str, tuple[Call, Call]] = {
    "members of objects": (said(Json({"a": 1, "b": {"c": 2, "d": 3}})), said(Json({"b": {"d": 3, "c": 2}, "a": 1}))),
    "pairs of a form": (form(("a", "1"), ("b", "2"), ("a", "3")), form(("b", "2"), ("a", "1"), ("a", "3"))),
    "pairs of a query": (said(query=(("b", "2"), ("a", "1"))), said(query=(("a", "1"), ("b", "2")))),
    "a type's parameters": (
        said(Opaque(b"x"), media_type="text/plain; charset=utf-8"),
        said(Opaque(b"x"), media_type="text/plain"),
    ),
    "who asks, and how it is traced": (
        headers(("accept", "a"), ("accept-language", "b"), ("range", "c"), ("traceparent", "d"), ("user-agent", "e")),
        headers(("tracestate", "f"), ("user-agent", "g")),
    ),
    "the id of the agent's key": (said(caller=Caller("clerk", "k1", "t")), said(caller=Caller("clerk", "k2", "t"))),
    "the task of a day": (said(caller=Caller("clerk", "k", "day-1")), said(caller=Caller("clerk", "k", "day-2"))),
}


@pytest.mark.parametrize("name", SAME)
def test_same(name: str) -> None:
    """What may differ between a request and its repeat is no part of what it says."""
    one, other = SAME[name]
    assert canonical_1(one) == canonical_1(other)


# Every two of these are different requests.
DIFFERENT: list[Call] = [
    said(),
    said(api="annexe"),
    said(caller=Caller("cashier", "key-1", "task-1")),
    said(caller=Caller("clerk", "key-1", "task-1", named=True)),
    said(caller=Caller("clerk", "key-1", "-", named=True)),
    said(base="files"),
    said(method="PUT"),
    said(segments=("issues", "")),
    said(segments=("issues", "7")),
    said(segments=("issues/7",)),
    said(segments=("issue", "s")),
    said(query=(("a", ""),)),
    said(query=(("a", "1"),)),
    said(query=(("a", "1"), ("a", "2"))),
    said(query=(("a", "2"), ("a", "1"))),
    said(query=(("a1", ""),)),
    said(segments=("issues", "1", "a"), query=()),
    headers(("if-match", '"1"')),
    headers(("if-match", '"2"')),
    headers(("if-none-match", '"1"')),
    headers(("stripe-version", "2026")),
    said(redirecting=(("stripe-account", "acct_1"),)),
    said(redirecting=(("stripe-account", "acct_2"),)),
    headers(("stripe-account", "acct_1")),
    *(said(Json(value)) for value in (1, 1.0, "1", True, None, 0.0, -0.0, 0, "", [], {}, [1], ["1"], {"1": 1})),
    *(said(Json(value)) for value in (2**53, 2**53 + 1, float(2**53), 2**64 - 1, -(2**63))),
    *(said(Json(value)) for value in ("\u00e9", "e\u0301", {"a": None}, {"a": [1, 2]}, {"a": [2, 1]})),
    said(Json({"a": 1, "b": 2})),
    said(Json({"a": {"b": 2}})),
    said(Json({"a": 1}), media_type="application/json-patch+json"),
    said(Opaque(b'{"a":1}')),
    said(Opaque(b"")),
    form(),
    form(("a", "1")),
    form(("a", "1"), ("a", "2")),
    form(("a", "2"), ("a", "1")),
    form(("a", "12")),
    form(("a1", "2")),
    form(("a", "1&a=2")),
    form(("a", "1"), ("", "")),
    form(("a", ""), ("1", "")),
    parts(),
    parts(A),
    parts(B),
    parts(A, B),
    parts(B, A),
    parts(replace(A, filename="")),
    parts(replace(A, filename="-")),
    parts(replace(A, media_type="text/plain")),
    parts(replace(A, data=b"y")),
    parts(replace(A, name="ax", data=b"")),
]


def test_different() -> None:
    """No two requests of this table say the same."""
    seen: dict[bytes, Call] = {}
    for one in DIFFERENT:
        twin = seen.setdefault(canonical_1(one), one)
        assert twin is one, (twin.request, one.request)


def test_version_1_stays() -> None:
    """Version 1 is what records were made under: its bytes for a known request never change."""
    one = said(
        Json({"b": [1, 1.0, "é"], "a": 9007199254740993}),
        query=(("b", "2"), ("a", "1")),
        headers=(("accept", "*/*"), ("if-match", '"x"')),
        redirecting=(("stripe-account", "acct_1"),),
    )
    assert canonical_1(one) == (
        b"5,1,4,3,4,1,6,1,1,1,1,1,1,8,3,1,14,6,16,4;"
        b'clerk-shopapiPOST1issues4a1b22if-match"x"2stripe-accountacct_1application/jsonjson'
        + '{"a":9007199254740993,"b":[1,1.0,"é"]}'.encode()
    )
    assert canonical_1(form(("b", "2"), ("a", "1"))).endswith(b"form1,1,1,1;a1b2")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert canonical_1(parts(A)).endswith(f"multipart1,1,1,64;a--{digest}".encode())
    assert dict(CANONICAL) == {1: canonical_1}


@given(st.lists(st.text(max_size=6), max_size=5), st.lists(st.text(max_size=6), max_size=5))
def test_framing(one: list[str], other: list[str]) -> None:
    """Two lists of texts have the same bytes only where they are the same list."""
    assert (framed(one) == framed(other)) is (one == other)


def test_framed_long() -> None:
    """A text of any length is framed as a short one is."""
    assert framed(["a", "b" * 255, "c" * 256, ""]) == b"1,255,256,0;a" + b"b" * 255 + b"c" * 256


TEXT = st.text(alphabet="ab1,;=&+-é", max_size=3)
PAIRS = st.lists(st.tuples(st.sampled_from(["a", "b", "a[]"]), TEXT), max_size=3).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 0.0, -0.0, 1.0]) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
PARTS = st.builds(Part, TEXT, st.none() | TEXT, st.none() | TEXT, TEXT.map(str.encode))
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.none(),
    PAIRS.map(Form),
    VALUES.map(Json),
    st.lists(PARTS, max_size=2).map(lambda some: Multipart(tuple(some))),
    TEXT.map(lambda text: Opaque(text.encode())),
)
CALLS = st.builds(
    said,
    BODIES,
    caller=st.builds(Caller, st.sampled_from(["a", "b"]), TEXT, TEXT, st.booleans()),
    api=st.sampled_from(["s", "t"]),
    method=st.sampled_from(["POST", "PUT"]),
    segments=st.lists(TEXT, max_size=2).map(tuple),
    query=PAIRS,
    headers=st.dictionaries(st.sampled_from(["accept", "if-match"]), TEXT).map(
        lambda some: tuple(sorted(some.items()))
    ),
    redirecting=st.dictionaries(st.just("stripe-account"), TEXT).map(lambda some: tuple(some.items())),
    media_type=st.sampled_from([JSON, FORM]),
)


def meaning(one: Call) -> object:
    """
    Return what two requests must share to be one, said another way: as values that Python compares.
    """
    request, caller = one.request, one.caller
    return (
        (caller.agent, (caller.named, caller.task if caller.named else ""), one.api, request.base, request.method),
        (request.segments, grouped(request.query), request.redirecting, request.media_type),
        [pair for pair in request.headers if pair[0].startswith("if-")],
        (type(request.body).__name__, told(request.body)),
    )


def told(body: Body) -> object:
    match body:
        case Form(pairs):
            return grouped(pairs)
        case Json(value):
            return typed(value)
        case _:
            return body


def grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


def typed(value: object) -> object:
    """
    Return a value with its type beside it, because Python takes 1 for 1.0 and for True.
    """
    if isinstance(value, dict):
        return ("dict", {name: typed(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return ("list", [typed(inner) for inner in value])
    return (type(value).__name__, repr(value))


@given(CALLS, CALLS)
def test_equal_where_meant(one: Call, other: Call) -> None:
    """Two calls say the same exactly where what they mean is equal."""
    assert (canonical_1(one) == canonical_1(other)) is (meaning(one) == meaning(other))


CHANGES: list[Callable[[Call], Call]] = [
    lambda one: replace(one, request=replace(one.request, query=tuple(reversed(one.request.query)))),
    lambda one: replace(one, request=replace(one.request, body=turned(one.request.body))),
    lambda one: replace(one, request=replace(one.request, headers=(*one.request.headers, ("user-agent", "x")))),
    lambda one: replace(one, request=replace(one.request, segments=(*one.request.segments, ""))),
    lambda one: replace(one, caller=replace(one.caller, task="other")),
    lambda one: replace(one, request=replace(one.request, method="DELETE")),
]


def turned(body: Body) -> Body:
    """
    Return a body with its pairs or members in the other order.
    """
    match body:
        case Form(pairs):
            return Form(tuple(reversed(pairs)))
        case Json(dict() as value):
            return Json(dict(reversed(value.items())))
        case Multipart(some):
            return Multipart(tuple(reversed(some)))
        case _:
            return body


@given(CALLS, st.sampled_from(CHANGES))
def test_equal_after_change(one: Call, change: Callable[[Call], Call]) -> None:
    """A call that was changed in one way says the same exactly where it still means the same."""
    other = change(one)
    assert (canonical_1(one) == canonical_1(other)) is (meaning(one) == meaning(other))
