"""
How the task and the token behind a call stand: asked when it comes, and again right before it takes anything.

The shared state knows it. What it said stays good for five seconds where asking is a round trip, so that a revocation
that was made elsewhere is felt within them; what was changed here is felt at once. While the store is away a read goes
on by what it said up to a minute ago, and a write does not. What was changed here while it is away is felt here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime

from breakers.call import Caller
from breakers.caveats import agent_of, moment
from breakers.store.events import Event, TaskClosed, TokenRevoked
from breakers.store.protocol import Store, StoreUnavailable
from breakers.task import Envelope
from breakers.verdict import Reason, Refuse
from proxy.clock import Clock
from proxy.identify import EXPIRED

FRESH_S = 5.0
"""How long a revocation that was made at another process may take to be felt here."""

AWAY_S = 60.0
"""How long reads go on without a store: a restart of it takes less, and a revoked token must not live on for long."""

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
        if caller.tokens:
            if named not in {None, caller.task}:
                return _unknown()
        elif named is not None:
            if not _is_of(caller.agent, named):
                return _unknown()
            caller = replace(caller, task=named, named=True)
        if not caller.named:
            return caller
        envelope = await self._asked(caller, good_s=AWAY_S)
        return self._refused(caller, envelope) or replace(caller, opened=envelope.task)

    async def still(self, caller: Caller, *, writes: bool) -> Refuse | None:
        """
        Return why a caller may not go on any more, or None. Raise `StoreUnavailable` where that cannot be told.
        """
        if not caller.named:
            return None
        if _is_past(caller, self._clock.now()):
            # It was valid when the call came.
            return Refuse(Reason.TOKEN_EXPIRED, GATE, EXPIRED)
        return self._refused(caller, await self._asked(caller, good_s=FRESH_S if writes else AWAY_S))

    def forget(self) -> None:
        """
        Ask anew, because a task or a token was changed here.
        """
        self._said.clear()
        self._changes += 1

    def _refused(self, caller: Caller, envelope: Envelope) -> Refuse | None:
        if envelope.revoked or any(isinstance(one, TokenRevoked) and one.token in caller.tokens for one in self.untold):
            return Refuse(Reason.TOKEN_EXPIRED, GATE, EXPIRED)
        if envelope.task is None or envelope.task.agent != caller.agent:
            return _unknown()
        closed = any(isinstance(one, TaskClosed) and one.task == caller.task for one in self.untold)
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
        if known is not None and now - known[1] <= FRESH_S:
            return known[0]
        changes = self._changes
        try:
            envelope = await self._store.envelope(*key)
        except StoreUnavailable:
            if known is None or now - known[1] > good_s:
                raise
            return known[0]
        if changes == self._changes:
            # What was asked before a change here may be how it was before.
            self._keep(key, envelope, now)
        return envelope

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
