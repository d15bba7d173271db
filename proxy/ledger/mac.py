"""HMAC-SHA256 (RFC 2104) of small things, many times a second."""

from __future__ import annotations

from hashlib import sha256

_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def mac(key: bytes, data: bytes) -> bytes:
    """
    Return the code of some data under a key of at most 64 bytes.
    """
    # `hmac` takes longer, and lets go of the interpreter each time: beside a busy loop a thread waits to get it back.
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return sha256(block.translate(_OUTER) + sha256(block.translate(_INNER) + data).digest()).digest()
