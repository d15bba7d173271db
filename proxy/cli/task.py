"""`breakwater task`: open a unit of an agent's work, look at it, close it; what an agent saw and did under it."""

from __future__ import annotations

import argparse
import re
from typing import Any
from urllib.parse import urlencode

from config.faults import did_you_mean, listed
from config.load import load
from proxy.cli.client import Running, find_running, has_started
from proxy.cli.heard import is_shared, looked, say_alone
from proxy.cli.lookup import looking_into, print_calls
from proxy.cli.say import data, shown, table
from proxy.cli.tasked import TASK_HELP, asked
from proxy.cli.usage import add_noun
from proxy.cli.where import add_dir, state_of
from proxy.control.tasks import said, said_opened, said_shown
from proxy.errors import StartRefused
from proxy.ledger.index import Index, Wanted
from proxy.ledger.timeline import calls
from proxy.orders import TaskOrder, read_order
from proxy.tasks import Tasks

EPILOG = """\
examples:
  breakwater task open --agent support_refund_agent --record ticket:4711
  breakwater task open --agent support_refund_agent --cap moved=50USD --cap calls=6
  breakwater task list
  breakwater task show support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater task close support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater task timeline support_refund_agent/2026-11-21
  breakwater task timeline support_refund_agent/2026-11-21 --full

An opened task has caps of its own and a token, which is printed once. Give it to
the agent where its SDK wants an API key. A call that names no task belongs to its
agent's task of the day, AGENT/DATE.
"""

OPEN_EPILOG = """\
examples:
  breakwater task open --agent support_refund_agent --record ticket:4711 --ttl 15m
  breakwater task open --agent support_refund_agent --cap moved=50USD --cap paid=0.02USD
  breakwater task open --agent support_refund_agent --for stripe --json

Caps count over the task's whole life, beside those of the agent's card:
moved=50USD (money that is moved), paid=0.02USD (money that calls cost),
calls=6, writes=2.
"""

COMPARED_MAX = 1_000
"""Tasks that a misspelled name is compared with, newest first: whoever asks asks about what happened lately."""

NEWEST_OFFERED = 3

TOLD_S = 60.0
"""A long task is read from many files."""

LABELS = ("record", "trace", "model", "prompt")

LINES = ("task", "state", "opened", "expires", "closed", *LABELS)

TAKEN = ("measure", "cap", "settled", "held", "left")

_CAP = re.compile(r"(moved|paid)=([0-9.]+) ?([A-Za-z]{3})|(calls|writes)=([0-9]{1,16})")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    _add_open(verbs)
    showing = verbs.add_parser(
        "show",
        help="print a task, its caps and what was taken of them",
        epilog="example: breakwater task show support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB",
    )
    showing.set_defaults(run=show)
    verbs.add_parser("list", help="print the open tasks", epilog="example: breakwater task list --json").set_defaults(
        run=list_tasks
    )
    closing = verbs.add_parser(
        "close",
        help="end a task and what is part of it: its tokens are worth nothing from then on",
        epilog="example: breakwater task close support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB",
    )
    closing.set_defaults(run=close)
    for verb in (showing, closing):
        verb.add_argument("task", metavar="TASK", help=TASK_HELP)
    telling = verbs.add_parser(
        "timeline",
        help="print a task's calls in order: what was decided, done and changed",
        epilog="example: breakwater task timeline support_refund_agent/2026-11-21 --full",
    )
    telling.add_argument("task", metavar="TASK", help="AGENT/DATE, or the task's own name")
    telling.add_argument("--full", action="store_true", help="with everything that was sent and shown")
    add_dir(telling)
    telling.set_defaults(run=timeline)


