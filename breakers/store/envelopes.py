"""
The tasks that were opened and the tokens that were revoked, where several processes share that.

| key | what it holds |
|---|---|
| `task:ID` | when and why a task was closed, if it was; newline; the task as it was opened, if it was said here |
| `tasks` | by id, the tasks that are not closed |
| `revoked:TOKEN` | that a token is not valid any more |
| `news` | what was opened, closed or revoked, by a number that grows: every process hears of it behind the road |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from breakers.call import Caller
from breakers.store.events import TaskClosed, TaskOpened, TokenRevoked
from breakers.store.link import Shared, reading, text
from breakers.store.opened import LIFE_MAX
from breakers.store.packed import micros, millis, moment
from breakers.task import Above, Closed, Envelope, News, Task
from config.caps import Caps

POSTED = ("tasks", "versions", "news")

KEPT = timedelta(days=1)
"""How long a task and a revocation are known when their time is over: a clock that is set back finds them."""


AT_ONCE = 256
"""How much news is told in one step, so that nobody waits for it."""


def enveloped_by(caller: Caller) -> tuple[str, ...]:
    """
    Return the keys of a caller's task and of its tokens; none where it names no task.
    """
    return (f"task:{caller.task}", *(f"revoked:{token}" for token in caller.tokens)) if caller.named else ()


class Envelopes:
    """
    Tasks and tokens, over what is shared.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        # The number of the last news that was told here, and under which replay of the ledger that counts.
        self._told, self._epoch = 0, ""

    def __repr__(self) -> str:
        return f"<Envelopes {self._shared.tag}>"

    async def news(self) -> News:
        """
        Return what was opened, closed and revoked since this was asked last.
        """
        epoch = self._shared.epoch
        is_anew = epoch != self._epoch
        told = 0 if is_anew else self._told
        tasks, tokens, is_whole, found = dict[str, Task | None](), set[str](), True, [b""] * AT_ONCE
        with reading():
            while len(found) >= AT_ONCE:
                word, *rest = await self._shared.run("news", ("epoch", "news", "tasks"), epoch, told, AT_ONCE)
                if word != b"news":
                    raise self._shared.lost()
                whole, pairs, values = rest
                is_whole, found = is_whole and whole == b"1", pairs[::2]
                for what, value in zip(found, values, strict=True):
                    kind, _, id_ = text(what).partition(" ")
                    if kind == "task":
                        tasks[id_] = None if value is None else unpack_task(value)
                    else:
                        tokens.add(id_)
                told = int(pairs[-1]) if pairs else told
        self._told, self._epoch = told, epoch
        return News(tasks, frozenset(tokens), is_whole, is_anew)

    async def of(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        """
        Return how a task stands, and whether any of these tokens was revoked.
        """
        tag = self._shared.tag
        further = (f"{tag}task:{task}", *(f"{tag}revoked:{token}" for token in tokens))
        with reading():
            epoch, value, *revoked = await self._shared.ask("MGET", "epoch", *further)
            # What was lost revokes nothing and closes nothing.
            if epoch is None or text(epoch) != self._shared.epoch:
                raise self._shared.lost()
            return envelope(value, is_revoked=any(one is not None for one in revoked))

    async def open(self) -> tuple[Task, ...]:
        """
        Return the tasks that are not closed, oldest first.
        """
        values = await self._shared.ask("HVALS", "tasks")
        with reading():
            every = [unpack_task(value) for value in values]
        return tuple(sorted(every, key=lambda task: (task.opened_at, task.id)))

    async def apply(self, event: TaskOpened | TaskClosed | TokenRevoked) -> None:
        """
        Note what an operator or the time has done, unless it is known, or long over.
        """
        match event:
            case TaskOpened(task) if (kept := self._left_ms(task.expires_at)) > 0:
                await self._shared.run("open", (f"task:{task.id}", *POSTED), task.id, pack_task(task), kept)
            case TaskClosed(task, at, why):
                # Of what another process opened this one's ledger may have the end alone, and tell it first.
                packed, kept = f"{micros(at)} {why}", self._left_ms(at + LIFE_MAX)
                await self._shared.run("shut", (f"task:{task}", *POSTED), task, packed, kept)
            case TokenRevoked(token, until) if (kept := self._left_ms(until)) > 0:
                await self._shared.run("revoke", (f"revoked:{token}", *POSTED[1:]), kept, token)
            case _:
                pass

    def _left_ms(self, until: datetime) -> int:
        return millis(until + KEPT) - millis(self._now())


def envelope(value: bytes | None, *, is_revoked: bool) -> Envelope:
    """
    Return how a task stands by what was found, and whether a token was revoked.
    """
    return Envelope(None if value is None else _read(value), is_revoked)


def pack_task(task: Task) -> bytes:
    """
    Return a task as one line, but for when and why it was closed.
    """
    return orjson.dumps([
        task.id,
        task.agent,
        micros(task.opened_at),
        micros(task.expires_at),
        _spell(task.caps),
        [task.record, task.trace, task.model, task.prompt],
        [[above.id, _spell(above.caps), micros(above.until)] for above in task.above],
    ])  # fmt: skip


def unpack_task(line: bytes) -> Task:
    """
    Return a task. Raise `ValueError` or `TypeError` where it is not what was packed.
    """
    id_, agent, opened_us, expires_us, caps, (record, trace, model, prompt), above = orjson.loads(line)
    return Task(
        id=id_,
        agent=agent,
        opened_at=moment(opened_us),
        expires_at=moment(expires_us),
        caps=Caps.model_validate(caps),
        record=record,
        trace=trace,
        model=model,
        prompt=prompt,
        above=tuple(Above(one, Caps.model_validate(its), moment(until)) for one, its, until in above),
    )


def _spell(caps: Caps) -> dict[str, object]:
    return caps.model_dump(mode="json", exclude_none=True)


def _read(value: bytes) -> Task | None:
    """
    Return a task, or None where nothing but its end is known.
    """
    end, newline, line = value.partition(b"\n")
    at, _, why = end.decode().partition(" ")
    closed = (moment(int(at)), Closed(why)) if end else None
    if closed is not None and newline and not line:
        return None
    task = unpack_task(line)
    return task if closed is None else replace(task, closed_at=closed[0], closed=closed[1])
