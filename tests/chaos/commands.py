"""Commands and replies as they pass on a wire: what was asked, by the name of the verb where it is a script of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha1

import hiredis

from breakers.store.scripts import SCRIPTS

_VERBS = {script.sha: verb for verb, script in SCRIPTS.items()}

# What is answered before a connection may be used, whatever the server is busy with.
GREETINGS = frozenset({"HELLO", "AUTH", "CLIENT", "SELECT", "READONLY"})


@dataclass(frozen=True, slots=True)
class Command:
    """
    One command; its name is the verb's where it runs a script of ours, else the command's own.
    """

    parts: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """
        Return what is asked for.
        """
        word = self.parts[0].decode("latin-1").upper().partition(" ")[0]
        if word == "EVALSHA":
            return _VERBS.get(self.parts[1].decode("latin-1"), word)
        if word == "EVAL":
            return _VERBS.get(sha1(self.parts[1], usedforsecurity=False).hexdigest(), word)
        return word

    @property
    def by_digest(self) -> bool:
        """
        Tell whether it runs a script that the server has to know already.
        """
        return self.parts[0].upper() == b"EVALSHA"

    @property
    def greets(self) -> bool:
        """
        Tell whether it only opens a connection.
        """
        return self.name in GREETINGS

    def spelled(self) -> bytes:
        """
        Return it as it is sent.
        """
        return b"*%d\r\n" % len(self.parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in self.parts)


class Commands:
    """
    The commands of one connection, in however many pieces they come.
    """

    def __init__(self) -> None:
        self._reader = hiredis.Reader()

    def read(self, data: bytes) -> Iterator[Command]:
        """
        Yield each command that is complete now.
        """
        self._reader.feed(data)
        while (found := self._reader.gets()) is not False:
            yield Command(tuple(found))


class Replies:
    """
    How many replies of one connection are awaited.
    """

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self.awaited = 0

    def read(self, data: bytes) -> None:
        """
        Count those that are complete now.
        """
        self._reader.feed(data)
        while self._reader.gets() is not False:
            self.awaited -= 1
