from __future__ import annotations

import enum
import string
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger import profile

KEYS = st.text(string.ascii_letters + string.digits + "_.~-", min_size=1, max_size=8)
LEAVES = st.none() | st.booleans() | st.integers(-profile.INTEGER_MAX, profile.INTEGER_MAX) | st.text(max_size=12)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(VALUES)
def test_equals_rfc8785(value: Any) -> None:
    """Inside the profile, our spelling is byte for byte that of RFC 8785."""
    profile.check(value)
    assert profile.spell(value) == rfc8785.dumps(value)


class Word(enum.StrEnum):
    A = "a"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": 1.5}, "a float at /a"),
        ({"a": float("nan")}, "a float at /a"),
        ({"a": [2**53]}, "not every reader keeps exact at /a/0"),
        ({"a": -(2**53)}, "not every reader keeps exact at /a"),
        ({"a": "\ud800"}, "half a character at /a"),
        ({"a b": 1}, "a member name"),
        ({1: 1}, "a member name"),
        ({"ä": 1}, "a member name"),
        ({"a": b"x"}, "a bytes at /a"),
        ({"a": Word.A}, "a Word at /a"),
    ],
)
def test_refuses_others(value: object, place: str) -> None:
    """A value outside the profile is refused by its place."""
    with pytest.raises(ValueError, match=place):
        profile.check(value)


def test_refuses_depth() -> None:
    """A value that is nested without bound is refused before it is walked."""
    value: object = None
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="too deep"):
        profile.check(value)
