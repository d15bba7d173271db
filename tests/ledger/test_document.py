from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Form, Json, Multipart, Opaque, Part, Request
from proxy.ledger.document import Extra, LeftOut, request_document, spell

SECRET = "314"


def document(body: Any, never: tuple[str, ...] = (), query: tuple[tuple[str, str], ...] = ()) -> Any:
    request = Request("api", "POST", ("v1", "x"), query=query, body=body)
    return json.loads(spell(request_document(request, LeftOut(never), Extra())))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (None, None),
        (Form((("a", "1"), ("a", "2"))), {"form": [["a", "1"], ["a", "2"]]}),
        (Json({"b": [1, 2.5, None, True], "a": "é"}), {"json": {"b": [1, 2.5, None, True], "a": "é"}}),
        (
            Multipart((Part("file", "a.png", "image/png", b"\x00\xff"),)),
            {"parts": [{"name": "file", "filename": "a.png", "type": "image/png", "data": "AP8="}]},
        ),
        (Opaque(b"\x00\xff"), {"bytes": "AP8=", "length": 2}),
    ],
)
def test_bodies(body: Any, kept: Any) -> None:
    """Every shape of body is kept so that it can be read back."""
    assert document(body).get("body") == kept


@pytest.mark.parametrize(
    ("never", "body"),
    [
        ("card[cvc]", Form((("card[cvc]", SECRET), ("card[name]", "x")))),
        ("card.cvc", Form((("card[cvc]", SECRET),))),
        ("card", Form((("card[cvc]", SECRET),))),
        ("cards.cvc", Form((("cards[0][cvc]", SECRET), ("cards[][cvc]", SECRET)))),
        ("*.cvc", Form((("anything[cvc]", SECRET),))),
        ("card[cvc]", Json({"card": {"cvc": SECRET, "name": "x"}})),
        ("card", Json({"card": SECRET})),
        ("cards.cvc", Json({"cards": [{"cvc": SECRET}, [{"cvc": SECRET}]]})),
        ("*.cvc", Json({"anything": {"cvc": {"deep": SECRET}}})),
        ("card[cvc]", Multipart((Part("card[cvc]", None, None, SECRET.encode()),))),
        ("anything", Opaque(SECRET.encode())),
    ],
)
def test_left_out(never: Any, body: Any) -> None:
    """A field that is never stored is left out of every shape of body, at any depth, and named where it was found."""
    kept = document(body, (never,))
    assert SECRET not in json.dumps(kept)
    assert kept.get("left_out") == (None if isinstance(body, Opaque) else [never])


@pytest.mark.parametrize("body", [Form((("cvc", SECRET),)), Json({"cvc": SECRET, "card": {"cvcs": SECRET}})])
def test_kept(body: Any) -> None:
    """A field of another name, or of the same name elsewhere, is kept."""
    assert SECRET in json.dumps(document(body, ("card[cvc]",)))


def test_query_is_left_out_of() -> None:
    """The query is looked through like a form."""
    assert SECRET not in json.dumps(document(None, ("card[cvc]",), (("card[cvc]", SECRET),)))


SMALL = st.integers() | st.text(max_size=4)


@given(st.recursive(SMALL, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner), max_leaves=9))
def test_answers_keep_their_bytes(value: object) -> None:
    """An answer that holds nothing to leave out is kept byte for byte."""
    body = json.dumps(value, indent=1).encode()
    assert LeftOut(("no such field",)).answer(body) is body
    assert LeftOut(()).answer(body[:-1] + b"\xff") == body[:-1] + b"\xff"


@pytest.mark.parametrize("body", [b"[" * 100_000 + b"]" * 100_000, b'{"id": "secr', b"\xff"])
def test_opaque_answers(body: Any) -> None:
    """An answer that cannot be looked through is not kept where something in it might have to be left out."""
    assert LeftOut(("id",)).answer(body) == b""
