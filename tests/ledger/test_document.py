from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Form, Json, Multipart, Opaque, Part, Request
from proxy.ledger.document import Extra, LeftOut, _names, request_document, spell

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
        ("card.cvc", Form((("card[cvc]", SECRET), ("card[name]", "x")))),
        ("cvc", Form((("card[cvc]", SECRET),))),
        ("card", Form((("card[cvc]", SECRET),))),
        ("card.cvc", Form((("method[card][cvc][deep]", SECRET),))),
        ("cards.cvc", Form((("cards[0][cvc]", SECRET), ("cards[][cvc]", SECRET)))),
        ("card.cvc", Json({"card": {"cvc": SECRET, "name": "x"}})),
        ("card.cvc", Json({"method": {"card": {"cvc": {"deep": SECRET}}}})),
        ("card", Json({"card": SECRET})),
        ("cards.cvc", Json({"cards": [{"cvc": SECRET}, [{"cvc": SECRET}]]})),
        ("card.cvc", Multipart((Part("card[cvc]", None, None, SECRET.encode()),))),
        ("cvc", Opaque(b'{"cvc": "314"}')),
    ],
)
def test_left_out(never: Any, body: Any) -> None:
    """A member that is never stored is left out of every shape of body, at any depth, and named where it was found."""
    kept = document(body, (never,))
    assert SECRET not in json.dumps(kept)
    assert base64.b64encode(SECRET.encode()).decode() not in json.dumps(kept)
    assert kept["left_out"] == [never]


@pytest.mark.parametrize(
    "body",
    [
        Form((("cvc", SECRET), ("cards[cvc]", SECRET))),
        Json({"cvc": SECRET, "card": {"cvcs": SECRET, "a": {"cvc": SECRET}}}),
    ],
)
def test_kept(body: Any) -> None:
    """A member of another name, or of the same name elsewhere, is kept."""
    kept = document(body, ("card.cvc",))
    assert json.dumps(kept).count(SECRET) == (2 if isinstance(body, Form) else 3)
    assert "left_out" not in kept


def test_query_is_left_out_of() -> None:
    """The query is looked through like a form."""
    assert SECRET not in json.dumps(document(None, ("card.cvc",), (("card[cvc]", SECRET),)))


SMALL = st.integers() | st.text(max_size=4)


@given(st.recursive(SMALL, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner), max_leaves=9))
def test_answers_keep_their_bytes(value: object) -> None:
    """An answer that holds nothing to leave out is kept byte for byte."""
    body = json.dumps(value, indent=1).encode()
    assert LeftOut(("no such member",)).text(body) is body
    assert LeftOut(()).text(body[:-1] + b"\xff") == body[:-1] + b"\xff"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"id": "x", "client_secret": "314"}', b'{"id":"x"}'),
        (b'{"data": [{"client_secret": "314", "n": 1}]}', b'{"data":[{"n":1}]}'),
        (rb'{"id": "x", "client\u005fsecret": "314"}', b'{"id":"x"}'),
        (b'{"id": "client_secret"}', b'{"id": "client_secret"}'),
        (b'{"note": "client_secret_of"}', b'{"note": "client_secret_of"}'),
        (b"<html>client_secret</html>", b"<html>client_secret</html>"),
        (b'{"id": "x", "client_secret": "31', b""),
        (b'{"client_secret": ' + b"[" * 100_000, b""),
        (b'{"a": {"client_secret": "314"}, "a": {}}', b""),
    ],
)
def test_answers_are_left_out_of(body: bytes, kept: bytes) -> None:
    """An answer is kept without its secret, and not at all where it names one and cannot be looked through."""
    assert LeftOut(("client_secret",)).text(body) == kept


def test_long_names_forgotten() -> None:
    """What a form names is looked for by its parts, and a name that is as long as a body is not remembered."""
    kept, name = _names.cache_info().currsize, "a" * 1000
    assert LeftOut(["card.number"]).pairs([(f"{name}[card][number]", "1"), (name, "2")]) == [[name, "2"]]
    assert _names.cache_info().currsize == kept
