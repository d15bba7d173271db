"""
Tasks while they last: opened, given tokens, closed; by whoever may, by their time, or with what they belonged to.

What is said of a task is on record first, then told to the store; where the store cannot be told, that is tried again,
and until then it holds in this process.
A task ends as soon as its time is over, whether or not somebody has put that on record yet. One that is part of
another ends with it, and so does every task of an agent that has no card any more. Children are closed before what they
are part of, so that nothing is left open under what is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakers.caveats import FIRST
from breakers.spend import Total
from breakers.store.events import Event, TaskClosed, TaskOpened, TokenRevoked
from breakers.store.protocol import Store, StoreUnavailable
from breakers.task import Above, Closed, Task
from config.tasks import LIFE_MAX_S, TaskSettings
from proxy.clock import Clock
from proxy.envelopes import Envelopes
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.ledger.tasks import TaskRecords
from proxy.orders import MintOrder, TaskOrder, revocable
from proxy.tokens import Tokens, Written
from proxy.ulid import Ulids

SWEEP_S = 30.0
"""Half of a minute, within which the end of a task is on record."""

ABOVE_MAX = 3
"""A task of a task of a task of a task: a deeper tree is a plan, and every call is charged at each of its levels."""

LIFE_MIN_S = 1.0
"""Tokens count in seconds."""

UNKNOWN_HINT = "`breakwater task list` prints those that are open"


@dataclass(frozen=True, slots=True)
class Opened:
    """
    A task with its first token, whose text exists nowhere else.
    """

    task: Task
    token: Written


class Tasks:
    """
    What operators and platforms do with tasks; one thing after the other, but that a revocation waits for nothing.

    `agents` are those that have a card, and may change as `settings` may; `prefixes` is what stands before a token in
    the key's place of each API.
    """

    def __init__(
        self,
        store: Store,
        records: TaskRecords,
        tokens: Tokens,
        envelopes: Envelopes,
        clock: Clock,
        ids: Ulids,
        settings: TaskSettings,
        agents: Container[str],
        prefixes: Mapping[str, str],
    ) -> None:
        self._store, self._records, self.tokens, self.envelopes = store, records, tokens, envelopes
        self._clock, self._ids, self._prefixes = clock, ids, prefixes
        self._turn = asyncio.Lock()
        self.agents, self.settings = agents, settings

    def __repr__(self) -> str:
        return f"Tasks({len(self.envelopes.untold)} changes that the store was not told)"

    @property
    def agents(self) -> Container[str]:
        """
        Return those that have a card.
        """
        return self._agents

    @agents.setter
    def agents(self, agents: Container[str]) -> None:
        self._agents, self._agents_since = agents, self._clock.now()

    async def open(self, order: TaskOrder) -> Opened:
        """
        Open a task. Raise `StartRefused` where that cannot be.
        """
        async with self._turn:
            if order.agent not in self.agents:
                hint = "`breakwater status --json` names the agents"
                raise StartRefused(f"no agent '{order.agent[:63]}' has a card", hint)
            now, above = self._clock.now(), await self._chain(order.parent)
            until = min([self._until(now, order.ttl_s, self.settings.ttl_s), *(one.until for one in above)])
            task = Task(
                id=f"{order.agent}/{self._ids.new()}",
                agent=order.agent,
                opened_at=now,
                expires_at=until,
                caps=order.caps,
                record=order.record,
                trace=order.trace,
                model=order.model,
                prompt=order.prompt,
                above=above,
            )
            token = self._made(task, until, order)
            await self._records.opened(task)
            # Stop here, or anywhere below: on record, and nobody has its token. It is over when its time is.
            await self._tell(TaskOpened(task))
            await self._records.minted(token.id, task, token.said)
        return Opened(task, token)

    async def mint(self, id_: str, order: MintOrder) -> Opened:
        """
        Make another token of an open task. Raise `StartRefused` where there is none.
        """
        async with self._turn:
            task = await self._open_task(id_)
            now = self._clock.now()
            until = min(task.expires_at, self._until(now, order.ttl_s, LIFE_MAX_S))
            token = self._made(task, until, order)
            await self._records.minted(token.id, task, token.said)
        return Opened(task, token)

    async def close(self, id_: str) -> Task:
        """
        Close a task and what is part of it; one that is over stays as it is. Raise `StartRefused` for an unknown one.
        """
        async with self._turn:
            task = await self._known(id_)
            if task.closed is None:
                over = task.expires_at <= self._clock.now()
                await self._end(task, Closed.EXPIRED if over else Closed.DONE, await self._store.tasks())
            return await self._known(id_)

    async def revoke(self, which: str) -> tuple[str, datetime]:
        """
        Make a token invalid with all that were narrowed from it, by its id or its text; return its id, and until when
        that is remembered. Raise `StartRefused` for what is neither.
        """
        token = self.tokens.verify(which)
        id_ = token.ids[-1] if token is not None else revocable(which)
        # Of an id alone nobody knows the time; no token lives longer than this.
        until = token.expires_at if token is not None else self._clock.now() + timedelta(seconds=LIFE_MAX_S)
        await self._records.revoked(id_, until)
        await self._tell(TokenRevoked(id_, until))
        return id_, until

    async def listed(self) -> tuple[Task, ...]:
        """
        Return the tasks that are open.
        """
        now = self._clock.now()
        return tuple(task for task in await self._store.tasks() if task.is_open(now))

    async def shown(self, id_: str) -> tuple[Task, tuple[Total, ...]]:
        """
        Return a task, and what was taken of its caps. Raise `StartRefused` for an unknown one.
        """
        return await self._known(id_), await self._store.totals(f"task:{id_}")

    def state(self, task: Task) -> str:
        """
        Return how a task stands, in a word: `open`, or why it is over.
        """
        if task.closed is not None:
            return str(task.closed)
        return "open" if task.is_open(self._clock.now()) else str(Closed.EXPIRED)

    async def sweep(self) -> None:
        """
        Close what is over: by its time, with what it was part of, or because its agent has no card any more.
        """
        async with self._turn:
            await self._retell()
        now, open_ = self._clock.now(), await self._store.tasks()
        ids, parts = {task.id for task in open_}, tuple(task for task in open_ if task.above)
        for task in open_:
            if task.expires_at <= now:
                # Of what is over nothing was opened meanwhile.
                async with self._turn:
                    await self._end(task, Closed.EXPIRED, parts)
            elif self._lost_card(task) or any(above.id not in ids for above in task.above):
                async with self._turn:
                    await self._end(task, Closed.ORPHANED, await self._store.tasks())

    async def watch(self) -> None:
        """
        Sweep for ever.
        """
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.try_sweep()

    async def try_sweep(self) -> None:
        """
        Sweep, where the store and the record are there for it; if not, what is over is over all the same.
        """
        try:
            await self.sweep()
        except (StoreUnavailable, LedgerUnavailable):
            return

    def _lost_card(self, task: Task) -> bool:
        # One that was opened later was opened where its agent has a card: this process is about to be replaced.
        return task.agent not in self.agents and task.opened_at <= self._agents_since

    def _until(self, now: datetime, asked_s: float | None, otherwise_s: float) -> datetime:
        """
        Return when what is made now is over, to the second.
        """
        longest_s = self.settings.max_ttl_s
        if asked_s is not None and not LIFE_MIN_S <= asked_s <= longest_s:
            hint = "write a second at least, and at most what `tasks.max_ttl` says: `15m`, `1h`"
            raise StartRefused("a task cannot be open for so long, or so briefly", hint)
        life_s = min(otherwise_s if asked_s is None else asked_s, longest_s)
        return (now + timedelta(seconds=life_s)).replace(microsecond=0)

    def _made(self, task: Task, until: datetime, order: MintOrder) -> Written:
        if order.api is not None and order.api not in self._prefixes:
            raise StartRefused(f"there is no API '{order.api}'", f"APIs here: {', '.join(sorted(self._prefixes))}")
        prefix = self._prefixes[order.api] if order.api is not None else ""
        for caveat in order.caveats:
            if caveat.partition("=")[0] in FIRST[:2]:
                raise StartRefused(f"a token says by itself whose it is: '{caveat[:80]}'", "leave it out")
        try:
            return self.tokens.mint(task.id, until, order.caveats, prefix)
        except ValueError as error:
            raise StartRefused(f"{error}", getattr(error, "hint", "")) from None

    async def _chain(self, parent: str | None) -> tuple[Above, ...]:
        if parent is None:
            return ()
        task = await self._open_task(parent)
        if len(task.above) >= ABOVE_MAX:
            raise StartRefused(f"the task '{task.id}' is part of {ABOVE_MAX} others already", "open this beside it")
        return (Above(task.id, task.caps, task.expires_at), *task.above)

    async def _open_task(self, id_: str) -> Task:
        task = await self._known(id_)
        if not task.is_open(self._clock.now()):
            raise StartRefused(f"the task '{task.id}' is over: {self.state(task)}", UNKNOWN_HINT)
        return task

    async def _known(self, id_: str) -> Task:
        envelope = await self._store.envelope(id_, ())
        if envelope.task is None:
            raise StartRefused(f"no task was opened as '{id_[:100]}'", UNKNOWN_HINT)
        return envelope.task

    async def _end(self, task: Task, why: Closed, open_: tuple[Task, ...]) -> None:
        """
        Close a task, after those that are part of it.
        """
        parts = [one for one in open_ if any(above.id == task.id for above in one.above)]
        for part in sorted(parts, key=lambda one: -len(one.above)):
            await self._close(part, Closed.ORPHANED if part.expires_at > self._clock.now() else Closed.EXPIRED)
        # Stop here: what was part of it is over, and it is not. Whoever closes it again ends it, or its time does.
        await self._close(task, why)

    async def _close(self, task: Task, why: Closed) -> None:
        stands = (await self._store.envelope(task.id, ())).task
        if stands is not None and stands.closed is not None:
            # It was closed with another one meanwhile.
            return
        await self._records.closed(task, why)
        # Stop here: on record. The next start replays it.
        await self._tell(TaskClosed(task.id, self._clock.now(), why))

    async def _tell(self, event: Event) -> None:
        """
        Tell the store what is on record; where it cannot be told now, it is told later.
        """
        try:
            await self._store.apply(event)
        except StoreUnavailable as away:
            # What was said before stays good for reads; this holds beside it.
            self.envelopes.untold.append(event)
            said = f"{away}; what was asked for is on record, and is told as soon as it can be"
            raise StoreUnavailable(said) from None
        self.envelopes.forget()

    async def _retell(self) -> None:
        untold = self.envelopes.untold
        while untold:
            await self._store.apply(untold[0])
            self.envelopes.forget()
            untold.pop(0)
