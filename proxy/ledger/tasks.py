"""
Tasks and their tokens on record.

| record | says |
|---|---|
| `task.opened` | a task, its agent, its caps, until when, its labels, and the tasks above it as they were then |
| `task.closed` | that it is over, and why |
| `token.minted` | that a token was made, by its id and what it may do |
| `token.revoked` | that tokens with this id in their narrowing are not valid any more |

What concerns a task is on record under it. Each is durable before anything follows from it. A token's text stands
nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from breakers.task import Closed, Task
from proxy.ledger.drafts import Draft, stamp, system
from proxy.ledger.enveloped import task_fields
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank


class TaskRecords:
    """
    What is written of tasks and tokens.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"TaskRecords({self._pen!r})"

    async def opened(self, task: Task) -> None:
        """
        Record a task that was opened.
        """
        await self._pen.durable(Draft("task.opened", task.id, task_fields(task)), Rank.WRITE)

    async def closed(self, task: Task, why: Closed) -> None:
        """
        Record that a task is over.
        """
        await self._pen.durable(Draft("task.closed", task.id, {"agent": task.agent, "why": str(why)}), Rank.END)

    async def minted(self, token: str, task: Task, caveats: Sequence[str]) -> None:
        """
        Record a token of a task, by its id and its caveats.
        """
        fields = {"agent": task.agent, "tid": token, "caveats": list(caveats)}
        await self._pen.durable(Draft("token.minted", task.id, fields), Rank.WRITE)

    async def revoked(self, token: str, until: datetime) -> None:
        """
        Record that a token is not valid any more; `until` is when it could not be valid anyway.
        """
        await self._pen.durable(system("token.revoked", tid=token, until=stamp(until)), Rank.END)
