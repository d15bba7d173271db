"""Where a key may stand: exactly one, in any of four places."""

from __future__ import annotations

from base64 import b64encode

import pytest

from breakers.verdict import Reason
from proxy.canonical.credentials import extract_key, holds_key
from tests.proxy.canonical.refusals import refused

KEY = "bwk_abcd2345_not0a0real0secret0at0all"
OTHER = "bwk_abcd2346_another0unreal0secret0it0is"


def basic(text: str) -> str:
    """
    Spell a Basic credential.
    """
    return "Basic " + b64encode(text.encode()).decode()


ACCEPTED = [
    (f"Bearer {KEY}", None),
    (f"bearer {KEY}", None),
    (f"BEARER  {KEY}", None),
    (f"token {KEY}", None),
    (basic(f"{KEY}:"), None),
    (basic(f"me@example.com:{KEY}"), None),
    (basic(f"{KEY}:x"), None),
    (basic(f"{KEY}:{KEY}"), None),
    (basic(KEY), None),
    (None, KEY),
    ("", KEY),
    (f"Bearer {KEY}", KEY),
]

REFUSED = [
    (None, None, Reason.KEY_MISSING),
    ("", None, Reason.KEY_MISSING),
    (f"Bearer {KEY}", OTHER, Reason.KEYS_CONFLICT),
    ("Bearer something-else", KEY, Reason.KEYS_CONFLICT),
    (basic(f"{KEY}:{OTHER}"), None, Reason.KEYS_CONFLICT),
    ("Bearer upstream-secret-canary", None, Reason.KEY_UNKNOWN),
    ("Bearer", None, Reason.KEY_UNKNOWN),
    (KEY, None, Reason.KEY_UNKNOWN),
    (f"Digest {KEY}", None, Reason.KEY_UNKNOWN),
    (f"Bearer {KEY} {OTHER}", None, Reason.KEY_UNKNOWN),
    (f"Bearer {KEY},", None, Reason.KEY_UNKNOWN),
    (f"Bearer {KEY}\0", None, Reason.KEY_UNKNOWN),
    (f"Bearer x{KEY}", None, Reason.KEY_UNKNOWN),
    ("Bearer bwk_ab_short", None, Reason.KEY_UNKNOWN),
    ("Bearer " + "a" * 100_000, None, Reason.KEY_UNKNOWN),
    (f"Bearer bwk_abcd_{'a' * 200}", None, Reason.KEY_UNKNOWN),
    ("Basic !!!", None, Reason.KEY_UNKNOWN),
    ("Basic " + b64encode(b"\xff:\xfe").decode(), None, Reason.KEY_UNKNOWN),
    (basic("user:password"), None, Reason.KEY_UNKNOWN),
    (None, "", Reason.KEY_UNKNOWN),
    (None, "eyJhbGciOiJub25lIn0.e30.", Reason.KEY_UNKNOWN),
]


@pytest.mark.parametrize(("authorization", "breakwater_key"), ACCEPTED)
def test_accepted(authorization: str | None, breakwater_key: str | None) -> None:
    """A key is found wherever an SDK puts an API key."""
    assert extract_key(authorization, breakwater_key) == KEY


@pytest.mark.parametrize(("authorization", "breakwater_key", "reason"), REFUSED, ids=lambda value: repr(value)[:40])
def test_refused(authorization: str | None, breakwater_key: str | None, reason: Reason) -> None:
    """No key, two keys and what is no key are refused."""
    with refused(reason):
        extract_key(authorization, breakwater_key)


def test_found_inside_text() -> None:
    """A key is recognised in the middle of other text."""
    assert holds_key(f"x={KEY}&y=1")
    assert not holds_key("x=bwk_&y=1")
