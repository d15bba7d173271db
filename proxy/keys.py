"""
What agents and operators show of themselves: opaque, stored only hashed, a view over the ledger's records of it.

An agent's key is `bwk_`, its id, `_`, and 256 bits of randomness, an operator's token `bwo1_` and the same; the hash
needs no salt or stretching at that strength. Neither is ever taken for the other.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

from proxy.clock import Randomness

KEY_PREFIX = "bwk_"
OPERATOR_PREFIX = "bwo1_"
KEY_ID_BYTES = 5
KEY_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class AgentKey:
    """
    One agent key as the record knows it: `digest` is the SHA-256 of its text, in hex.
    """

    kid: str
    agent: str
    digest: str
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """
    One operator's personal token as the record knows it: `operator` is whose it is, `digest` as an agent key's.
    """

    kid: str
    operator: str
    digest: str
    revoked: bool = False


Shown = TypeVar("Shown", AgentKey, OperatorToken)


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
    kid, text = _make(KEY_PREFIX, randomness)
    return AgentKey(kid, agent, digest_of(text)), text


def make_operator_token(operator: str, randomness: Randomness) -> tuple[OperatorToken, str]:
    """
    Return a new personal token and its text, which exists nowhere else.
    """
    kid, text = _make(OPERATOR_PREFIX, randomness)
    return OperatorToken(kid, operator, digest_of(text)), text


def _make(prefix: str, randomness: Randomness) -> tuple[str, str]:
    kid = _text(randomness(KEY_ID_BYTES))
    return kid, f"{prefix}{kid}_{_text(randomness(KEY_SECRET_BYTES))}"


class _Minted(Generic[Shown]):
    """
    All of one kind that were ever minted, by id.
    """

    PREFIX: ClassVar[str]

    def __init__(self) -> None:
        self._keys: dict[str, Shown] = {}
        # Nothing of a text is compared but its digest, so that time says nothing of it, and this is found at once.
        self._by_digest: dict[str, Shown] = {}

    def __repr__(self) -> str:
        valid = sum(not key.revoked for key in self._keys.values())
        return f"{type(self).__name__}({valid} valid, {len(self._keys) - valid} revoked)"

    def minted(self, key: Shown) -> None:
        """
        Take a minted one into the view.
        """
        if key.kid not in self._keys:
            self._keys[key.kid] = key
            if not key.revoked:
                self._by_digest[key.digest] = key

    def revoked(self, kid: str) -> None:
        """
        Take a revocation into the view; one of an unknown key changes nothing.
        """
        if kid in self._keys:
            self._keys[kid] = replace(self._keys[kid], revoked=True)
            self._by_digest.pop(self._keys[kid].digest, None)

    def all(self) -> tuple[Shown, ...]:
        """
        Return every one, in the order of minting.
        """
        return tuple(self._keys.values())

    def find(self, text: str) -> Shown | None:
        """
        Return the valid one with this text, or None.
        """
        return self._by_digest.get(digest_of(text))


class Keys(_Minted[AgentKey]):
    """
    The agent keys that were ever minted, by id.
    """

    PREFIX = KEY_PREFIX


class OperatorTokens(_Minted[OperatorToken]):
    """
    The personal tokens that were ever minted, by id.
    """

    PREFIX = OPERATOR_PREFIX
