"""Under which names a write is found again: keyed hashes of what it says, of its own key, of its business effect."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from breakers.call import Call
from breakers.effectkey import effect_key
from breakers.fingerprint import CANONICAL, Canonical, framed
from breakers.known import Names

_BLOCK_BYTES = 64
"""Of SHA-256: what HMAC fills a key up to."""

_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))

_Kind = tuple[str, Any]
"""What the names of one kind begin with, and their hash as far as it is the same for all of them."""

# 128 bits: two different writes never share a name by chance, and a name fits everywhere.
NAME_DIGITS = 32


class Namer:
    """
    Gives writes their names; without `secret` nobody can tell what a name stands for, or make one.

    `secret` stays the same for as long as anything is remembered: the oldest version of a ring that was turned.
    `canonical` maps the versions of a fingerprint that are still read; the highest is the current one.
    """

    __slots__ = ("_effect", "_inner", "_key", "_outer", "_versions")

    def __init__(self, secret: bytes, canonical: Mapping[int, Canonical] = CANONICAL) -> None:
        # HMAC (RFC 2104) with its key taken in once: three names a call cost a third of what they do otherwise.
        block = (secret if len(secret) <= _BLOCK_BYTES else sha256(secret).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner, self._outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))
        self._key, self._effect = self._kind("k"), self._kind("e")
        newest_first = sorted(canonical, reverse=True)
        self._versions = tuple((self._kind(f"f{version}"), canonical[version]) for version in newest_first)

    def __repr__(self) -> str:
        return f"<Namer {' '.join(kind[0] for kind, _ in self._versions)}>"

    @property
    def made_with(self) -> str:
        """
        Return what tells apart those whose names differ, and nothing of the secret.
        """
        return self._name(self._kind("made-with"), b"")

    def names(self, call: Call) -> Names | None:
        """
        Return the names of a write; a read has none.
        """
        if not call.operation.writes:
            return None
        key, effect = call.idempotency_key, effect_key(call.operation)
        # A header that chooses whose object is touched chooses the account of the effect.
        chosen = [text for pair in call.request.redirecting for text in pair]
        return Names(
            tuple([self._name(kind, canonical(call)) for kind, canonical in self._versions]),
            None if key is None else self._name(self._key, framed([call.caller.agent, call.api, key])),
            None if effect is None else self._name(self._effect, framed([call.api, effect, *chosen])),
        )

    def _kind(self, prefix: str) -> _Kind:
        # The prefix is hashed as well: a key that spells what another kind of name says is still another name.
        begun = self._inner.copy()
        begun.update(b"bw/v1/%b\x00" % prefix.encode())
        return prefix, begun

    def _name(self, kind: _Kind, said: bytes) -> str:
        prefix, begun = kind
        inner, outer = begun.copy(), self._outer.copy()
        inner.update(said)
        outer.update(inner.digest())
        return f"{prefix}:{outer.hexdigest()[:NAME_DIGITS]}"
