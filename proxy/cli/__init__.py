"""The program `breakwater`: finds the command, runs it, turns a refusal into `error:` and `hint:`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from config.faults import ConfigurationFault
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


class Listed(NamedTuple):
    """
    A command in the list: the module that is loaded when it is called, its one line of help, and `alone`, the module
    that does its work where nothing runs, if that takes more than asking does.
    """

    module: str
    summary: str
    alone: str | None = None


COMMANDS: Mapping[str, Listed] = MappingProxyType(
    {
        "serve": Listed("proxy.cli.serve", "run"),
        "check": Listed("proxy.cli.check", "validate the configuration"),
        "reload": Listed("proxy.cli.reload", "apply a changed configuration, or say why not"),
        "restart": Listed("proxy.cli.restart", "replace the workers of a running parent, one after the other"),
        "schema": Listed("proxy.cli.schema", "print the configuration's JSON Schema"),
        "status": Listed("proxy.cli.status", "doors, store, ledger, kill switch, breakers, in flight, in doubt"),
        "kill": Listed("proxy.cli.kill", "stop a scope, and see that it stopped", "proxy.cli.stopping"),
        "resume": Listed("proxy.cli.resume", "lift a stop"),
        "healthcheck": Listed("proxy.cli.healthcheck", "exit 0 when the process is ready (for containers)"),
        "key": Listed("proxy.cli.key", "mint AGENT, list, revoke KID"),
        "operator": Listed("proxy.cli.operator", "mint NAME, list, revoke ID: operators' personal tokens"),
        "vault": Listed("proxy.cli.vault", "put NAME, list, rotate NAME, remove NAME: sealed credentials"),
        "doubt": Listed("proxy.cli.doubt", "list, probe INTENT, resolve INTENT: writes in doubt"),
        "breakers": Listed(
            "proxy.cli.breakers", "list, show, force, release: what keeps calls back while an API fails"
        ),
        "suggestions": Listed("proxy.cli.suggestions", "list, show, approve, edit, reject: parked writes"),
        "ledger": Listed("proxy.cli.ledger", "verify, show CALL, history OBJECT, find, tail"),
        "task": Listed("proxy.cli.task", "open, show, list, close, timeline: a unit of an agent's work"),
        "token": Listed("proxy.cli.token", "mint TASK, narrow, inspect, revoke: task tokens"),
        "spend": Listed("proxy.cli.spend", "what was taken of every cap, by task, agent, team and API"),
        "rollout": Listed("proxy.cli.rollout", "what each tier would have done with an agent's recorded past"),
        "reviews": Listed("proxy.cli.reviews", "list, show CALL, mark CALL: writes to look at afterwards"),
        "drift": Listed("proxy.cli.drift", "list, reset AGENT: agents whose calls are not what they were"),
        "fleet": Listed("proxy.cli.fleet", "list, forget ID REASON: the replicas that share a store"),
        "catalog": Listed("proxy.cli.catalog", "list, show CATALOG, import FILE"),
        "test": Listed("proxy.cli.rehearse", "policy tests: calls with the verdict that they should have"),
        "completion": Listed("proxy.cli.completion", "bash, zsh, fish: a script that completes commands"),
    }
)
"""Every command, in the order of the list. Whoever stops writes at night does not wait for what only `serve` needs."""


class Parser(argparse.ArgumentParser):
    """
    A parser, and those of its commands, that says what is wrong as every other part of the program does.

    What a command takes is asked of its module when somebody asks the command, and not before.
    """

    fill: Callable[[], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """
        Learn what the command takes, and parse.
        """
        self.learn()
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        """
        Learn what the command takes, and describe it.
        """
        self.learn()
        return super().format_help()

    def learn(self) -> None:
        """
        Load the command's module, once.
        """
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill()

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
    _add_options(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, listed in COMMANDS.items():
        command = commands.add_parser(name, help=listed.summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        command.fill = partial(_fill, command, listed)
    return parser


def _fill(command: Parser, listed: Listed) -> None:
    """
    Ask a command's module what it takes; the global options stand after it as well as before.
    """
    import_module(listed.module).add(command)
    _add_everywhere(command)
    if listed.alone is not None:
        command.set_defaults(alone=partial(_alone, listed.alone))


def _alone(module: str, args: argparse.Namespace) -> int:
    return int(import_module(module).run(args))


def _add_everywhere(parser: argparse.ArgumentParser) -> None:
    """
    Take the global options before and after every verb.
    """
    _add_options(parser)
    for action in parser._actions:  # noqa: SLF001 argparse has no public way to walk its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for nested in set(action.choices.values()):
                _add_everywhere(nested)


def _add_options(parser: argparse.ArgumentParser) -> None:
    quiet = argparse.SUPPRESS
    parser.add_argument("--config", type=Path, default=quiet, metavar="FILE", help="a file, or a folder of them")
    parser.add_argument("--json", action="store_true", default=quiet, help="print data as JSON")
    # What looks for records of a task's token has an option of that name, and asks nobody.
    if "--token" not in parser._option_string_actions:  # noqa: SLF001 nor to ask for its options
        whose = "an operator's own token, in a file"
        parser.add_argument("--token", type=Path, dest="personal", default=quiet, metavar="FILE", help=whose)


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
