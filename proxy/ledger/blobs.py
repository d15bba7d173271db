"""
Payloads: what a record commits to, and the sealed bytes beside it.

The record holds `c = HMAC-SHA256(r, "bw/v1/payload" 00 part 00 u64(length) bytes)` under 32 random bytes `r`: binding,
because the hash resists collisions; hiding, because `r` is secret. `r` stands only inside the ciphertext, so destroying
the data key destroys the opening of the commitment with the payload. An AES-GCM tag binds nothing by itself (one
ciphertext can open under two keys), so opening checks `c` again.

    blob := 01 | nonce12 | AES-256-GCM(key, nonce, r | bytes, aad = "bw/v1/blob" 00 origin 00 task 00 call 00 part 00 c)

A payload too large to keep is committed to by length and digest: the bytes sealed are then the SHA-256 of it, under
the name `bw/v1/digest`.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

from cryptography.exceptions import InvalidTag

from breakers.noun import noun
from proxy.ledger.datakeys import NONCE_BYTES, DataKey
from proxy.ledger.mac import mac

OPENER_BYTES = 32
_VERSION = b"\x01"


@noun
class Kept:
    """
    A payload that is kept.
    """

    data: bytes

    @property
    def length(self) -> int:
        """
        Return how many bytes it has.
        """
        return len(self.data)


@noun
class Digest:
    """
    A payload of which only its length and SHA-256 are kept.
    """

    length: int
    data: bytes


Payload = Kept | Digest


class Capture:
    """
    Collects a payload that passes by: whole up to a bound, beyond it as length and digest.
    """

    __slots__ = ("_bound", "_hash", "_kept", "length")

    def __init__(self, bound: int) -> None:
        self._bound, self._kept, self._hash, self.length = bound, bytearray(), sha256(), 0

    def __repr__(self) -> str:
        return f"Capture({self.length} bytes, {'kept' if self.length <= self._bound else 'digest'})"

    def feed(self, piece: bytes) -> None:
        """
        Take the next piece.
        """
        self.length += len(piece)
        self._hash.update(piece)
        if self.length <= self._bound:
            self._kept += piece
        else:
            self._kept.clear()

    def payload(self) -> Payload:
        """
        Return what was collected so far.
        """
        if self.length <= self._bound:
            return Kept(bytes(self._kept))
        return Digest(self.length, self._hash.digest())


@noun
class Bound:
    """
    What a blob belongs to: it opens nowhere else.
    """

    origin: str
    task: str
    call: str
    part: str

    def over(self, commitment: bytes) -> bytes:
        """
        Return the associated data of the blob with this commitment.
        """
        return f"bw/v1/blob\0{self.origin}\0{self.task}\0{self.call}\0{self.part}\0".encode() + commitment


class Opening(StrEnum):
    """
    Why a blob does not open.
    """

    MISSING = "missing"
    ERASED = "erased"
    BAD = "bad"


def commitment(opener: bytes, part: str, payload: Payload) -> bytes:
    """
    Return the commitment to a payload under an opener.
    """
    name = b"bw/v1/payload" if isinstance(payload, Kept) else b"bw/v1/digest"
    head = name + b"\x00" + part.encode() + b"\x00" + payload.length.to_bytes(8)
    return mac(opener, head + payload.data)


def seal(key: DataKey, nonce: bytes, opener: bytes, payload: Payload, bound: Bound, c: bytes) -> bytes:
    """
    Return the blob of a payload.
    """
    return _VERSION + nonce + key.cipher.encrypt(nonce, opener + payload.data, bound.over(c))


def unseal(
    key: DataKey, blob: bytes, bound: Bound, c: bytes, length: int, *, digest: bool = False
) -> Payload | Opening:
    """
    Return the payload in a blob, or `BAD` where it was not sealed for this place or is not what was committed to.
    """
    if not blob.startswith(_VERSION):
        return Opening.BAD
    nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    try:
        opened = key.cipher.decrypt(nonce, sealed, bound.over(c))
    except (InvalidTag, ValueError):
        return Opening.BAD
    opener, data = opened[:OPENER_BYTES], opened[OPENER_BYTES:]
    payload: Payload = Digest(length, data) if digest else Kept(data)
    return payload if compare_digest(commitment(opener, part=bound.part, payload=payload), c) else Opening.BAD
