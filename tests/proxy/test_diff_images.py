"""Images: numbers as they were written, one meaning or none, and the same text back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.images import DEPTH_MAX, parse_image, same, spell_image, spell_text
from tests.proxy.pairs import Maker, told

# Every line is one number; those of different lines differ.
NUMBERS = (
    ("1",),
    ("1.0",),
    ("1.00",),
    ("0",),
    ("-0", "-0e0", "-0E+0"),
    ("0.0",),
    ("-0.0",),
    ("1e2", "1E2", "1E+2", "1e02"),
    ("100.0",),
    ("100",),
    ("1.5e1", "15e0", "15E-0"),
    ("15",),
    ("0.1", "1e-1"),
    ("0.10",),
    ("12345678901234567890.12345678901234567890",),
    ("9007199254740993",),
    ("9007199254740993.0",),
    ("1e400",),
    ("9" * 5000,),
    ("9" * 5000 + ".0",),
    ("1e999999999999999999",),
    ("true",),
    ("null",),
    ('"1"',),
)


def test_numbers() -> None:
    """Two spellings are the same number only where sign, digits and exponent are."""
    read = [(parse_image(text.encode()), line) for line, texts in enumerate(NUMBERS) for text in texts]
    for one, line in read:
        for other, another in read:
            assert same(one, other) is (line == another), (one, other)


@pytest.mark.parametrize("text", [text for texts in NUMBERS for text in texts])
def test_spelled_back(text: str) -> None:
    """A number is spelled so that it is read as the same again."""
    value = parse_image(text.encode())
    assert same(parse_image(spell_image(value)), value)


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        (True, 1, False),
        (False, 0, False),
        (None, False, False),
        ([], {}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ([True], [1], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": None}, {}, False),
        ("é", "e\u0301", False),
        ({"a": 1, "b": [{}]}, {"b": [{}], "a": 1}, True),
    ],
)
def test_same(a: Any, b: Any, alike: bool) -> None:
    """Types tell values apart, the order of members does not."""
    assert same(a, b) is alike
    assert same(b, a) is alike


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"1 2",
        b"NaN",
        b"-Infinity",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b"01",
        b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_refused(data: bytes) -> None:
    """What is not one JSON text with one meaning is refused, however deep."""
    with pytest.raises(ValueError) as refused:
        parse_image(data)
    assert not isinstance(refused.value.__cause__, ArithmeticError)


@pytest.mark.parametrize(
    "text", ["1e1000000000000000000000", "-1.5E-99999999999999999999", '{"a": [1e9999999999999999999]}']
)
def test_beyond_exact(text: str) -> None:
    """A number that cannot be kept exactly is refused as one."""
    with pytest.raises(ValueError) as refused:
        parse_image(text.encode())
    assert isinstance(refused.value.__cause__, ArithmeticError)


def test_deepest() -> None:
    """The deepest image that is read can be compared and spelled."""
    data = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    value = parse_image(data)
    assert same(value, parse_image(data))
    assert spell_image(value) == data


def test_text() -> None:
    """People read letters as they are; the kept text is ASCII, halves of characters included."""
    value = parse_image('{"é\\u0001": ["\\ud800", 1.50, true, null, {}, []]}'.encode())
    assert spell_image(value) == b'{"\\u00e9\\u0001":["\\ud800",1.50,true,null,{},[]]}'
    assert spell_text(value) == '{"é\\u0001":["\ud800",1.50,true,null,{},[]]}'
    assert same(parse_image(spell_image(value)), value)


def test_no_floats() -> None:
    """A value that was not parsed exactly has no spelling."""
    with pytest.raises(TypeError, match="a float"):
        spell_image({"a": [1.5]})


@settings(max_examples=50)
@given(st.integers(0, 2**64))
def test_round_trip(seed: int) -> None:
    """Whatever was parsed is spelled so that it is read as the same again, and is the same only as itself."""
    maker = Maker(seed)
    for _ in range(40):
        one, other = maker.pair()
        back = parse_image(spell_image(one))
        assert told(back) == told(one)
        assert same(one, back)
        assert same(one, other) is (told(one) == told(other))
