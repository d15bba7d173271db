"""
Tasks and their tokens over the admin door: open, look at, close; make a token, take one back.

A token's text is in the one answer that made it. What cannot be done is 409 with what to do instead.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from breakers.spend import Total
from breakers.task import Task
from proxy.control.reply import in_words, reply
from proxy.control.spend import row
from proxy.errors import StartRefused
from proxy.ledger.drafts import present, stamp
from proxy.orders import MintOrder, TaskOrder, read_order
from proxy.tasks import Opened, Tasks

TASK_PATH = r"/v1/tasks/{agent:[a-z0-9_-]{1,63}}/{ulid:[0-9A-Za-z]{26}}"


def add_tasks(app: web.Application, tasks: Tasks) -> None:
    """
    Add what `breakwater task` and `breakwater token` ask of a running process.
    """

    async def open_task(request: web.Request) -> web.Response:
        return reply(said_opened(tasks, await tasks.open(read_order(TaskOrder, await _body(request)))), 201)

    async def listed(_: web.Request) -> web.Response:
        return reply([said(tasks, task) for task in await tasks.listed()])

    async def shown(request: web.Request) -> web.Response:
        return reply(said_shown(tasks, *await tasks.shown(_id(request))))

    async def close(request: web.Request) -> web.Response:
        return reply(said(tasks, await tasks.close(_id(request))))

    async def mint(request: web.Request) -> web.Response:
        order = read_order(MintOrder, await _body(request))
        return reply(said_opened(tasks, await tasks.mint(_id(request), order)), 201)

    async def revoke(request: web.Request) -> web.Response:
        body = await _body(request)
        if body.keys() != {"token"} or not isinstance(body["token"], str):
            raise StartRefused("the body names no token", 'send {"token": ID}, or its text')
        id_, until = await tasks.revoke(body["token"])
        return reply({"tid": id_, "revoked": True, "until": stamp(until)})

    app.router.add_post("/v1/tasks", in_words(open_task))
    app.router.add_get("/v1/tasks", in_words(listed))
    app.router.add_get(TASK_PATH, in_words(shown))
    app.router.add_post(f"{TASK_PATH}/close", in_words(close))
    app.router.add_post(f"{TASK_PATH}/tokens", in_words(mint))
    app.router.add_post("/v1/tokens/revoke", in_words(revoke))


def said(tasks: Tasks, task: Task) -> dict[str, object]:
    """
    Return what is said of a task.
    """
    return present(
        {
            "task": task.id,
            "agent": task.agent,
            "state": tasks.state(task),
            "opened": stamp(task.opened_at),
            "expires": stamp(task.expires_at),
            "closed": None if task.closed_at is None else stamp(task.closed_at),
            "caps": task.caps.model_dump(mode="json", exclude_none=True),
            "record": task.record,
            "trace": task.trace,
            "model": task.model,
            "prompt": task.prompt,
            "above": [above.id for above in task.above] or None,
        }
    )


def said_opened(tasks: Tasks, opened: Opened) -> dict[str, object]:
    """
    Return what is said of a task that was given a token, the token with it.
    """
    token = opened.token
    return {**said(tasks, opened.task), "tid": token.id, "caveats": list(token.said), "token": token.spelled()}


def said_shown(tasks: Tasks, task: Task, totals: tuple[Total, ...]) -> dict[str, object]:
    """
    Return what is said of a task, and of what was taken of its caps.
    """
    return {**said(tasks, task), "taken": [row(total) for total in totals]}


def _id(request: web.Request) -> str:
    return f"{request.match_info['agent']}/{request.match_info['ulid']}"


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        # Its message would quote the body.
        body = None
    if not isinstance(body, dict):
        raise StartRefused("the body is not a JSON object", "see docs/TASKS.md for what is sent here")
    return body
