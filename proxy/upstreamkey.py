"""The idempotency key under which a write leaves for a vendor that honours one."""

from __future__ import annotations

import base64
import hashlib
import hmac

from proxy.clock import Randomness

PREFIX = "bw1_"
RANDOM_KEY_BYTES = 20


class UpstreamKeys:
    """
    Maps an agent's own key to ours: the same for the same agent, API account and key, and telling nothing of it.

    Where the agent sent no key, the write gets one that is used once: nothing is derived from its content.
    """

    def __init__(self, secret: bytes, randomness: Randomness) -> None:
        self._secret, self._randomness = secret, randomness

    def key(self, agent: str, api: str, agents_key: str | None) -> str:
        """
        Return the key to send: `bw1_` and base32.
        """
        if agents_key is None:
            raw = self._randomness(RANDOM_KEY_BYTES)
        else:
            message = b"\x00".join(part.encode() for part in (agent, api, agents_key))
            raw = hmac.new(self._secret, message, hashlib.sha256).digest()
        return PREFIX + base64.b32encode(raw).decode().rstrip("=").lower()
