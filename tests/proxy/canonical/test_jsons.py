"""JSON bodies: one value, or a refusal, and never anything else."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical.jsons import DEPTH_MAX, encode_json, parse_json
from proxy.errors import Refused
from tests.proxy.canonical.refusals import refused

MALFORMED = [
    b"",
    b" ",
    # B16: numbers that JSON or 64 bits do not have
    b'{"a":1e400}',
    b'{"a":-1e400}',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b'{"a":' + b"9" * 400 + b"}",
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":18446744073709551616}',
    b'{"a":-9223372036854775809}',
    b'{"a":01}',
    b'{"a":+1}',
    b'{"a":.5}',
    b'{"a":0x10}',
    # B17: encodings, comments, trailing bytes, surrogates, depth
    b"\xef\xbb\xbf{}",
    '{"a":1}'.encode("utf-16"),
    '{"a":1}'.encode("utf-16-le"),
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":1} // x',
    b'{/**/"a":1}',
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":1}{"a":2}',
    b'{"a":1}x',
    b'{"a":1}\x00',
    b'{"a":"\\ud800"}',
    b'{"\\udc00":1}',
    b'{"a":"\\ud800\\u0041"}',
    b'{"a":"\x01"}',
    b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'["\\"",' * (DEPTH_MAX + 1),
    # duplicates, in any spelling and at any depth
    b'{"amount":1,"amount":1000}',
    b'{"amount":1,"\\u0061mount":1000}',
    b'{"a":[{"b":1,"b":1}]}',
    b"amount=100",
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:24]))
def test_malformed_json(data: bytes) -> None:
    """A body that two parsers may read differently is refused."""
    with refused(Reason.BODY_MALFORMED):
        parse_json(data)


@pytest.mark.parametrize(
    ("data", "value", "sent"),
    [
        (b' {"b" : 1, "a" : [ true , null ] } \n', {"b": 1, "a": [True, None]}, b'{"b":1,"a":[true,null]}'),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀", '"é😀"'.encode()),
        (b"18446744073709551615", 2**64 - 1, b"18446744073709551615"),
        (b"-9223372036854775808", -(2**63), b"-9223372036854775808"),
        (b"100.0", 100.0, b"100.0"),
        (b"1E2", 100.0, b"100.0"),
        (b'{"A":1,"a":2}', {"A": 1, "a": 2}, b'{"A":1,"a":2}'),
        (b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, None, b"[" * DEPTH_MAX + b"]" * DEPTH_MAX),
        (b'"' + b"[" * 100 + b'\\""', "[" * 100 + '"', b'"' + b"[" * 100 + b'\\""'),
    ],
)
def test_one_text(data: bytes, value: object, sent: bytes) -> None:
    """A value is sent as one text, whatever its spacing, escapes and number spelling were."""
    parsed = parse_json(data)
    assert value is None or parsed == value
    assert encode_json(parsed) == sent


def test_negative_zero() -> None:
    """`-0` is a float, so nothing that wants an integer takes it for one."""
    zero = parse_json(b"-0")
    assert isinstance(zero, float)
    assert math.copysign(1, zero) == -1
    assert encode_json(zero) == b"-0.0"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_returns(value: object) -> None:
    """What is encoded parses to what it was made from, here and in a parser that is not ours."""
    data = encode_json(value)
    assert parse_json(data) == value
    assert json.loads(data) == value
    assert encode_json(parse_json(data)) == data


@given(st.lists(st.sampled_from([*'[]{}:,"\\ua1e-.d8 \n', "null", '"a":']), max_size=16).map("".join))
def test_hostile_json(text: str) -> None:
    """Any text is one value or refused, and a value is sent as text that means the same."""
    try:
        value = parse_json(text.encode())
    except Refused:
        return
    assert parse_json(encode_json(value)) == value == json.loads(text)
