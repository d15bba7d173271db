"""`breakwater operator`: mint, list and revoke personal tokens, through the running process or on the folder itself."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from config.faults import did_you_mean
from config.load import Configuration, load
from config.operators import RESERVED
from proxy.cli.client import find_running, has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data, table
from proxy.cli.usage import add_noun
from proxy.clock import system_randomness
from proxy.control.operators import minted, revoked, rows
from proxy.errors import StartRefused
from proxy.ledger.access import Access
from proxy.operators import Operators, roles_of

EPILOG = """\
examples:
  breakwater operator mint ada
  breakwater operator list
  breakwater operator revoke 3k5jq2xw
  BREAKWATER_OPERATOR_TOKEN=… breakwater suggestions list

Who an operator is, and by which roles, stands under `operators` in the
configuration. The token is printed once and stored only as a hash: give it to
that person, who shows it with --token FILE or BREAKWATER_OPERATOR_TOKEN.
"""

T = TypeVar("T")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    minting = verbs.add_parser(
        "mint", help="make a token for an operator and print it once", epilog="example: breakwater operator mint ada"
    )
    minting.add_argument("name", metavar="NAME")
    minting.set_defaults(run=mint)
    listing = verbs.add_parser(
        "list", help="print operators, their roles and their tokens", epilog="example: breakwater operator list"
    )
    listing.set_defaults(run=list_operators)
    revoking = verbs.add_parser(
        "revoke", help="make a token invalid at once", epilog="example: breakwater operator revoke 3k5jq2xw"
    )
    revoking.add_argument("id", metavar="ID")
    revoking.set_defaults(run=revoke)


def mint(args: argparse.Namespace) -> int:
    """
    Make a token and print it.
    """
    configuration, name = load(args.config), args.name
    if name not in configuration.operators:
        hint = did_you_mean(name, configuration.operators) or "write it under `operators` in the configuration first"
        raise StartRefused("there is no operator of that name", hint)
    running = find_running(configuration.settings.state)
    if running is not None:
        made = running.insist("POST", "/v1/operators", {"operator": name})
    else:
        made = _on_folder(configuration, lambda known, access: minted(known, access, name, RESERVED, system_randomness))
    if args.json:
        data(made)
    else:
        print(made["token"])
    return 0


def list_operators(args: argparse.Namespace) -> int:
    """
    Print every operator and every token.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is not None:
        found = running.insist("GET", "/v1/operators")
    elif has_started(configuration.settings.state):
        found = _on_folder(configuration, _listed)
    else:
        found = rows(Operators(roles_of(configuration)))
    if args.json:
        data(found)
    else:
        shown = [[one["operator"], ", ".join(one["roles"]) or "-", one["id"] or "-", one["state"]] for one in found]
        table(["operator", "roles", "id", "token"], shown)
    return 0


def revoke(args: argparse.Namespace) -> int:
    """
    Revoke a token.
    """
    configuration, kid = load(args.config), args.id
    running = find_running(configuration.settings.state)
    if running is not None:
        gone = running.insist("DELETE", f"/v1/operators/{kid}")
    elif has_started(configuration.settings.state):
        gone = _on_folder(configuration, lambda known, access: revoked(known, access, kid, RESERVED))
    else:
        raise StartRefused("no operator's token has that id", "`breakwater operator list` prints the ids")
    if args.json:
        data(gone)
    else:
        print(f"revoked {gone['id']} of {gone['operator']}")
    return 0


async def _listed(known: Operators, _: Access) -> list[dict[str, Any]]:
    return rows(known)


def _on_folder(configuration: Configuration, work: Callable[[Operators, Access], Awaitable[T]]) -> T:
    return on_folder(
        configuration,
        lambda ledger, _: work(Operators(roles_of(configuration), ledger.recovered.operators), ledger.access),
    )
