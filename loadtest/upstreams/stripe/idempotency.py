"""
Stripe's Idempotency-Key, as documented: the first result of a v1 POST is remembered, and a repeat gets it again.

* The same key with the same parameters replays status and body, also of a 500 or a decline, with
  `Idempotent-Replayed: true`.
* The same key with other parameters, or on another path, is a 400 `idempotency_error`.
* The same key while the first request is still running is a 409 `idempotency_key_in_use`.
* A request that did not validate, or that was refused before it was executed, is not remembered.
* After `kept_s` seconds a key is forgotten, and the request under it is a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.stripe.errors import ApiError

# Stripe's own bound.
_KEY_CHARS_MAX = 255

# Stripe may forget a key after a day.
KEPT_S = 24 * 3600.0


@dataclass(slots=True)
class _Use:
    fingerprint: str
    at: float
    answer: Answer | None = None


class IdempotencyKeys:
    """
    The keys of one account and what they were first used for.
    """

    def __init__(self, clock: Callable[[], float], kept_s: float = KEPT_S) -> None:
        self._clock = clock
        self._uses: dict[str, _Use] = {}
        self.kept_s = kept_s

    def __repr__(self) -> str:
        running = sum(use.answer is None for use in self._uses.values())
        return f"<IdempotencyKeys {len(self._uses)} used, {running} running>"

    def begin(self, key: str, fingerprint: str) -> Answer | None:
        """
        Claim a key and return None, or return what its first use was answered.
        """
        if len(key) > _KEY_CHARS_MAX:
            raise ApiError(400, f"Idempotency-Key is longer than {_KEY_CHARS_MAX} characters", kind="idempotency_error")
        now, use = self._clock(), self._uses.get(key)
        if use is None or (use.answer is not None and use.at + self.kept_s <= now):
            self._uses[key] = _Use(fingerprint, now)
            return None
        if use.fingerprint != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise ApiError(400, message, kind="idempotency_error")
        if use.answer is None:
            message = f"There is currently another in-progress request using this Idempotency-Key: {key}."
            raise ApiError(409, message, kind="idempotency_error", code="idempotency_key_in_use")
        return use.answer

    def keep(self, key: str, answer: Answer) -> None:
        """
        Remember the result of a key's first use.
        """
        self._uses[key].answer = answer

    def forget(self, key: str) -> None:
        """
        Free a key whose request was never executed.
        """
        self._uses.pop(key, None)
