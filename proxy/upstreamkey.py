"""The idempotency key under which a write leaves for a vendor that honours one."""

from __future__ import annotations

import base64

from proxy.clock import Randomness

PREFIX = "bw1_"
RANDOM_KEY_BYTES = 16


def mint_key(randomness: Randomness) -> str:
    """
    Return a new key: `bw1_` and base32 of randomness, once for an intent, which keeps it for all that it sends.

    Nothing is derived: not from the agent's own key, under which two agents may collide, nor from what the write says,
    because an equal write that is meant would be swallowed by the vendor.
    """
    return PREFIX + base64.b32encode(randomness(RANDOM_KEY_BYTES)).decode().rstrip("=").lower()
