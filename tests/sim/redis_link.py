"""The link to a model of Redis that is always there: what the contract suite runs its third store on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakers.store.fleet import FleetStore
from breakers.store.link import Purpose, Server
from breakers.store.moves import BY_DEFAULT, Retention
from breakers.store.protocol import LEASE_S, StoreUnavailable
from breakers.store.scripts import SCRIPTS
from tests.breakers.world import AT
from tests.sim.redis_data import Refused, Reply, Status
from tests.sim.redis_model import RedisModel, encoded


class ModelLink:
    """
    A `Link` to whatever server `where` returns at the moment, without a wire between: nothing is lost, nothing waits.
    """

    def __init__(self, where: Callable[[], RedisModel]) -> None:
        self._where = where
        self._trusted = ""
        self.moved = False

    def __repr__(self) -> str:
        return f"<ModelLink trusted={self._trusted} moved={self.moved}>"

    def trust(self, server: str) -> None:
        self._trusted, self.moved = server, False

    async def ask(
        self,
        command: str,
        key: str,
        *arguments: str,
        purpose: Purpose = Purpose.DECISIONS,
        within_s: float | None = None,
    ) -> Any:
        model = self._current()
        if command == "BLPOP":
            found = telling(lambda: model.execute("LPOP", key.encode()))
            return None if found is None else [key.encode(), found]
        with_key = encoded((key, *arguments))
        return answered(command, telling(lambda: model.execute(command, *with_key)))

    async def run(
        self, verb: str, keys: Sequence[str], *arguments: str | int | bytes, purpose: Purpose | None = None
    ) -> Any:
        model, asked = self._current(), Asked.of(verb, keys, arguments)
        return telling(lambda: asked.on(model))

    async def eviction(self) -> str:
        return self._where().policy

    async def look(self) -> Server:
        return seen(self._current())

    async def server(self) -> str:
        return self._where().run_id

    async def close(self) -> None:
        """
        There is nothing to close.
        """

    def _current(self) -> RedisModel:
        model = self._where()
        if (self._trusted and model.run_id != self._trusted) or model.role != "master":
            self.moved = True
            raise StoreUnavailable("Redis is another server than the one that the ledger was replayed into")
        return model


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One script to be run: by its digest, and by its text where that is not known.
    """

    sha: bytes
    text: bytes
    told: tuple[bytes, ...]

    @classmethod
    def of(cls, verb: str, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Asked:
        """
        Return a verb's script with its keys and arguments.
        """
        script = SCRIPTS[verb]
        told = (str(len(keys)), *keys, *arguments)
        return cls(script.sha.encode(), script.text.encode(), tuple(encoded(told)))

    def on(self, model: RedisModel) -> Reply:
        """
        Run it there.
        """
        try:
            return model.execute("EVALSHA", self.sha, *self.told)
        except Refused as refused:
            if not str(refused).startswith("NOSCRIPT"):
                raise
        return model.execute("EVAL", self.text, *self.told)


def telling(asks: Callable[[], Reply]) -> Reply:
    """
    Return an answer; a server's refusal is said as the link to a real one says it.
    """
    try:
        return asks()
    except Refused as refused:
        said = str(refused)
        if "OOM " in said:
            raise StoreUnavailable("Redis has no memory left for what a write needs: raise its maxmemory") from None
        code = said.partition(" ")[0]
        raise StoreUnavailable(f"Redis refused what it was asked ({code})") from None


_PAIRS = frozenset({"HGETALL"})
_TRUTHS = frozenset({"PEXPIRE", "EXPIRE", "PERSIST", "HSETNX"})


def answered(command: str, reply: Reply) -> Any:
    """
    Return an answer as the client for a real server returns it.
    """
    if isinstance(reply, Status):
        return bytes(reply) == b"OK" or bytes(reply)
    if command in _PAIRS:
        return dict(zip(reply[::2], reply[1::2], strict=True))
    return bool(reply) if command in _TRUTHS else reply


def seen(model: RedisModel) -> Server:
    """
    Return what a server says of itself.
    """
    said = dict(line.split(":", 1) for line in model.info().splitlines())
    names = ("run_id", "redis_version", "role", "maxmemory_policy")
    id_, version, role, policy = (said[name] for name in names)
    return Server(id_, version, role, policy, int(said["evicted_keys"]), said["loading"] == "1")


class ModelServer:
    """
    A model as the contract suite takes a server: it makes stores, and its clock is the one that a test moves.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.model = RedisModel(lambda: round(now().timestamp() * 1_000_000))
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<ModelServer {self.model!r}>"

    def store(
        self,
        deployment: str | None = None,
        now: object = None,
        retention: Retention = BY_DEFAULT,
        lease_s: float = LEASE_S,
    ) -> FleetStore:
        """
        Return a store in it that was not started yet; without a name, of a deployment that nobody has used.
        """
        clock = now if callable(now) else lambda: AT
        name = deployment or f"test-{next(self._numbers)}"
        return FleetStore(ModelLink(lambda: self.model), name, clock, retention, lease_s)
