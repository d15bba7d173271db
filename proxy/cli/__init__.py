"""The program `breakwater`: finds the command, runs it, turns a refusal into `error:` and `hint:`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from config.faults import ConfigurationFault
from proxy.cli import (
    breakers,
    catalog,
    check,
    doubt,
    drift,
    healthcheck,
    key,
    kill,
    ledger,
    operator,
    rehearse,
    reload,
    resume,
    reviews,
    rollout,
    schema,
    serve,
    spend,
    status,
    suggestions,
    task,
    token,
    vault,
)
from proxy.cli.client import showing, shown_token
from proxy.cli.say import error, faults
from proxy.errors import StartRefused

DEFAULT_CONFIG = "breakwater.yaml"

DESCRIPTION = """\
Breakwater: between your agents and the APIs they can break.

Agents point their ordinary SDKs at Breakwater's doors; it holds the real
credentials, forwards what a card allows, and records every call.
"""

EPILOG = """\
examples:
  breakwater check
  breakwater serve
  breakwater key mint support_refund_agent
  breakwater ledger tail

The configuration is --config FILE, else $BREAKWATER_CONFIG, else breakwater.yaml.
Who acts is told by the operator's token in --token FILE, else by the one in
$BREAKWATER_OPERATOR_TOKEN, else by the one that lies in the state folder.
Exit codes: 0 done, 1 refused or failed, 2 usage.
"""


class Parser(argparse.ArgumentParser):
    """
    A parser, and those of its commands, that says what is wrong as every other part of the program does.
    """

    def error(self, message: str) -> NoReturn:
        """
        Print what is wrong and where help is; exit 2.
        """
        fault, separator, words = message.partition("unrecognized arguments: ")
        if separator:
            # Of what is too much only options are repeated: the rest may be a secret that was meant for standard input.
            options = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
            message = fault + separator + " ".join(options or ["more than the command takes"])
        error(message, f"`{self.prog} --help` shows how it is used")
        self.exit(2)


def build_parser() -> argparse.ArgumentParser:
    """
    Return the parser of every command.
    """
    parser = Parser(
        prog="breakwater", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(config=None, json=False, personal=None)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (
        serve,
        check,
        reload,
        schema,
        status,
        kill,
        resume,
        healthcheck,
        key,
        operator,
        vault,
        doubt,
        breakers,
        suggestions,
        ledger,
        task,
        token,
        spend,
        rollout,
        reviews,
        drift,
        catalog,
        rehearse,
    ):
        command.add(commands)
    _add_everywhere(parser)
    return parser


def _add_everywhere(parser: argparse.ArgumentParser) -> None:
    """
    Take the global options before and after every command.
    """
    quiet = argparse.SUPPRESS
    parser.add_argument("--config", type=Path, default=quiet, metavar="FILE", help="a file, or a folder of them")
    parser.add_argument("--json", action="store_true", default=quiet, help="print data as JSON")
    # What looks for records of a task's token has an option of that name, and asks nobody.
    if "--token" not in parser._option_string_actions:  # noqa: SLF001 nor to ask for its options
        whose = "an operator's own token, in a file"
        parser.add_argument("--token", type=Path, dest="personal", default=quiet, metavar="FILE", help=whose)
    for action in parser._actions:  # noqa: SLF001 argparse has no public way to walk its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for nested in set(action.choices.values()):
                _add_everywhere(nested)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the program; return its exit code.
    """
    args = build_parser().parse_args(argv)
    args.config = args.config or Path(os.environ.get("BREAKWATER_CONFIG", DEFAULT_CONFIG))
    try:
        with showing(partial(shown_token, args.personal, os.environ)):
            return int(args.run(args))
    except StartRefused as refused:
        error(refused.error, refused.hint)
    except ConfigurationFault as broken:
        faults(broken.faults)
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        error("interrupted", "")
    return 1
