"""How every command introduces itself: its own help ends in examples. Its line in the list stands in the table."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Run = Callable[[argparse.Namespace], int]


def add_command(parser: argparse.ArgumentParser, epilog: str, run: Run) -> None:
    """
    Make it a command that does one thing.
    """
    parser.epilog = epilog
    parser.set_defaults(run=run)


def add_noun(parser: argparse.ArgumentParser, epilog: str) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """
    Make it a command that has verbs, and return what takes them.
    """
    parser.epilog = epilog
    return parser.add_subparsers(metavar="VERB", required=True)
