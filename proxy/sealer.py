"""
One letter, sealed: who wrote it to whom, under which nonce, when, and what; for nobody but the other processes.

    letter := "bwl1" version length head nonce sealed

The key is one of the key ring, under a label of its own, so that whoever may write to the store and has no key ring can
neither read a letter nor make one. The head is bound to what is sealed, and the deployment to both: a letter that was
cut, changed, turned round or carried into another box does not open. That it is opened once is `letters`' to see to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.clock import Randomness
from proxy.ledger.keyring import LETTERS, KeyRing

MAGIC = b"bwl1"

_VERSION_BYTES, _LENGTH_BYTES, _SEAL_BYTES = 4, 2, 12

HEAD_BYTES_MAX = 1024
"""Of five short texts."""

NONCE_BYTES = 16
"""Of a letter, by which its answer is known: nobody guesses one."""

SKEW_S = 60.0
"""How far the clocks of two processes may be apart; an older letter is refused, and younger ones are remembered."""


class Kind(StrEnum):
    """
    What a letter is.
    """

    QUESTION = "question"
    ANSWER = "answer"


class Bad(StrEnum):
    """
    Why a letter is not taken.
    """

    JUNK = "junk"
    """It is no letter."""
    UNSEALED = "unsealed"
    """It was not sealed with a key of ours, or it was changed."""
    ANOTHERS = "anothers"
    """It is for somebody else."""
    OLD = "old"
    """It was written too long ago, or is from ahead: a clock is wrong, or somebody has kept it."""
    REPLAYED = "replayed"
    """It was taken before."""
    CROWDED = "crowded"
    """More came than are remembered."""


@dataclass(frozen=True, slots=True)
class Letter:
    """
    A letter, open.
    """

    kind: Kind
    sender: str
    receiver: str
    nonce: str
    at: datetime
    body: bytes


class Sealer:
    """
    Seals and opens the letters of one deployment.
    """

    def __init__(self, ring: KeyRing, deployment: str, now: Callable[[], datetime], randomness: Randomness) -> None:
        self._ring, self._deployment, self._now, self._randomness = ring, deployment, now, randomness

    def __repr__(self) -> str:
        return f"Sealer({self._deployment})"

    def nonce(self) -> str:
        """
        Return the nonce of a new letter.
        """
        return self._randomness(NONCE_BYTES).hex()

    def seal(self, kind: Kind, sender: str, receiver: str, nonce: str, body: bytes) -> bytes:
        """
        Return a letter of this moment.
        """
        head = orjson.dumps([kind, sender, receiver, nonce, round(self._now().timestamp() * 1000)])
        version, iv = self._ring.current, self._randomness(_SEAL_BYTES)
        sealed = AESGCM(self._ring.key(LETTERS, version)).encrypt(iv, body, self._bound(head))
        begins = MAGIC + version.to_bytes(_VERSION_BYTES) + len(head).to_bytes(_LENGTH_BYTES)
        return begins + head + iv + sealed

    def open(self, data: bytes, receiver: str) -> Letter | Bad:
        """
        Return what stands in a letter, or why it is none for this receiver at this moment.
        """
        begins = len(MAGIC) + _VERSION_BYTES + _LENGTH_BYTES
        length = int.from_bytes(data[begins - _LENGTH_BYTES : begins])
        head, iv = data[begins : begins + length], data[begins + length : begins + length + _SEAL_BYTES]
        if not data.startswith(MAGIC) or length > HEAD_BYTES_MAX or len(iv) != _SEAL_BYTES:
            return Bad.JUNK
        try:
            key = self._ring.key(LETTERS, int.from_bytes(data[len(MAGIC) : begins - _LENGTH_BYTES]))
            body = AESGCM(key).decrypt(iv, data[begins + length + _SEAL_BYTES :], self._bound(head))
        except (InvalidTag, KeyError, ValueError):
            return Bad.UNSEALED
        # Whoever sealed it is one of us: it is what `seal` made.
        kind, sender, to, nonce, at_ms = orjson.loads(head)
        now = self._now()
        at = datetime.fromtimestamp(at_ms / 1000, now.tzinfo)
        if to != receiver:
            return Bad.ANOTHERS
        if abs((now - at).total_seconds()) > SKEW_S:
            return Bad.OLD
        return Letter(Kind(kind), sender, to, nonce, at, body)

    def _bound(self, head: bytes) -> bytes:
        return b"bw/v1/letter\x00" + self._deployment.encode() + b"\x00" + head
