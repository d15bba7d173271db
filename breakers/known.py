"""
What is known of writes that came before: under which names one is found again, and how it stands.

A write is known under up to three names, all keyed hashes made outside: the agent's own key, what it says (its
fingerprint), and the business effect that its catalogue names. The record of an intent moves one way only:

| from | to | by |
|---|---|---|
| (absent) | `claimed` | reserve: nothing was sent; a claim whose lease has passed may be taken over |
| `claimed` | `dispatched` | dispatch: from here on it may have been sent |
| `claimed`, `dispatched` | `completed`, `unknown`, (absent) | settle; absent where nothing happened, unkept |
| `unknown` | `completed`, `parked`, (absent) | resolve, by evidence; a person's word counts as such |
| `parked` | `completed`, (absent) | resolve, by a person |

Never back: what may have been sent is never a claim again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from breakers.noun import noun


class State(StrEnum):
    """
    How the record of an intent stands.
    """

    CLAIMED = "claimed"
    DISPATCHED = "dispatched"
    COMPLETED = "completed"
    UNKNOWN = "unknown"
    PARKED = "parked"


IN_FLIGHT = frozenset({State.CLAIMED, State.DISPATCHED})
IN_DOUBT = frozenset({State.UNKNOWN, State.PARKED})


@noun
class Names:
    """
    Under which a write can be found again; each is opaque, printable and no longer than 128 characters.

    `fingerprints` say what the write says, one for each version of the algorithm that is still read, the current first;
    all are scoped to the agent and the API account. `key` is the agent's own, in the same scope; `effect` is scoped to
    the API account, whoever asks. A write holds `held`: its key, its current fingerprint, its effect.
    """

    fingerprints: tuple[str, ...]
    key: str | None = None
    effect: str | None = None

    @property
    def fingerprint(self) -> str:
        """
        Return the current fingerprint.
        """
        return self.fingerprints[0]

    @property
    def held(self) -> tuple[str, ...]:
        """
        Return the names that a write of these names takes.
        """
        key, fingerprint, effect = self.key, self.fingerprints[0], self.effect
        if key is None:
            return (fingerprint,) if effect is None else (fingerprint, effect)
        return (key, fingerprint) if effect is None else (key, fingerprint, effect)

    @property
    def asked(self) -> tuple[str, ...]:
        """
        Return every name that a look-up must ask for.
        """
        return tuple(dict.fromkeys((*self.held, *self.fingerprints)))


@noun
class Earlier:
    """
    The record of one intent, as a repeat of it finds it.

    `key` and `effect` are its own names. `until` is when a claim's lease passes. Of an ended one: `applied` tells
    whether it took effect (None: not known), `status` what its caller was shown, `place` where the record of that
    stands, `delivered` whether it reached the caller. `answered` is False once its answer is kept no longer: then only
    this is known of it.
    """

    intent: str
    state: State
    at: datetime
    api: str
    operation: str
    agent: str
    task: str
    fingerprint: str
    key: str | None = None
    effect: str | None = None
    window_s: int = 0
    until: datetime | None = None
    ended_at: datetime | None = None
    applied: bool | None = None
    status: int | None = None
    place: str = ""
    delivered: bool = True
    answered: bool = True


@noun
class Known:
    """
    What a store knows under the names of one call: records newest first, and each name's version when it was read.

    Under a name stand its open intents (in flight, in doubt) and, of those that are completed, the newest and the
    newest that took effect. A version grows with every change under its name; a name that was never used, or under
    which nothing has stood for a while, has version 0.
    """

    under: Mapping[str, tuple[Earlier, ...]] = field(default_factory=lambda: MappingProxyType({}))
    versions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_KNOWN = Known()


@noun
class Ended:
    """
    How an intent ended, or that nobody knows (`unknown`, `parked`).

    With `keeps` its answer stands under its key; a completed one without `applied` and without `keeps` leaves its names
    free, and is remembered only for those who are waiting for it. `place` is the record that holds the answer.
    `spent` is what a completed one took of each of its charges, in their order; empty where it had none.
    """

    state: State
    at: datetime
    applied: bool | None = None
    keeps: bool = False
    status: int | None = None
    place: str = ""
    delivered: bool = True
    spent: tuple[int, ...] = ()
