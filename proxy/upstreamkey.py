"""The idempotency key under which a write leaves for a vendor that honours one."""

from __future__ import annotations

from proxy.clock import Randomness

PREFIX = "bw1_"
RANDOM_KEY_BYTES = 16

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_TWO_DIGITS = tuple(a + b for a in _DIGITS for b in _DIGITS)

# 128 bits are 26 digits of base32 (RFC 4648) but for two bits, which are zero.
_SPARE_BITS = 2
_PLACES = range(120, -1, -10)


def mint_key(randomness: Randomness) -> str:
    """
    Return a new key: `bw1_` and base32 of randomness, once for an intent, which keeps it for all that it sends.

    Nothing is derived: not from the agent's own key, under which two agents may collide, nor from what the write says,
    because an equal write that is meant would be swallowed by the vendor.
    """
    number = int.from_bytes(randomness(RANDOM_KEY_BYTES), "big") << _SPARE_BITS
    return PREFIX + "".join([_TWO_DIGITS[number >> bits & 0x3FF] for bits in _PLACES])
