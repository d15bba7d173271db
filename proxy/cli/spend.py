"""`breakwater spend`: what was taken of every cap, and what is held by writes that have not ended."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any
from urllib.parse import quote

from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from config.load import Configuration, load
from proxy.cli.client import find_running, has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data, table
from proxy.cli.usage import add_command
from proxy.clock import SystemClock
from proxy.control.spend import row
from proxy.errors import StartRefused
from proxy.ledger.book import Ledger

EPILOG = """\
examples:
  breakwater spend
  breakwater spend --agent support_refund_agent
  breakwater spend --task support_refund_agent/2026-11-21
  breakwater spend --json

SETTLED was taken. HELD may be: by calls under way, and by writes of which nobody
knows yet how they ended. Both count against the cap. A cap shows here once
something was taken of it.
"""

KINDS = ("task", "agent", "team", "api", "token")

COLUMNS = ("node", "period", "measure", "cap", "settled", "held", "left", "resets_at")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    one = parser.add_mutually_exclusive_group()
    for kind in KINDS:
        one.add_argument(f"--{kind}", metavar="NAME", help=f"only this {kind if kind != 'api' else 'API'}'s")


def run(args: argparse.Namespace) -> int:
    """
    Print the totals, as the running process or the record says.
    """
    configuration = load(args.config)
    node = next((f"{kind}:{name}" for kind in KINDS if (name := getattr(args, kind)) is not None), "")
    running = find_running(configuration.settings.state)
    rows: list[dict[str, Any]]
    if running is not None:
        rows = running.insist("GET", f"/v1/spend?node={quote(node, safe='')}")
    elif configuration.settings.store != "memory":
        raise StartRefused(
            "no Breakwater is running on this state folder", "its totals are in Redis; ask a process that runs"
        )
    else:
        started = has_started(configuration.settings.state)
        rows = on_folder(configuration, lambda ledger, _: _on_record(configuration, ledger, node)) if started else []
    if args.json:
        data(rows)
    else:
        table(["resets at" if name == "resets_at" else name for name in COLUMNS], [_cells(one) for one in rows])
    return 0


async def _on_record(configuration: Configuration, ledger: Ledger, node: str) -> list[dict[str, Any]]:
    store = MemoryStore(SystemClock().now, Retention.of(configuration.settings.idempotency))
    await store.start(await asyncio.to_thread(ledger.events))
    return [row(total) for total in await store.totals(node)]


def _cells(one: dict[str, Any]) -> list[object]:
    return ["-" if one[name] is None else one[name] for name in COLUMNS]
