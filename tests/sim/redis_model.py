"""
A Redis in plain Python: one keyspace, scripts by their digest, a run id, an eviction policy, a role.

It executes the very scripts that are shipped. Nothing here waits or fails by itself: whoever asks over a wire of their
own (`redis_link.py`, `network.py`) loses, delays and cuts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.sim.redis_commands import COMMANDS, carried
from tests.sim.redis_data import Keyspace, Refused, Reply
from tests.sim.redis_lua import lua

VERSION = "6.2.14"


@dataclass(frozen=True, slots=True)
class Ran:
    """
    One script that ran: for whoever counts, compares or traces.
    """

    sha: str
    keys: tuple[bytes, ...]
    arguments: tuple[bytes, ...]


class RedisModel:
    """
    One server. `run_id` is another one after a restart; `texts` is what it knows scripts by.
    """

    def __init__(self, micros: Callable[[], int], run_id: str = "run-1") -> None:
        self.micros, self.run_id = micros, run_id
        self.keys = Keyspace(micros)
        self.policy, self.role, self.evicted = "noeviction", "master", 0
        self.memory_left = True
        self.loading = False
        self.texts: dict[str, bytes] = {}
        self.commands = 0

    def __repr__(self) -> str:
        return f"<RedisModel {self.run_id} {self.role} {self.keys!r}>"

    def execute(self, name: str, *arguments: bytes) -> Reply:
        """
        Carry out one command as a client sends it. Raise `Refused` where the server would answer with an error.
        """
        self.commands += 1
        word = name.upper()
        if self.loading and word != "INFO":
            raise Refused("LOADING Redis is loading the dataset in memory")
        if word in {"EVAL", "EVALSHA"}:
            return self._script(word, *arguments)
        if word == "INFO":
            return self.info().encode()
        if word == "CONFIG":
            return [b"maxmemory-policy", self.policy.encode()]
        if word == "SCRIPT":
            self.texts.clear()
            return b"OK"
        told = word.encode()
        self._refuse(told)
        return carried(self.keys, told, arguments)

    def info(self) -> str:
        """
        Return what it says of itself.
        """
        said = {
            "redis_version": VERSION,
            "run_id": self.run_id,
            "role": self.role,
            "loading": int(self.loading),
            "maxmemory_policy": self.policy,
            "evicted_keys": self.evicted,
        }
        return "".join(f"{name}:{value}\r\n" for name, value in said.items())

    def _refuse(self, name: bytes) -> None:
        command = COMMANDS.get(name)
        if command is None or not command.writes:
            return
        if self.role != "master":
            raise Refused("READONLY You can't write against a read only replica.")
        if not self.memory_left and name not in {b"DEL", b"UNLINK", b"HDEL", b"ZREM", b"FLUSHALL"}:
            raise Refused("OOM command not allowed when used memory > 'maxmemory'.")

    def _script(self, word: str, which: bytes, count: bytes, *arguments: bytes) -> Reply:
        if word == "EVAL":
            text, sha = which, hashlib.sha1(which, usedforsecurity=False).hexdigest()
            self.texts[sha] = text
        elif (found := self.texts.get(which.decode().lower())) is None:
            raise Refused("NOSCRIPT No matching script. Please use EVAL.")
        else:
            text = found
        keys, told = arguments[: int(count)], arguments[int(count) :]
        is_well = self.role == "master" and self.memory_left
        return lua().run(text, keys, told, self.keys, None if is_well else self._refuse)

    # ------------------------------------------------------------------------------------------- what befalls a server

    def flush(self) -> None:
        """
        Throw away every key.
        """
        self.keys.values.clear()
        self.keys.over_ms.clear()

    def restarted(self, run_id: str, keys: Keyspace | None = None) -> RedisModel:
        """
        Return what comes up in its place: another run, without scripts, with the keys that survived.
        """
        made = RedisModel(self.micros, run_id)
        if keys is not None:
            made.keys = keys
        made.policy = self.policy
        return made


def encoded(value: Sequence[str | int | bytes]) -> list[bytes]:
    """
    Return arguments as a client sends them.
    """
    return [each if isinstance(each, bytes) else str(each).encode() for each in value]
