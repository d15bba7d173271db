"""
Agents' own keys: opaque, stored only hashed, a view over the ledger's `key.minted` and `key.revoked`.

A key is `bwk_`, its id, `_`, and 256 bits of randomness; the hash needs no salt or stretching at that strength.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace

from proxy.clock import Randomness

KEY_PREFIX = "bwk_"
KEY_ID_BYTES = 5
KEY_SECRET_BYTES = 32
NO_HASH = "0" * 64
"""What an unknown key is compared with, so that it takes as long as a known one."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """
    One agent key as the record knows it: `digest` is the SHA-256 of its text, in hex.
    """

    kid: str
    agent: str
    digest: str
    revoked: bool = False


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def digest_of(text: str) -> str:
    """
    Return what is stored of a key.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def make_key(agent: str, randomness: Randomness) -> tuple[AgentKey, str]:
    """
    Return a new key and its text, which exists nowhere else.
    """
    kid = _text(randomness(KEY_ID_BYTES))
    text = f"{KEY_PREFIX}{kid}_{_text(randomness(KEY_SECRET_BYTES))}"
    return AgentKey(kid, agent, digest_of(text)), text


class Keys:
    """
    The keys that were ever minted, by id.
    """

    def __init__(self) -> None:
        self._keys: dict[str, AgentKey] = {}

    def __repr__(self) -> str:
        valid = sum(not key.revoked for key in self._keys.values())
        return f"Keys({valid} valid, {len(self._keys) - valid} revoked)"

    def minted(self, key: AgentKey) -> None:
        """
        Take a minted key into the view.
        """
        self._keys.setdefault(key.kid, key)

    def revoked(self, kid: str) -> None:
        """
        Take a revocation into the view; one of an unknown key changes nothing.
        """
        if kid in self._keys:
            self._keys[kid] = replace(self._keys[kid], revoked=True)

    def all(self) -> tuple[AgentKey, ...]:
        """
        Return every key, in the order of minting.
        """
        return tuple(self._keys.values())

    def find(self, text: str) -> AgentKey | None:
        """
        Return the valid key with this text, or None.
        """
        kid = text.removeprefix(KEY_PREFIX).partition("_")[0]
        key = self._keys.get(kid)
        same = hmac.compare_digest(digest_of(text), key.digest if key else NO_HASH)
        return key if key is not None and same and not key.revoked else None
