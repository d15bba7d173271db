"""A deployment's part of a server: its keys, its scripts, and the replay of the ledger that anything is held under."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from breakers.store.protocol import StoreUnavailable

EMPTIED = "Redis does not hold what was replayed into it: the ledger has to be replayed first"


class Link(Protocol):
    """
    A connection to the server. Everything raises `StoreUnavailable`, and nothing is sent twice.
    """

    async def ask(self, command: str, key: str, *arguments: str) -> Any:
        """
        Return the answer to one command that changes nothing that a script compares.
        """

    async def run(self, verb: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """
        Run one script once, and return its answer.
        """

    async def eviction(self) -> str:
        """
        Return the policy by which the server makes room.
        """

    async def server(self) -> str:
        """
        Return the name of the server that answers: another one after its restart, and where a replica took its place.
        """

    async def close(self) -> None:
        """
        Close every connection.
        """


class Shared:
    """
    What a deployment's stores share: every key of it has one hash tag, `bw:{DEPLOYMENT}:…`.

    `epoch` is the replay of the ledger that this process holds by, and `emptied` tells whether that is lost.
    """

    def __init__(self, link: Link, deployment: str) -> None:
        self.link, self.tag = link, f"bw:{{{deployment}}}:"
        self.epoch, self.emptied = "", True

    def __repr__(self) -> str:
        return f"<Shared {self.tag} emptied={self.emptied}>"

    async def ask(self, command: str, key: str, *arguments: str) -> Any:
        """
        Return the answer to one command about one key of the deployment.
        """
        return await self.link.ask(command, self.tag + key, *arguments)

    async def run(self, verb: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """
        Run one script over keys of the deployment, and return its answer.
        """
        return await self.link.run(verb, [self.tag + key for key in keys], *arguments)

    def lost(self) -> StoreUnavailable:
        """
        Return what is to be raised where what was replayed is gone, and take note of it.
        """
        self.emptied = True
        return StoreUnavailable(EMPTIED)


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
