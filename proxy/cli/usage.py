"""How every command introduces itself: one line in the list, its own help ending in examples."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, epilog: str, run: Run
) -> argparse.ArgumentParser:
    """
    Add a command that does one thing.
    """
    parser = _parser(commands, name, summary, epilog)
    parser.set_defaults(run=run)
    return parser


def add_noun(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, epilog: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """
    Add a command that has verbs, and return what takes them.
    """
    return _parser(commands, name, summary, epilog).add_subparsers(metavar="VERB", required=True)


def _parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=summary, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
