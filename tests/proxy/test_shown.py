"""What of an upstream's answer an agent may see."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import fields_of
from proxy.secret import Secret
from proxy.shown import Scrubber, shown_headers
from tests.canary.forms import secret

CANARY = secret("shown")
ECHOES = (CANARY, f"key={CANARY}&x=1", base64.b64encode(CANARY.encode()).decode())


@pytest.mark.parametrize("echo", ECHOES)
def test_echo_is_overwritten(echo: str) -> None:
    """An echoed credential is replaced by as many asterisks, in each spelling."""
    cleaned = Scrubber(Secret(CANARY)).clean(f"before {echo} after".encode())
    assert CANARY.encode() not in cleaned
    assert base64.b64encode(CANARY.encode()) not in cleaned
    assert len(cleaned) == len(f"before {echo} after")


@given(st.lists(st.sampled_from(["x", "yy", CANARY, CANARY[:9]]), max_size=6), st.data())
def test_split_echo(words: list[str], data: st.DataObject) -> None:
    """An echo that is split over pieces is found wherever the cut is, and all other bytes come out as they went in."""
    text = "".join(words).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    scrubber = Scrubber(Secret(CANARY)).stream()
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    out = b"".join(map(scrubber.feed, pieces)) + scrubber.flush()
    assert out == text.replace(CANARY.encode(), b"*" * len(CANARY))


def test_basic_halves() -> None:
    """Of a credential with a name and a token, the token alone is hidden too, in each spelling."""
    token = b"token/part-canary"
    scrubber = Scrubber(Secret(f"me@example.com:{token.decode()}"))
    for echo in (token, b"token%2Fpart-canary", base64.b64encode(token), token.hex().encode()):
        assert scrubber.clean(echo + b"!") == b"*" * len(echo) + b"!"


def test_header_allowlist() -> None:
    """Headers pass by list only, and those that Connection nominates do not pass."""
    raw = (
        (b"Content-Type", b"application/json"), (b"Set-Cookie", b"a=b"), (b"X-Internal", b"1"), (b"ETag", b"x"),
        (b"Vary", b"a\x01b"),
        (b"Request-Id", b"req_1"), (b"Connection", b"close, etag"), (b"Link", b"<https://elsewhere.invalid/>"),
    )  # fmt: skip
    assert shown_headers(fields_of(raw), frozenset({"request-id"})) == (
        ("content-type", "application/json"),
        ("request-id", "req_1"),
        ("link", "<https://elsewhere.invalid/>"),
    )


def test_secret_has_one_spelling() -> None:
    """A secret's text is in no repr, format, or error about it."""
    secret = Secret(CANARY)
    assert CANARY not in f"{secret!r} {secret} {secret:>40} {[secret]}"
    with pytest.raises(TypeError):
        secret.__reduce__()
