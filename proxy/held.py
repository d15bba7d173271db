"""
An account's real credential as a call holds it: one version, taken once, and the same one until the call has ended.

A call takes what is current when its request is built. What is put in its place meanwhile is for the next call: neither
the record nor the wire of this one changes. What a call holds is hidden in answers as long as it does, and so is
what the account was opened with before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakSet

from config.dialect import Credential as Slot
from proxy.errors import StartRefused
from proxy.secret import Secret, spell_credential
from proxy.shown import Scrubber

HIDDEN_MAX = 8
"""Versions of one account that are looked for in every answer: each costs time, and none is echoed forever."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Held:
    """
    One version: `ref` is its name on record, `scrubber` hides it and every other version of its account in use.
    """

    ref: str
    secret: Secret
    slot: Slot
    scrubber: Scrubber

    def __repr__(self) -> str:
        return f"Held({self.ref})"

    def header(self) -> tuple[str, str]:
        """
        Return the header that carries the credential, spelled at the last moment.
        """
        return self.slot.header, spell_credential(self.slot.scheme, self.secret)


class Holder:
    """
    The versions of one account's credential: which one the next call takes, and what hides all of them.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._current: Held | None = None
        # Those that calls may still hold: they go by themselves with the last of these calls.
        self._taken: WeakSet[Held] = WeakSet()
        # Those that there were: what is destroyed here is not yet void at the vendor's.
        self._known: dict[str, Secret] = {}
        self.scrubber = Scrubber()

    def __repr__(self) -> str:
        return f"Holder({self._current!r})"

    def current(self) -> Held:
        """
        Return the version that a call takes now; raise `StartRefused` where there is none yet.
        """
        if self._current is None:
            raise StartRefused("a credential was asked for before it was opened")
        return self._current

    def turn(self, versions: Sequence[tuple[str, Secret]]) -> None:
        """
        Take the versions that there are from now on, by their names, the current one first.
        """
        (ref, secret), *_ = versions
        if self._current is None or self._current.ref != ref:
            self._current = Held(ref, secret, self._slot, self.scrubber)
            self._taken.add(self._current)
        for known, text in reversed(versions):
            self._known[known] = self._known.pop(known, text)
        while len(self._known) > max(HIDDEN_MAX, len(versions)):
            self._known.pop(next(iter(self._known)))
        self.scrubber.hide(*self._known.values(), *(held.secret for held in self._taken))
