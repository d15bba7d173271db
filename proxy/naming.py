"""Under which names a write is found again: keyed hashes of what it says, of its own key, of its business effect."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from breakers.call import Call
from breakers.effectkey import effect_key
from breakers.fingerprint import CANONICAL, Canonical, framed
from breakers.known import Names

# 128 bits: two different writes never share a name by chance, and a name fits everywhere.
NAME_DIGITS = 32


class Namer:
    """
    Gives writes their names; without `secret` nobody can tell what a name stands for, or make one.

    `secret` stays the same for as long as anything is remembered: the oldest version of a ring that was turned.
    `canonical` maps the versions of a fingerprint that are still read; the highest is the current one.
    """

    __slots__ = ("_keyed", "_versions")

    def __init__(self, secret: bytes, canonical: Mapping[int, Canonical] = CANONICAL) -> None:
        # Begun once: three names a call cost less from a copy that holds the key already.
        self._keyed = hmac.new(secret, digestmod="sha256")
        self._versions = tuple((f"f{version}", canonical[version]) for version in sorted(canonical, reverse=True))

    def __repr__(self) -> str:
        return f"<Namer {' '.join(prefix for prefix, _ in self._versions)}>"

    @property
    def made_with(self) -> str:
        """
        Return what tells apart those whose names differ, and nothing of the secret.
        """
        return self._name("made-with", b"")

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
            fingerprints=tuple([self._name(prefix, canonical(call)) for prefix, canonical in self._versions]),
            key=None if key is None else self._name("k", framed([call.caller.agent, call.api, key])),
            effect=None if effect is None else self._name("e", framed([call.api, effect, *chosen])),
        )

    def _name(self, prefix: str, said: bytes) -> str:
        # The prefix is hashed as well: a key that spells what another kind of name says is still another name.
        mac = self._keyed.copy()
        mac.update(b"bw/v1/%b\x00%b" % (prefix.encode(), said))
        return f"{prefix}:{mac.hexdigest()[:NAME_DIGITS]}"
