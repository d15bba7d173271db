"""Where a command looks: the state folder that it was given, else the configured one."""

from __future__ import annotations

import argparse
from pathlib import Path

from config.place import state_folder


def add_dir(parser: argparse.ArgumentParser) -> None:
    """
    Take a state folder other than the configured one.
    """
    parser.add_argument("--dir", type=Path, metavar="D", help="a state folder, instead of the configured one")


def state_of(args: argparse.Namespace) -> Path:
    """
    Return the state folder that a command was given.
    """
    return args.dir if args.dir is not None else state_folder(args.config)
