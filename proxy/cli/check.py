"""`breakwater check`: read the configuration, name every fault with its place and its fix, or say what it comes to."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from config.faults import ConfigurationFault
from config.load import Configuration, load
from proxy.cli.say import data, error, faults, table
from proxy.cli.usage import add_command

EPILOG = """\
examples:
  breakwater check
  breakwater --config deploy/breakwater.yaml check
  breakwater check --json

Prints every fault as FILE:LINE:COLUMN with the right spelling, and exits 1.
Credentials are not read: a machine without them can check.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Print the faults and return 1, or a summary and return 0.
    """
    try:
        configuration = load(args.config)
    except ConfigurationFault as broken:
        if args.json:
            data({"ok": False, "faults": [asdict(fault) for fault in broken.faults]})
            return 1
        faults(broken.faults)
        count = len(broken.faults)
        error(f"{count} {'fault' if count == 1 else 'faults'} in {args.config}")
        return 1
    if args.json:
        data({"ok": True, "faults": [], **summary(configuration)})
    else:
        _print(configuration)
    return 0


def summary(configuration: Configuration) -> dict[str, object]:
    """
    Return what a configuration comes to: its version, APIs, doors and agents.
    """
    settings = configuration.settings
    return {
        "version": configuration.version,
        "state": str(settings.state),
        "admin": str(settings.admin),
        "shared": str(settings.shared) if settings.shared else None,
        "apis": [
            {"name": name, "catalog": catalog.name, "operations": len(catalog.operations)}
            for name, catalog in configuration.catalogs.items()
        ],
        "doors": [
            {
                "api": api,
                "base": base,
                "address": str(address),
                "upstream": configuration.upstream(api, base),
            }
            for (api, base), address in configuration.doors().items()
        ],
        "agents": [
            {
                "name": name,
                "environment": card.environment,
                "allow": {api: len(rules) for api, rules in card.allow.items()},
                "deny": {api: len(patterns) for api, patterns in card.deny.items()},
            }
            for name, card in configuration.agents.items()
        ],
    }


def _print(configuration: Configuration) -> None:
    print(f"ok, version {configuration.version[:12]}\n")
    table(
        ["api", "base", "door", "upstream", "operations"],
        [
            [
                api,
                base,
                "a free port of 127.0.0.1" if str(address) == "127.0.0.1:0" else address,
                configuration.upstream(api, base),
                sum(spec.base == base for spec in configuration.catalogs[api].operations.values()),
            ]
            for (api, base), address in configuration.doors().items()
        ],
    )
    print()
    table(
        ["agent", "environment", "allow", "deny"],
        [
            [
                name,
                card.environment,
                sum(len(rules) for rules in card.allow.values()),
                sum(len(patterns) for patterns in card.deny.values()),
            ]
            for name, card in configuration.agents.items()
        ],
    )
