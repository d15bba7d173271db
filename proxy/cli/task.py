"""`breakwater task`: what an agent saw and did under one task."""

from __future__ import annotations

import argparse

from config.faults import did_you_mean, listed
from proxy.cli.lookup import add_dir, looking_into, print_calls, state_of
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused
from proxy.ledger.index import Index, Wanted
from proxy.ledger.timeline import calls

EPILOG = """\
examples:
  breakwater task timeline support_refund_agent/2026-11-21
  breakwater task timeline support_refund_agent/2026-11-21 --full

A call that names no task belongs to its agent's task of the day, AGENT/DATE.
"""

COMPARED_MAX = 1_000
"""Tasks that a misspelled name is compared with, newest first: whoever asks asks about what happened lately."""

NEWEST_OFFERED = 3


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command and its verbs.
    """
    verbs = add_noun(commands, "task", "timeline TASK: what an agent saw and did", EPILOG)
    telling = verbs.add_parser(
        "timeline",
        help="print a task's calls in order: what was decided, done and changed",
        epilog="example: breakwater task timeline support_refund_agent/2026-11-21 --full",
    )
    telling.add_argument("task", metavar="TASK", help="AGENT/DATE, or the task's own name")
    telling.add_argument("--full", action="store_true", help="with everything that was sent and shown")
    add_dir(telling)
    telling.set_defaults(run=timeline)


def timeline(args: argparse.Namespace) -> int:
    """
    Print what happened under a task, call by call.
    """
    with looking_into(state_of(args)) as record:
        told = calls(record.index.find(Wanted(task=args.task)))
        if not told:
            raise StartRefused(f"no record names the task '{args.task}'", _others(record.index, args.task))
        count = sum(one.call is not None for one in told)
        header = f"task {args.task}: {count} call{'' if count == 1 else 's'}"
        print_calls(header, told, record.payloads, as_data=args.json, full=args.full)
    return 0


def _others(index: Index, task: str) -> str:
    tasks = index.tasks(COMPARED_MAX)
    if not tasks:
        return "no agent has made a call yet"
    near = did_you_mean(task, tasks)
    return near if near.startswith("did you") else f"the newest are {listed(tasks[:NEWEST_OFFERED])}"