def _add_open(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    opening = verbs.add_parser(
        "open",
        help="open a task for an agent; print its token once",
        epilog=OPEN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    opening.add_argument("--agent", required=True, metavar="AGENT", help="whose task it is")
    opening.add_argument("--cap", action="append", default=[], metavar="CAP", help="what it may take, once each")
    opening.add_argument("--ttl", metavar="TIME", help="for how long it is open: 15m, 1h; the default is `tasks.ttl`")
    opening.add_argument("--record", metavar="LINK", help="what it is about: stripe:ch_…, ticket:…")
    opening.add_argument("--model", metavar="VERSION", help="which model does it, for the record of each call")
    opening.add_argument("--prompt", metavar="VERSION", help="by which version of its prompt, for the same")
    opening.add_argument("--trace", metavar="TRACE", help="the trace that it belongs to")
    opening.add_argument("--parent", metavar="TASK", help="the task that it is part of, and takes its share from")
    opening.add_argument("--for", dest="api", metavar="API", help="the API whose SDK asks for a form of its own")
    opening.add_argument("--caveat", action="append", default=[], metavar="CAVEAT", help="what its token may do: m=GET")
    opening.set_defaults(run=open_task)


def open_task(args: argparse.Namespace) -> int:
    """
    Open a task and print its token.
    """
    configuration = load(args.config)
    wanted = {name: getattr(args, name) for name in ("agent", "ttl", "parent", *LABELS)}
    body = {name: value for name, value in wanted.items() if value is not None}
    body |= {"caps": caps_of(args.cap), "caveats": args.caveat} | ({"for": args.api} if args.api else {})
    # What is wrong with it is said before anything is opened.
    order = read_order(TaskOrder, body)

    async def work(tasks: Tasks) -> dict[str, object]:
        return said_opened(tasks, await tasks.open(order))

    opened = asked(configuration, "POST", "/v1/tasks", body, work, makes=True)
    if args.json:
        data(opened)
    else:
        _print_lines({name: opened[name] for name in ("task", "expires", "token")})
    return 0


def show(args: argparse.Namespace) -> int:
    """
    Print a task.
    """

    async def work(tasks: Tasks) -> dict[str, object]:
        return said_shown(tasks, *await tasks.shown(args.task))

    task = asked(load(args.config), "GET", path_of(args.task), None, work)
    if args.json:
        data(task)
        return 0
    _print_lines({name: task[name] for name in LINES if name in task})
    _print_lines({"caps": caps_in_words(task["caps"]), "above": ", ".join(task.get("above", ()))})
    if task["taken"]:
        print()
        table(TAKEN, [[one[name] if one[name] is not None else "-" for name in TAKEN] for one in task["taken"]])
    return 0


def list_tasks(args: argparse.Namespace) -> int:
    """
    Print the open tasks.
    """
    configuration = load(args.config)

    async def work(tasks: Tasks) -> list[dict[str, object]]:
        return [said(tasks, task) for task in await tasks.listed()]

    started = has_started(configuration.settings.state)
    tasks = asked(configuration, "GET", "/v1/tasks", None, work) if started else []
    if args.json:
        data(tasks)
    else:
        rows = [[one["task"], one["expires"], one.get("record", ""), caps_in_words(one["caps"])] for one in tasks]
        table(("task", "expires", "record", "caps"), rows)
    return 0


def close(args: argparse.Namespace) -> int:
    """
    Close a task.
    """

    async def work(tasks: Tasks) -> dict[str, object]:
        return said(tasks, await tasks.close(args.task))

    task = asked(load(args.config), "POST", f"{path_of(args.task)}/close", {}, work)
    if args.json:
        data(task)
    else:
        print(f"{shown(task['task'])} is over: {task['state']}")
    return 0


def path_of(task: str) -> str:
    """
    Return where the admin door has a task. Raise `StartRefused` for what is no id of one.
    """
    if not re.fullmatch(r"[a-z0-9_-]{1,63}/[0-9A-Za-z]{26}", task):
        raise StartRefused(
            f"'{task[:100]}' is no id of an opened task", "it is AGENT/ID; `breakwater task list` prints them"
        )
    return f"/v1/tasks/{task}"


def caps_of(written: list[str]) -> dict[str, object]:
    """
    Return caps as a card has them, of those that people type: `moved=50USD`. Raise `StartRefused` for what is none.
    """
    sums: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for text in written:
        found = _CAP.fullmatch(text)
        if found is None or (found[4] or "") in counts:
            hint = "write `--cap moved=50USD`, `paid=0.02USD`, `calls=6` or `writes=2`, each once"
            raise StartRefused(f"'{text[:80]}' is no cap, or stands there twice", hint)
        if found[4] is None:
            sums.setdefault(found[1], []).append(f"{found[2]} {found[3]}")
        else:
            counts[found[4]] = int(found[5])
    return {**sums, **counts}


def caps_in_words(caps: dict[str, Any]) -> str:
    """
    Return caps on one line.
    """
    sums = [f"{name} {' and '.join(caps[name])}" for name in ("moved", "paid") if name in caps]
    counts = [f"{name} {caps[name]}" for name in ("calls", "writes") if name in caps]
    return ", ".join([*sums, *counts]) or "only the card's"


def _print_lines(said_of_it: dict[str, Any]) -> None:
    # As wide as the longest name of a line, so that those printed one after the other stand in one column.
    for name, value in said_of_it.items():
        if value:
            print(f"{name:8} {shown(str(value))}")


def timeline(args: argparse.Namespace) -> int:
    """
    Print what happened under a task, call by call.
    """
    state = state_of(args)
    if args.dir is None and is_shared(args.config):
        running = find_running(state)
        if running is not None:
            return _timeline_of_all(args, running)
        say_alone(args.config)
    with looking_into(state) as record:
        told = calls(record.index.find(Wanted(task=args.task)))
        if not told:
            raise StartRefused(f"no record names the task '{args.task}'", _others(record.index, args.task))
        header = _heading(args.task, sum(one.call is not None for one in told))
        print_calls(header, told, record.payloads, as_data=args.json, full=args.full)
    return 0


def _timeline_of_all(args: argparse.Namespace, running: Running) -> int:
    """
    Print what all processes have on record of a task, in one order.
    """
    wish = {"task": args.task, "full": int(args.full), "as": "json" if args.json else "lines"}
    found = looked(running, f"/v1/timeline?{urlencode(wish)}", within_s=TOLD_S)
    told = found["told"]
    if not told:
        raise StartRefused(f"no record names the task '{args.task}'", _near(found["tasks"], args.task))
    if args.json:
        data([one["said"] for one in told])
        return 0
    print(shown(_heading(args.task, sum(one["call"] is not None for one in told))))
    for one in told:
        print("\n" + "\n".join(shown(line) for line in one["lines"]))
    return 0


def _heading(task: str, count: int) -> str:
    return f"task {task}: {count} call{'' if count == 1 else 's'}"


def _others(index: Index, task: str) -> str:
    return _near(index.tasks(COMPARED_MAX), task)


def _near(tasks: list[str], task: str) -> str:
    if not tasks:
        return "no agent has made a call yet"
    near = did_you_mean(task, tasks)
    return near if near.startswith("did you") else f"the newest are {listed(tasks[:NEWEST_OFFERED])}"
