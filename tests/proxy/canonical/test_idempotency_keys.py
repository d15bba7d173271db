"""Idempotency keys in both spellings, and what says that a request is sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical.heads import Head, canonical_head
from tests.proxy.canonical.refusals import refused


def head(*lines: str, forward: frozenset[str] = frozenset()) -> Head:
    """
    Read a head from its lines.
    """
    fields = tuple((name, value.strip()) for name, _, value in (line.encode().partition(b":") for line in lines))
    return canonical_head("POST", (1, 1), ((b"Host", b"localhost"), *fields), forward)


MALFORMED_KEYS = [
    *("", "a" * 256, "a b", "a, a", '"', '""', '"a', '"a"b"', '"a" ; b=1', '"a";b', '"a\\"', '"a\\b"', '"a b"'),
    *('"' + "a" * 256 + '"', '"' + '\\"' * 256 + '"'),
    *("bwk_abcd2345_not0a0real0secret0at0all", '"bwk_abcd2345_not0a0real0secret0at0all"'),
]


@pytest.mark.parametrize("key", MALFORMED_KEYS)
def test_malformed_idempotency_keys(key: str) -> None:
    """A key is 1 to 255 visible characters and none of ours, bare or as a whole quoted string."""
    with refused(Reason.IDEMPOTENCY_KEY_MALFORMED):
        head(f"Idempotency-Key: {key}")


@pytest.mark.parametrize(
    "lines",
    [
        ["Idempotency-Key: a", "Idempotency-Key: b"],
        ["Idempotency-Key: a", "Idempotency-Key: a"],
        ["Idempotency-Key: a", 'idempotency-key: "a"'],
    ],
)
def test_two_idempotency_keys(lines: list[str]) -> None:
    """Two lines of keys are refused as such, also where they are equal."""
    with refused(Reason.IDEMPOTENCY_KEY_MALFORMED):
        head(*lines)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("7d5c9f0e-1", "7d5c9f0e-1"),
        ('"7d5c9f0e-1"', "7d5c9f0e-1"),
        ("*/a:b;c=,d", "*/a:b;c=,d"),
        ('a"b', 'a"b'),
        ("a\\b", "a\\b"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ("a" * 255, "a" * 255),
        ('"' + '\\"' * 255 + '"', '"' * 255),
    ],
)
def test_idempotency_keys(written: str, key: str) -> None:
    """A key is what stands between the quotes, its escapes undone, or else what stands there."""
    assert head(f"Idempotency-Key: {written}").idempotency_key == key


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255))
def test_quoted_keys_return(key: str) -> None:
    """Every key comes out of its quoted spelling as it went in, and out of its bare one unless that begins a string."""
    quoted = "".join(f"\\{character}" if character in '"\\' else character for character in key)
    assert head(f'Idempotency-Key: "{quoted}"').idempotency_key == key
    if not key.startswith('"'):
        assert head(f"Idempotency-Key: {key}").idempotency_key == key


@pytest.mark.parametrize(
    ("count", "again"),
    [("0", False), ("1", True), ("2", True), ("007", True), ("00", False), ("", False), ("-1", False), ("x", False)],
)
def test_resent(count: str, again: bool) -> None:
    """A count of retries above zero says that it is one; the header is read here and never leaves."""
    read = head(f"X-Stainless-Retry-Count: {count}", forward=frozenset({"x-stainless-retry-count"}))
    assert (read.again, read.headers, read.dropped) == (again, (), ())
    assert head().again is False
