"""A primary Redis and its replica, which can be cut off: a failover loses what came after that."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import redis

from tests.crash.waiting import until
from tests.redis_server import RedisServer, running_redis

# A replica asks for everything at once, and nothing is written to the disk for it.
_OPTIONS = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-timeout", "60")

FOLLOWS_S = 20.0

# The port at which a replica that was cut off looks for its primary.
NOBODY = 1


@dataclass(eq=False, slots=True)
class Pair:
    """
    The two, `primary` the one that counts now.
    """

    folder: Path
    primary: RedisServer
    second: RedisServer
    _more: contextlib.ExitStack
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def told(self, *command: str | int, server: RedisServer | None = None, password: str | None = None) -> Any:
        """
        Have a server, the primary where none is named, do something as an operator would.
        """
        port = (server or self.primary).port
        with contextlib.closing(redis.Redis("127.0.0.1", port, password=password)) as operator:
            execute: Callable[..., Any] = operator.execute_command
            return execute(*command)

    def info(self, section: str, server: RedisServer | None = None) -> Mapping[str, Any]:
        """
        Return what a server says about itself.
        """
        with contextlib.closing((server or self.primary).operator()) as operator:
            return cast("Mapping[str, Any]", operator.info(section))

    async def follow(self) -> None:
        """
        Let the second follow the primary, and wait until it has all that there is.
        """
        self.told("REPLICAOF", "127.0.0.1", self.primary.port, server=self.second)
        await until(self._follows, FOLLOWS_S)

    def _follows(self) -> bool:
        ours, theirs = self.info("replication"), self.info("replication", self.second)
        return theirs.get("master_link_status") == "up" and theirs["slave_repl_offset"] == ours["master_repl_offset"]

    def part(self) -> None:
        """
        Cut the second off: it goes on with what it has, and knows of nothing that comes.
        """
        self.told("REPLICAOF", "127.0.0.1", NOBODY, server=self.second)

    def promote(self) -> None:
        """
        Let the second be the primary; the former one goes on as if nothing were.
        """
        self.told("REPLICAOF", "NO", "ONE", server=self.second)
        self.primary, self.second = self.second, self.primary

    def restart(self) -> None:
        """
        Put an empty server in the primary's place, as a restart without a disk leaves it.
        """
        self.told("FLUSHALL")
        self.primary = self._more.enter_context(running_redis(self.folder / f"redis-{next(self._numbers)}", *_OPTIONS))


@contextlib.asynccontextmanager
async def redis_pair(folder: Path) -> AsyncIterator[Pair]:
    """
    Run both.
    """
    with contextlib.ExitStack() as more:
        primary = more.enter_context(running_redis(folder / "redis-a", *_OPTIONS))
        second = more.enter_context(running_redis(folder / "redis-b", *_OPTIONS))
        pair = Pair(folder, primary, second, more)
        await pair.follow()
        yield pair
