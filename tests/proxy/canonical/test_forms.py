"""Form bodies: strict pairs, and one spelling."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical.forms import encode_form, parse_form
from proxy.canonical.pairs import PAIRS_MAX
from tests.proxy.canonical.refusals import refused

MALFORMED = [
    b"a=1;amount=1000",
    b"a=1&&b=2",
    b"a=1&",
    b"&",
    b"=1",
    b"a",
    b"a=1\r\n",
    b"a=1 2",
    b"a=\xc3\xa9",
    b"a=%ff",
    b"a=%c0%ae",
    b"a=%zz",
    b"a=1%",
    b"a=\x00",
    b"a=%00",
    b"a%00=1",
    b"a%0d%0a=1",
    # B12: an override in a form
    b"_method=DELETE",
    b"%5Fmethod=delete",
    b"_charset_=utf-7",
    # B18: JSON that calls itself a form
    b'{"amount":100}',
    b'{"a":"b=c"}',
    b"\xef\xbb\xbfa=1",
    b"&".join([b"a=1"] * (PAIRS_MAX + 1)),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed_forms(data: bytes) -> None:
    """A form that two parsers may read differently is refused."""
    with refused(Reason.BODY_MALFORMED):
        parse_form(data)


def test_stripe_form() -> None:
    """The brackets of an SDK mean the same bare and encoded, and are sent encoded."""
    pairs = (("amount", "100"), ("metadata[a b]", "1+1&é"), ("expand[0]", ""))
    assert parse_form(b"amount=100&metadata[a+b]=1%2B1%26%c3%a9&expand%5b0%5d=") == pairs
    assert encode_form(pairs) == b"amount=100&metadata%5Ba%20b%5D=1%2B1%26%C3%A9&expand%5B0%5D="


# Names that begin otherwise than those that steer.
NAME = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(
    lambda name: name[0] not in "_xXhH",
)
VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(NAME, VALUE), max_size=6).map(tuple))
def test_forms_return(pairs: tuple[tuple[str, str], ...]) -> None:
    """What is encoded parses to what it was made from, here and in a parser that is not ours."""
    data = encode_form(pairs)
    assert parse_form(data) == pairs
    assert parse_qsl(data.decode(), keep_blank_values=True, strict_parsing=bool(pairs)) == list(pairs)
