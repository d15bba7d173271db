"""
How the task and the token behind a call stand: looked at when it comes, and again right before it takes anything.

The shared state knows it. Where asking is a round trip, what is opened, closed and revoked elsewhere is heard of
behind the road twice a second, and nobody asks as long as that is heard; otherwise what was said is good for five
seconds. So a read feels within them what was revoked elsewhere. A write is compared again in the very step that takes
what it consumes, and feels it at once, as everybody feels what was changed here. While the store is away a read goes on
by what it said last, for as long as `keys.away` says, and a write does not. What is changed here meanwhile is felt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from breakers.call import Caller
from breakers.caveats import agent_of, moment
from breakers.store.events import Event, TaskClosed, TokenRevoked
from breakers.store.protocol import Store, StoreUnavailable
from breakers.task import Envelope, Task
from breakers.verdict import Reason, Refuse
from config.keys import KeySettings
from proxy.clock import Clock
from proxy.identify import EXPIRED

FRESH_S = 5.0
"""How long a revocation that was made at another process may take to be felt here."""

NEWS_S = 0.5
"""Between two questions for news, as between two for what is stopped."""

REVOKED_MAX = 65_536
"""Of more tokens that were revoked before their time it is asked one by one."""

KEPT_MAX = 4_096
"""Tasks and tokens in use at once; one that is forgotten is asked for again."""

GATE = "identify"

NO_SUCH_TASK = "The request belongs to a task that is not known for this agent."
OVER = "The task that this request belongs to is closed, or its time is over."

Key = tuple[str, tuple[str, ...]]


class Envelopes:
    """
    What the store said of tasks and tokens, for as long as that is good enough.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._said: OrderedDict[Key, tuple[Envelope, float]] = OrderedDict()
        self._changes = 0
        self.away_s = KeySettings().away_s
        # Raises where nobody knows any more whether agents' keys are valid.
        self.vouch: Callable[[], None] = lambda: None
        # What was heard of behind the road: the tasks that are open, what was revoked, and when.
        self._open: OrderedDict[str, Task] = OrderedDict()
        self._revoked: set[str] = set()
        self._is_whole, self._heard = False, float("-inf")
        # What is on record here and the store could not be told of yet, oldest first.
        self.untold: list[Event] = []

    def __repr__(self) -> str:
        return f"Envelopes({len(self._said)} kept)"

    async def within(self, caller: Caller, named: str | None) -> Caller | Refuse:
        """
        Return a caller within its task, where `named` is what the request names as such, or why there is no call.

        A task of another agent is refused in the words of one that is not there. A call that names none, under an
        agent's key, belongs to the standing task of the day, of which there is nothing to ask. Raise `StoreUnavailable`
        where it cannot be told.
        """
        if not caller.tokens:
            self.vouch()
        if caller.tokens:
            if named not in {None, caller.task}:
                return _unknown()
        elif named is not None:
            if not _is_of(caller.agent, named):
                return _unknown()
            caller = replace(caller, task=named, named=True)
        if not caller.named:
            return caller
        envelope = await self._asked(caller, good_s=self.away_s)
        return self._refused(caller, envelope) or caller.under(envelope.task)

    async def still(self, caller: Caller, *, writes: bool) -> Refuse | None:
        """
        Return why a caller may not go on any more, or None. Raise `StoreUnavailable` where that cannot be told.
        """
        if not caller.named:
            return None
        if _is_past(caller, self._clock.now()):
            # It was valid when the call came.
            return Refuse(Reason.TOKEN_EXPIRED, GATE, EXPIRED)
        known = self._said.get((caller.task, caller.tokens)) if writes and self._store.kind != "memory" else None
        if known is not None:
            # Whoever takes what it consumes compares it with how it stands by then.
            return self._refused(caller, known[0])
        return self._refused(caller, await self._asked(caller, good_s=FRESH_S if writes else self.away_s))

    def told(self, caller: Caller, envelope: Envelope) -> Refuse | None:
        """
        Take it that a caller's envelope was found to stand so just now; return why it may not go on any more, or None.
        """
        if envelope.task is None or envelope.task.closed is not None:
            self._put(caller.task, None)
        self._said.pop((caller.task, caller.tokens), None)
        return self._refused(caller, envelope)

    def forget(self) -> None:
        """
        Ask anew, because a task or a token was changed, and not all of that was heard of.
        """
        self._said.clear()
        self._open.clear()
        self._heard = float("-inf")
        self._changes += 1

    async def watch(self) -> None:
        """
        Hear for ever what others have opened, closed and revoked.
        """
        while self._store.kind != "memory":
            with contextlib.suppress(StoreUnavailable):
                await self.hear()
            await asyncio.sleep(NEWS_S)

    async def hear(self) -> None:
        """
        Ask what is new of tasks and tokens. Raise `StoreUnavailable` where that cannot be told.
        """
        began, changes = self._clock.monotonic(), self._changes
        news = await self._store.news()
        is_former = changes != self._changes
        if news.anew:
            self.forget()
            self._revoked, self._is_whole = set(), True
        self._revoked |= news.tokens
        self._is_whole = self._is_whole and news.whole and len(self._revoked) <= REVOKED_MAX
        if news.tasks or news.tokens:
            self._changes += 1
        for id_, task in news.tasks.items():
            self._put(id_, task)
        for key in [key for key in self._said if key[0] in news.tasks or not news.tokens.isdisjoint(key[1])]:
            del self._said[key]
        # As of when it was asked: what was changed after that may be unknown here.
        self._heard = began
        if is_former:
            # What was changed here meanwhile it may not say yet.
            self.forget()

    def _put(self, id_: str, task: Task | None) -> None:
        self._open.pop(id_, None)
        if task is not None:
            self._open[id_] = task
            if len(self._open) > KEPT_MAX:
                self._open.popitem(last=False)

    def _refused(self, caller: Caller, envelope: Envelope) -> Refuse | None:
        revoked = closed = False
        for one in self.untold:
            revoked = revoked or (isinstance(one, TokenRevoked) and one.token in caller.tokens)
            closed = closed or (isinstance(one, TaskClosed) and one.task == caller.task)
        if envelope.revoked or revoked:
            return Refuse(Reason.TOKEN_EXPIRED, GATE, EXPIRED)
        if envelope.task is None or envelope.task.agent != caller.agent:
            return _unknown()
        if closed or not envelope.task.is_open(self._clock.now()):
            return Refuse(Reason.TASK_CLOSED, GATE, OVER)
        return None

    async def _asked(self, caller: Caller, good_s: float) -> Envelope:
        """
        Return how a caller's envelope stands; where the store cannot say, as it said within `good_s` seconds.
        """
        if self._store.kind == "memory":
            return await self._store.envelope(caller.task, caller.tokens)
        key, now = (caller.task, caller.tokens), self._clock.monotonic()
        known = self._said.get(key)
        if now - self._heard <= FRESH_S and (heard := self._found(caller)) is not None:
            self._keep(key, heard, now)
            return heard
        if known is not None and now - known[1] <= FRESH_S:
            return known[0]
        changes = self._changes
        try:
            envelope = await self._store.envelope(*key)
        except StoreUnavailable:
            if known is not None and now - known[1] <= good_s:
                return known[0]
            if now - self._heard <= good_s and (heard := self._found(caller)) is not None:
                return heard
            raise
        if changes == self._changes:
            # What was asked before a change here may be how it was before.
            self._keep(key, envelope, now)
            if envelope.task is not None and envelope.task.closed is None:
                self._put(envelope.task.id, envelope.task)
        return envelope

    def _found(self, caller: Caller) -> Envelope | None:
        """
        Return how a caller's envelope stands by all that was heard; None where that may be too little.
        """
        task, revoked = self._open.get(caller.task), not self._revoked.isdisjoint(caller.tokens)
        if task is None or not (self._is_whole or revoked or not caller.tokens):
            return None
        self._open.move_to_end(caller.task)
        return Envelope(task, revoked)

    def _keep(self, key: Key, envelope: Envelope, now: float) -> None:
        self._said[key] = (envelope, now)
        self._said.move_to_end(key)
        if len(self._said) > KEPT_MAX:
            self._said.popitem(last=False)


def _is_of(agent: str, task: str) -> bool:
    try:
        return agent_of(task) == agent
    except ValueError:
        return False


def _is_past(caller: Caller, now: datetime) -> bool:
    return any(caveat.key == "exp" and moment(caveat.value) <= now for caveat in caller.caveats)


def _unknown() -> Refuse:
    return Refuse(Reason.TASK_UNKNOWN, GATE, NO_SUCH_TASK)
