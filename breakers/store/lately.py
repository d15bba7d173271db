"""
The names that this process has held or found used lately, so that a write is judged without a question.

Of a name that is not here, nothing stands under it as far as this process has seen. Under one that is, stands what a
script found there last; nobody can say what stands under one that was taken here and has not ended, or that another
has claimed: for how long is the server's clock's alone. Whatever is said here is compared where something is taken, so
that it may be old, and some of it forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from breakers.known import Earlier, Known, Names
from breakers.store.link import Shared
from breakers.store.packed import CLAIMED, Packer, millis

NAMES_MAX = 16_384
"""Some five thousand writes: those that clients and agents may make again within minutes. A few megabytes."""

_CLAIM = f"{CLAIMED} ".encode()


class Lately:
    """
    What is known of names, the one that was used last at the end.
    """

    __slots__ = ("_epoch", "_found", "_packer", "_shared")

    def __init__(self, shared: Shared, packer: Packer) -> None:
        self._shared, self._packer = shared, packer
        # After a loss versions are counted anew: one that was seen before would mean something else.
        self._epoch = shared.epoch
        # As a script found it, because it is read by the time at which it is asked for; None while nobody can say.
        self._found: OrderedDict[str, Sequence[bytes] | None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Lately {len(self._found)} names>"

    def taken(self, names: Iterable[str]) -> None:
        """
        Note that what stands under these names is changing, by what this process does.
        """
        self._forget_former()
        for name in names:
            self._keep(name, None)

    def found(self, name: str, fields: Sequence[bytes]) -> None:
        """
        Note what a script has found under a name.
        """
        self._forget_former()
        if fields:
            self._keep(name, fields)
        else:
            self._found.pop(name, None)

    def known(self, names: Names) -> Known | None:
        """
        Return what stands under the names of a call by all that was found, or None where it has to be asked.
        """
        self._forget_former()
        at = self._packer.now()
        now_ms, under, versions = millis(at) + self._packer.ahead_ms, dict[str, tuple[Earlier, ...]](), dict[str, int]()
        for name in names.asked:
            fields = self._found.get(name, ())
            if fields is None or any(value.startswith(_CLAIM) for value in fields[1::2]):
                return None
            versions[name], records = self._packer.under(fields, now_ms, at)
            if records:
                under[name] = records
        return Known(under, versions)

    def _forget_former(self) -> None:
        if self._epoch != self._shared.epoch:
            self._epoch = self._shared.epoch
            self._found.clear()

    def _keep(self, name: str, fields: Sequence[bytes] | None) -> None:
        self._found[name] = fields
        self._found.move_to_end(name)
        if len(self._found) > NAMES_MAX:
            self._found.popitem(last=False)
