"""A request read back from its document: the inverse, and what is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Form, Json, Multipart, Opaque, Part, Request
from proxy.canonical.bodies import encode_body
from proxy.ledger.document import Extra, LeftOut, request_document, spell
from proxy.ledger.restored import Restored, restored

text = st.text(st.characters(codec="utf-8"), max_size=6)
pairs = st.lists(st.tuples(text, text), max_size=3).map(tuple)
optional = st.none() | text
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
bodies = st.one_of(
    st.none(),
    st.builds(Form, pairs),
    st.builds(Json, values),
    st.builds(
        Multipart, st.lists(st.builds(Part, text, optional, optional, st.binary(max_size=9)), max_size=2).map(tuple)
    ),
    st.builds(Opaque, st.binary(max_size=9)),
)
requests = st.builds(
    Request, text, text, st.lists(text, max_size=3).map(tuple), pairs, pairs, optional, bodies,
    st.lists(text, max_size=2).map(tuple), pairs,
)  # fmt: skip


@given(requests, pairs, optional)
def test_there_and_back(request: Request, sent: tuple[tuple[str, str], ...], key: str | None) -> None:
    """Every request that is kept whole is read back to the last type."""
    document = request_document(request, LeftOut(()), Extra(key=key, sent_headers=sent))
    read = restored(spell(document, in_order=True))
    assert repr(read) == repr(Restored(request, sent, key))


@given(st.dictionaries(text, values, min_size=2, max_size=4))
def test_same_bytes(value: dict[str, object]) -> None:
    """A JSON body is read back as the very bytes that left, its members in their order."""
    request = Request("api", "POST", ("v1",), media_type="application/json", body=Json(value))
    read = restored(spell(request_document(request, LeftOut(()), Extra()), in_order=True)).request
    assert encode_body(read.body, read.media_type, "") == encode_body(request.body, request.media_type, "")


def test_left_out() -> None:
    """Of a request that was cut, what is left is read back, and what is missing is named."""
    request = Request("api", "POST", ("v1",), body=Form((("card[cvc]", "314"), ("a", "1"))))
    document = request_document(request, LeftOut(("card.cvc",)), Extra())
    assert restored(spell(document)) == Restored(
        Request("api", "POST", ("v1",), body=Form((("a", "1"),))), left_out=("card.cvc",)
    )


@pytest.mark.parametrize(
    "data", [b"", b"no JSON", b"[]", b"{}", b'{"base":"api"}', b'{"base":"a","method":"GET","body":{"x":1}}',
             b'{"base":"a","method":"GET","query":[["a"]]}', b'{"base":"a","method":"GET","wire_opener":"x"}'],
)  # fmt: skip
def test_no_document(data: bytes) -> None:
    """What is no document of a request is refused."""
    with pytest.raises(ValueError):
        restored(data)
