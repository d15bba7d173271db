"""Tasks on a road: opened, called under, and found on record."""

from __future__ import annotations

from typing import Any

from breakers.task import Task
from proxy.orders import MintOrder, TaskOrder, read_order
from proxy.tokens import narrowed
from tests.canary.plugin import watch
from tests.proxy.road import Headers, Road
from tests.proxy.token_world import written
from tests.wire.client import Answer


async def open_task(on: Road, agent: str = "support", **more: object) -> tuple[Task, str]:
    """
    Open a task as an operator does, and return it with its token.
    """
    opened = await on.rooms.tasks.open(read_order(TaskOrder, {"agent": agent, **more}))
    text = opened.token.spelled()
    watch.minted(text)
    return opened.task, text


async def mint(on: Road, task: Task, *caveats: str) -> str:
    """
    Make another token of a task.
    """
    opened = await on.rooms.tasks.mint(task.id, read_order(MintOrder, {"caveats": list(caveats)}))
    watch.minted(opened.token.spelled())
    return opened.token.spelled()


def narrower(token: str, *caveats: str) -> str:
    """
    Narrow a token as its holder does.
    """
    made = written(token)
    for caveat in caveats:
        made = narrowed(made, caveat)
    watch.minted(made.spelled())
    return made.spelled()


def shown(token: str, *more: tuple[str, str]) -> Headers:
    """
    Return the headers of a call under a token.
    """
    return [("Authorization", f"Bearer {token}"), *more]


async def under(on: Road, token: str, method: str = "GET", target: str = "/v1/customers", **more: Any) -> Answer:
    """
    Make a call under a token.
    """
    return await on.ask(method, target, key="", headers=shown(token, *more.pop("headers", ())), **more)


async def named(on: Road, task: str, agent: str = "support", target: str = "/v1/customers") -> Answer:
    """
    Make a call under an agent's key that names a task.
    """
    return await on.ask("GET", target, agent=agent, headers=[("Breakwater-Task", task)])


def said(answer: Answer) -> tuple[int, str | None]:
    """
    Return the status of an answer of ours and its reason.
    """
    return answer.status, answer.reason
