"""
What an agent saw and did under one task, as the record of this process has it: for operators who ask any of several.

It is read in the record and nowhere else, in a thread. Each call is told in the lines that people read, or as the data
that programs do (`as=json`): whoever asks wants one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.control import merged
from proxy.control.asking import Asked, Asking
from proxy.control.reply import refuse, reply
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import Wanted, index_in
from proxy.ledger.read import Payloads
from proxy.ledger.timeline import Told, block, calls, told_as_json

TASKS_NAMED = 200
"""Newest tasks that are named to whoever asks for one that nobody knows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    Which task is told of, and how.
    """

    task: str
    full: bool = False
    as_json: bool = False


def add_timeline(asking: Asking, state: Path) -> None:
    """
    Add what `breakwater task timeline` asks of a running process.
    """

    async def told(asked: Asked) -> web.Response:
        task = asked.query.get("task", "")
        if not task:
            return refuse(400, "the query names no task", "ask for /v1/timeline?task=AGENT/DATE")
        wish = Wish(task, asked.query.get("full") == "1", asked.query.get("as") == "json")
        return reply(await asyncio.to_thread(telling, state, wish))

    asking.look("/v1/timeline", told, merged.timeline, reads=True)


def telling(state: Path, wish: Wish) -> dict[str, Any]:
    """
    Return what one record has of a task, and where that is nothing the newest tasks that it has.
    """
    disk = RealDisk()
    with closing(index_in(disk, state)) as index, closing(Payloads(disk, state)) as payloads:
        found = calls(index.find(Wanted(task=wish.task)))
        rows = [_row(one, payloads, wish) for one in found]
        return {"task": wish.task, "told": rows, "tasks": [] if rows else index.tasks(TASKS_NAMED)}


def _row(one: Told, payloads: Payloads, wish: Wish) -> dict[str, Any]:
    said = told_as_json(one, payloads, full=wish.full) if wish.as_json else None
    lines: Sequence[str] = () if wish.as_json else tuple(block(one, payloads, full=wish.full))
    return {"call": one.call, "at": one.records[0].entry["ts"], "lines": lines, "said": said}
