"""`breakwater breakers`: how breakers stand, and an operator's word for one: list, show, force, release."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any
from urllib.parse import quote

from breakers.breaker import Breaker, State
from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from config.load import Configuration, load
from proxy.cli.client import Running, find_running, has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data, shown, table
from proxy.cli.usage import add_noun
from proxy.clock import SystemClock
from proxy.control.breakers import STATES, said
from proxy.errors import StartRefused
from proxy.ledger.book import Ledger

EPILOG = """\
examples:
  breakwater breakers list
  breakwater breakers show api:stripe/write
  breakwater breakers force api:stripe/write suggest-only --ttl 2h --reason "their status page"
  breakwater breakers force api:stripe/read passing --ttl 15m --reason "INC-4711, we watch it"
  breakwater breakers release api:stripe/write --reason "they say that it is over"

A breaker keeps writes back (suggest_only) or everything (blocked) while its API
fails, tries by itself whether that is over (probing), and lets more pass step by
step (ramping). KEY is api:API/CLASS, agent:AGENT/API/CLASS, credential:API or
task:ID; CLASS is read, write or irreversible. What is forced ends by itself:
after a day, or an hour where all is to pass.
"""

COLUMNS = ("breaker", "state", "since", "until", "why")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list",
        help="print the breakers that do not pass",
        epilog="example: breakwater breakers list --all",
    )
    listing.add_argument("--all", action="store_true", help="those that pass again, too")
    listing.set_defaults(run=list_breakers)
    showing = verbs.add_parser(
        "show", help="print all of one", epilog="example: breakwater breakers show api:stripe/write"
    )
    showing.set_defaults(run=show)
    forcing = verbs.add_parser(
        "force",
        help="put one into a state for a time, whatever it sees (role resume; passing: break-glass)",
        epilog="example: breakwater breakers force api:stripe/read blocked --reason OPS-7",
    )
    forcing.set_defaults(run=force)
    releasing = verbs.add_parser(
        "release",
        help="let one go on: a forced one to what it was, a tripped one to the ramp (role resume)",
        epilog="example: breakwater breakers release api:stripe/write --reason OPS-7",
    )
    releasing.set_defaults(run=release)
    for verb in (showing, forcing, releasing):
        verb.add_argument("key", metavar="KEY", help="which: api:stripe/write")
    forcing.add_argument("to", choices=tuple(STATES), help="what traffic does")
    forcing.add_argument("--ttl", metavar="TIME", help="for how long: 15m, 2h")
    for verb in (forcing, releasing):
        verb.add_argument("--reason", required=True, metavar="WORDS", help="why; it is on record")


def list_breakers(args: argparse.Namespace) -> int:
    """
    Print the breakers.
    """
    rows = [one for one in _all(load(args.config)) if args.all or one["state"] != State.PASSING]
    if args.json:
        data(rows)
    elif rows:
        table(COLUMNS, [["-" if one[name] is None else one[name] for name in COLUMNS] for one in rows])
    else:
        print("every breaker passes")
    return 0


def show(args: argparse.Namespace) -> int:
    """
    Print one breaker.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is not None:
        one = running.insist("GET", _path(args.key))
    else:
        one = next((one for one in _all(configuration) if one["breaker"] == args.key), said(Breaker(args.key)))
    _print(args, one)
    return 0


def force(args: argparse.Namespace) -> int:
    """
    Force one breaker.
    """
    order = {"to": args.to, "reason": args.reason} | ({"ttl": args.ttl} if args.ttl else {})
    _print(args, _running(load(args.config)).insist("POST", f"{_path(args.key)}/force", order))
    return 0


def release(args: argparse.Namespace) -> int:
    """
    Release one breaker.
    """
    _print(args, _running(load(args.config)).insist("POST", f"{_path(args.key)}/release", {"reason": args.reason}))
    return 0


def _running(configuration: Configuration) -> Running:
    running = find_running(configuration.settings.state)
    if running is None:
        hint = "`breakwater serve` starts one; `breakwater breakers list` prints what is on record"
        raise StartRefused("no Breakwater is running on this state folder", hint)
    return running


def _all(configuration: Configuration) -> list[dict[str, Any]]:
    running = find_running(configuration.settings.state)
    if running is not None:
        found: list[dict[str, Any]] = running.insist("GET", "/v1/breakers")
        return found
    if configuration.settings.store != "memory":
        raise StartRefused(
            "no Breakwater is running on this state folder", "its breakers are in Redis; ask a process that runs"
        )
    if not has_started(configuration.settings.state):
        return []
    return on_folder(configuration, lambda ledger, _: _on_record(configuration, ledger))


async def _on_record(configuration: Configuration, ledger: Ledger) -> list[dict[str, Any]]:
    store = MemoryStore(SystemClock().now, Retention.of(configuration.settings.idempotency))
    await store.start(await asyncio.to_thread(ledger.events))
    return [said(one) for one in await store.breakers()]


def _path(key: str) -> str:
    return f"/v1/breakers/{quote(key, safe='')}"


def _print(args: argparse.Namespace, one: dict[str, Any]) -> None:
    if args.json:
        data(one)
        return
    for name, value in one.items():
        if value not in (None, "", 0):
            print(f"{name.replace('_', ' '):14} {shown(str(value))}")
