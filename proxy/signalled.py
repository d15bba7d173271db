"""What a process that serves prepares before anything else: signals that wait until somebody hears them, open files."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.errors import StartRefused

DESCRIPTORS_BESIDE = 128
"""For the ledger, the listeners, the admin door and what libraries keep open."""


@contextlib.contextmanager
def stops_wait() -> Iterator[None]:
    """
    Have the signal that stops writes wait until there is who hears it: it would end the process, and be forgotten.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


@dataclass(slots=True)
class Called:
    """
    What hears the signal that stops writes: `stops`, and until there is that, whoever puts it there.
    """

    before: bool = False
    stops: Callable[[], None] | None = None

    def __call__(self) -> None:
        if self.stops is None:
            self.before = True
        else:
            self.stops()

    def leads_to(self, stops: Callable[[], None]) -> None:
        """
        Say what stops writes from now on, and do it where that was called for before.
        """
        self.stops = stops
        if self.before:
            stops()


def nothing_yet() -> None:
    """
    Do nothing.
    """


def allow_descriptors(connections: int) -> None:
    """
    Raise the soft limit of open files to what this many agents and their upstream connections need.

    Raise `StartRefused` where the hard limit is below it: the ledger must not be the first to run out of them.
    """
    needed = 2 * connections + DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if allowed < connections + DESCRIPTORS_BESIDE:
            hint = f"lower limits.connections, or raise the limit of open files (ulimit -n) to {needed}"
            raise StartRefused(f"{connections} connections need {needed} open files, and {hard} are allowed", hint)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
