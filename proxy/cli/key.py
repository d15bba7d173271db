"""`breakwater key`: mint, list and revoke agents' keys, through the running process or on the folder itself."""

from __future__ import annotations

import argparse

from config.load import load
from proxy.cli.client import find_running, has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data, table
from proxy.cli.usage import add_noun
from proxy.clock import system_randomness
from proxy.errors import StartRefused
from proxy.keys import AgentKey, Keys, make_key
from proxy.ledger.book import Ledger

EPILOG = """\
examples:
  breakwater key mint support_refund_agent
  breakwater key list
  breakwater key revoke 3k5jq2xw

The key is printed once and stored only as a hash. Give it to the agent where
its SDK wants an API key.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    minting = verbs.add_parser(
        "mint",
        help="make a key for an agent and print it once",
        epilog="example: breakwater key mint support_refund_agent",
    )
    minting.add_argument("agent", metavar="AGENT")
    minting.set_defaults(run=mint)
    listing = verbs.add_parser(
        "list", help="print every key's id, agent and state", epilog="example: breakwater key list"
    )
    listing.set_defaults(run=list_keys)
    revoking = verbs.add_parser(
        "revoke", help="make a key invalid at once", epilog="example: breakwater key revoke 3k5jq2xw"
    )
    revoking.add_argument("kid", metavar="KID")
    revoking.set_defaults(run=revoke)


def mint(args: argparse.Namespace) -> int:
    """
    Make a key and print it.
    """
    configuration = load(args.config)
    if args.agent not in configuration.agents:
        names = ", ".join(sorted(configuration.agents)) or "none"
        raise StartRefused(f"no agent '{args.agent}' has a card", f"agents in the configuration: {names}")
    running = find_running(configuration.settings.state)
    if running is not None:
        made = running.insist("POST", "/v1/keys", {"agent": args.agent})
    else:
        made = on_folder(configuration, lambda ledger, _: _mint_into(ledger, args.agent))
    if args.json:
        data(made)
    else:
        print(made["key"])
    return 0


def list_keys(args: argparse.Namespace) -> int:
    """
    Print every key.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is not None:
        rows = running.insist("GET", "/v1/keys")
    else:
        rows = on_folder(configuration, _list_of) if has_started(configuration.settings.state) else []
    if args.json:
        data(rows)
    else:
        table(["kid", "agent", "state"], [[r["kid"], r["agent"], "revoked" if r["revoked"] else "valid"] for r in rows])
    return 0


def revoke(args: argparse.Namespace) -> int:
    """
    Revoke a key.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is not None:
        gone = running.insist("DELETE", f"/v1/keys/{args.kid}")
    elif has_started(configuration.settings.state):
        gone = on_folder(configuration, lambda ledger, keys: _revoke_in(ledger, keys, args.kid))
    else:
        raise _unknown_key(args.kid)
    if args.json:
        data(gone)
    else:
        print(f"revoked {gone['kid']} of {gone['agent']}")
    return 0


def _unknown_key(kid: str) -> StartRefused:
    return StartRefused(f"no key has the id '{kid}'", "`breakwater key list` prints the ids")


async def _mint_into(ledger: Ledger, agent: str) -> dict[str, str]:
    key, text = make_key(agent, system_randomness)
    await ledger.access.key_minted(key.agent, key.kid, key.digest)
    return {"agent": key.agent, "kid": key.kid, "key": text}


async def _list_of(_: Ledger, keys: Keys) -> list[dict[str, object]]:
    return [{"kid": key.kid, "agent": key.agent, "revoked": key.revoked} for key in keys.all()]


async def _revoke_in(ledger: Ledger, keys: Keys, kid: str) -> dict[str, object]:
    found: AgentKey | None = next((key for key in keys.all() if key.kid == kid), None)
    if found is None:
        raise _unknown_key(kid)
    if not found.revoked:
        await ledger.access.key_revoked(kid)
    return {"kid": kid, "agent": found.agent, "revoked": True}
