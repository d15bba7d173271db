"""A ring, a task and a token of it, for tests that look at tokens by themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from proxy.ledger.keyring import TOKENS, KeyRing
from proxy.tokens import Tokens, Written, _first_tag, read_token
from tests.ledger.world import Counted

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=1)
TASK = "clerk/01M7YZDQY12XJKES0GC4ZSQHB4"
OTHER_TASK = "clerk/01M7YZDQY12XJKES0GC4ZSQHB5"


def tokens(seed: bytes = b"ring", *versions: int) -> Tokens:
    """
    Return what makes and verifies tokens under a ring of these versions, the last of them current.
    """
    versions = versions or (1,)
    secrets = {version: hashlib.sha256(seed + bytes([version])).digest() for version in versions}
    return Tokens(KeyRing(secrets, versions[-1]), Counted())


def by_hand(token: Written, *caveats: bytes) -> str:
    """
    Return a token narrowed as an agent's own code may do it, by any bytes.
    """
    for caveat in caveats:
        tag = hmac.digest(token.tag, caveat, "sha256")
        token = Written(token.prefix, token.kid, token.nonce, (*token.caveats, caveat), tag)
    return token.spelled()


def without_caveats(of: Tokens) -> Written:
    """
    Return a token under the ring's own key that says nothing: only who has the ring can make one.
    """
    bare = of.mint(TASK, UNTIL)
    return Written("", bare.kid, bare.nonce, (), _first_tag(of._ring.key(TOKENS), bare.kid, bare.nonce))


def rewritten(token: Written, caveats: tuple[bytes, ...], tag: bytes | None = None) -> str:
    """
    Return the text of a token with other caveats under its tag.
    """
    return Written(token.prefix, token.kid, token.nonce, caveats, token.tag if tag is None else tag).spelled()


def raw(text: str) -> bytes:
    """
    Return the bytes behind a token's prefix and the version of its key.
    """
    body = text.partition("bw1_")[2].partition("_")[2]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def spelled(data: bytes, kid: str = "1") -> str:
    """
    Return the text of a token with these bytes.
    """
    return f"bw1_{kid}_{base64.urlsafe_b64encode(data).decode().rstrip('=')}"


def written(text: str) -> Written:
    """
    Return what a text says as a token; it must be shaped like one.
    """
    token = read_token(text)
    assert token is not None
    return token
