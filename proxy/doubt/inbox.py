"""Where the road leaves writes that ended in doubt, for whoever looks for them."""

from __future__ import annotations

import asyncio

from breakers.known import Ended, State
from breakers.store.events import IntentOpened


class Inbox:
    """
    The writes that came into doubt since somebody looked, and the bell that tells of them.
    """

    def __init__(self) -> None:
        self._new: list[IntentOpened] = []
        # Those that wait for a person from the first.
        self.parked: set[str] = set()
        self.bell = asyncio.Event()

    def __repr__(self) -> str:
        return f"Inbox({len(self._new)} new)"

    def ended(self, opened: IntentOpened, ended: Ended) -> None:
        """
        Take a write that has ended, where nobody knows how.
        """
        if ended.state is State.UNKNOWN:
            self.opened(opened)

    def opened(self, opened: IntentOpened) -> None:
        """
        Take a write of which nobody knows how it ended.
        """
        self._new.append(opened)
        self.bell.set()

    def take_parked(self, opened: IntentOpened) -> None:
        """
        Take a write of which nobody knows how it ended, and that a person is to decide about.
        """
        self.parked.add(opened.intent)
        self.opened(opened)

    def empty(self) -> list[IntentOpened]:
        """
        Return what came, and have nothing.
        """
        new, self._new = self._new, []
        self.bell.clear()
        return new
