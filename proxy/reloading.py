"""
A changed configuration taken by the running process: whole, or not at all.

The files are read and checked as at a start, off the event loop. Where they have a fault, or change what only a start
can take, every fault or every such change is said, and nothing happens. Otherwise it is on record first, and then all
that judgement reads is replaced in one step. A call keeps the policy that it began with, to its end; whoever has no
card any more is let in by no key, and its tasks are closed. However often it is asked for, one is taken after the
other; what signals ask for meanwhile is one more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from breakers.policy import Policy
from config.changes import changed, needs_start
from config.faults import ConfigurationFault
from config.load import Configuration
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.operators import roles_of
from proxy.rooms import Rooms

NAMED_MAX = 20
"""Of what changed, in a message: the rest is for `breakwater check` and a diff of the files."""


@dataclass(frozen=True, slots=True)
class Applied:
    """
    What is in force after a reload, what was before, and what differs; nothing where it is the same.
    """

    version: str
    was: str
    changed: tuple[str, ...]


class Reloading:
    """
    What takes a changed configuration; `read` reads the files, and raises `ConfigurationFault` for their faults.
    """

    def __init__(
        self,
        configuration: Configuration,
        rooms: Rooms,
        read: Callable[[], Configuration],
        policy_of: Callable[[Configuration], Policy],
    ) -> None:
        self._now, self._rooms, self._read, self._policy_of = configuration, rooms, read, policy_of
        self._turn = asyncio.Lock()
        self._asked = False
        self._behind: asyncio.Task[None] | None = None
        rooms.metrics.applied(configuration.version)

    def __repr__(self) -> str:
        return f"Reloading({self._now.version[:12]})"

    async def reload(self) -> Applied:
        """
        Take what the files say now.

        Raise `ConfigurationFault` with every fault of them, `StartRefused` where only a start can take what changed,
        and `LedgerUnavailable` where it could not be put on record; then nothing has changed.
        """
        async with self._turn:
            try:
                applied = await self._taken()
            except (ConfigurationFault, StartRefused, LedgerUnavailable):
                self._rooms.metrics.reloads.labels("refused").inc()
                raise
            self._rooms.metrics.reloads.labels("applied" if applied.changed else "unchanged").inc()
            return applied

    async def tried(self) -> Applied:
        """
        Return what a reload would take, and take nothing. Raise what `reload` does for what the files say.
        """
        async with self._turn:
            fresh, _, differs = await self._looked()
            return Applied(fresh.version, self._now.version, differs)

    async def _looked(self) -> tuple[Configuration, Policy, tuple[str, ...]]:
        """
        Read the files; return what they come to and what differs from what is in force.
        """
        was = self._now
        fresh, policy = await asyncio.to_thread(self._compiled)
        differs = changed(was, fresh)
        if held := [path for path in differs if needs_start(path)]:
            raise StartRefused(
                f"only a start can take what changed: {_named(held)}", "nothing was changed; restart, or change it back"
            )
        return fresh, policy, differs

    async def _taken(self) -> Applied:
        rooms, was = self._rooms, self._now
        fresh, policy, differs = await self._looked()
        if fresh.version == was.version:
            return Applied(was.version, was.version, ())
        await rooms.ledger.configured.applied(fresh.version, was.version)
        # Stop here: on record, and nothing was judged by it. The next start reads the files and says what it applies.
        self._switch(fresh, policy)
        rooms.log.event("config-applied", version=fresh.version, was=was.version, changed=list(differs[:NAMED_MAX]))
        await rooms.tasks.try_sweep()
        return Applied(fresh.version, was.version, differs)

    def _compiled(self) -> tuple[Configuration, Policy]:
        fresh = self._read()
        return fresh, self._policy_of(fresh)

    def _switch(self, fresh: Configuration, policy: Policy) -> None:
        """
        Put one configuration in the place of another, without a step between.
        """
        rooms, self._now = self._rooms, fresh
        rooms.sampler.gauging = policy.gauging
        rooms.policy, rooms.settings, rooms.agents = policy, fresh.settings, frozenset(fresh.agents)
        rooms.operators.roles = roles_of(fresh)
        rooms.tasks.agents, rooms.tasks.settings = rooms.agents, fresh.settings.tasks
        rooms.killswitch.heeds_itself = fresh.settings.kill.auto
        rooms.board.away_s = rooms.envelopes.away_s = fresh.settings.keys.away_s
        rooms.metrics.applied(fresh.version)

    def ask(self) -> None:
        """
        Have it reloaded behind whoever asks, as a signal does; what comes of it is in the log.
        """
        self._asked = True
        if self._behind is None or self._behind.done():
            self._behind = asyncio.create_task(self._while_asked())

    async def _while_asked(self) -> None:
        while self._asked:
            self._asked = False
            await self._once()

    async def _once(self) -> None:
        log = self._rooms.log
        try:
            applied = await self.reload()
        except ConfigurationFault as broken:
            log.event("config-refused", why=[f"{fault}" for fault in broken.faults])
        except StartRefused as no:
            log.event("config-refused", why=[no.error])
        except LedgerUnavailable as unavailable:
            log.event("config-refused", why=[f"it could not be recorded: {unavailable}"])
        else:
            if not applied.changed:
                log.event("config-unchanged", version=applied.version)


def _named(paths: list[str]) -> str:
    rest = len(paths) - NAMED_MAX
    return ", ".join(f"`{path}`" for path in paths[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")
