"""A deployment's part of a server: its keys, its scripts, and the replay of the ledger that anything is held under."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from breakers.store.protocol import StoreUnavailable

EMPTIED = "Redis does not hold what was replayed into it: the ledger has to be replayed first"


class Purpose(StrEnum):
    """
    What a command is for; each has connections of its own, so that none waits for another's.
    """

    DECISIONS = "decisions"
    BEHIND = "behind"
    LETTERS = "letters"


# What a call waits for. Every other script runs behind it, unless whoever asks says otherwise.
_DECIDING = frozenset({"facts", "reserve", "dispatch", "hold"})


def purpose_of(verb: str) -> Purpose:
    """
    Return what a script is for where nobody says so.
    """
    return Purpose.DECISIONS if verb in _DECIDING else Purpose.BEHIND


@dataclass(frozen=True, slots=True)
class Server:
    """
    What a server says of itself: who it is, and whether what is written to it stays.

    `id` is another one after a restart, and where a replica took its place. `role` is `master` where it takes writes,
    `promoted` the history that it took over when it came to do so, empty for one that always did.
    """

    id: str
    version: str = ""
    role: str = ""
    policy: str = ""
    evicted: int = 0
    loading: bool = False
    promoted: str = ""


class Link(Protocol):
    """
    Connections to the server. Everything raises `StoreUnavailable`, and nothing is sent twice.

    Where `moved`, a connection led to another server than the trusted one; nothing was asked of that one, and nothing
    is asked of any until `trust` says of which.
    """

    @property
    def moved(self) -> bool:
        """
        Return whether another server answered than the trusted one, or that one as one that takes no writes.
        """

    def trust(self, server: str) -> None:
        """
        Ask nothing of any server but this one from here on; no connection of before is used again.
        """

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        """
        Return the answer to one command that changes nothing that a script compares.

        `within_s` is for commands that wait by themselves.
        """

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        """
        Run one script once, and return its answer. Without a purpose it is the verb's own.
        """

    async def eviction(self) -> str:
        """
        Return the policy by which the server makes room.
        """

    async def look(self) -> Server:
        """
        Return what the trusted server says of itself.
        """

    async def server(self) -> str:
        """
        Return the id of the server that answers a new connection, whichever is trusted.
        """

    async def close(self) -> None:
        """
        Close every connection.
        """


class Shared:
    """
    What a deployment's stores share: every key of it has one hash tag, `bw:{DEPLOYMENT}:…`.

    `epoch` is the replay of the ledger that this process holds by, and `emptied` tells whether that is lost: then it is
    none, by which no script holds anything, on whichever server it runs.
    """

    def __init__(self, link: Link, deployment: str) -> None:
        self.link, self.tag = link, f"bw:{{{deployment}}}:"
        self._epoch, self.emptied = "", True
        # What writes wait for while nothing is held, in words.
        self.why = EMPTIED

    def __repr__(self) -> str:
        return f"<Shared {self.tag} emptied={self.emptied}>"

    @property
    def epoch(self) -> str:
        """
        Return what this process holds by.
        """
        return "" if self.emptied else self._epoch

    def opened(self, epoch: str) -> None:
        """
        Hold by this from here on.
        """
        self._epoch, self.emptied = epoch, False

    def freeze(self) -> None:
        """
        Hold nothing from here on.
        """
        self.emptied = True

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        """
        Return the answer to one command about one key of the deployment.
        """
        return await self.link.ask(command, self.tag + key, *arguments, purpose=purpose, within_s=within_s)

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        """
        Run one script over keys of the deployment, and return its answer.
        """
        return await self.link.run(verb, [self.tag + key for key in keys], *arguments, purpose=purpose)

    def lost(self) -> StoreUnavailable:
        """
        Return what is to be raised where what was replayed is gone, and take note of it.
        """
        self.freeze()
        return StoreUnavailable(self.why)


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """
    Turn a reply that is not what was written there into a sentence.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        raise StoreUnavailable("what stands in Redis was not written by this version") from None


def text(value: object) -> str:
    """
    Return a reply that is text. Raise `TypeError` where it is none.
    """
    if not isinstance(value, bytes):
        raise TypeError("this is no text")
    return value.decode()


def is_same_replay(one: str, other: str) -> bool:
    """
    Tell whether two epochs are of one replay of the ledgers; what stands behind the slash is turned without one.
    """
    return one.rpartition("/")[0] == other.rpartition("/")[0]
