"""`breakwater vault`: seal, list, rotate and remove real credentials, through the running process or on the folder."""

from __future__ import annotations

import argparse
import getpass
import sys
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from config.load import Configuration, load
from proxy.app import open_credentials, used_by
from proxy.cli.client import find_running, has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data, table
from proxy.cli.usage import add_noun
from proxy.control.vault import said
from proxy.credentials import Credentials, admit_name
from proxy.errors import StartRefused
from proxy.secret import CREDENTIAL_BYTES_MAX, Secret, admit_secret, read_secret_file

EPILOG = """\
examples:
  breakwater vault put stripe < key.txt
  breakwater vault put jira
  breakwater vault rotate stripe --file key.txt
  breakwater vault rotate stripe --to 2
  breakwater vault list
  breakwater vault remove stripe --version 2

The configuration names what is sealed: credential: {vault: stripe}. A secret
is read from standard input, a prompt without an echo or a file, never from the
command line, and no command prints it. A running process takes a new version
at once; calls under way end with the one that they began with. The two versions
before the current one stay sealed, as the way back that `--to` takes.
"""

T = TypeVar("T")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    putting = verbs.add_parser(
        "put", help="seal a credential under a new name", epilog="example: breakwater vault put stripe < key.txt"
    )
    putting.set_defaults(run=put)
    listing = verbs.add_parser(
        "list", help="print names, versions and who uses them", epilog="example: breakwater vault list"
    )
    listing.set_defaults(run=list_versions)
    rotating = verbs.add_parser(
        "rotate", help="seal a new version, which the next call takes", epilog="example: breakwater vault rotate stripe"
    )
    rotating.add_argument("--to", type=int, metavar="N", help="what version N holds, instead of a new secret")
    rotating.set_defaults(run=rotate)
    removing = verbs.add_parser(
        "remove", help="destroy a name, or one former version", epilog="example: breakwater vault remove stripe"
    )
    removing.add_argument("--version", type=int, metavar="N", help="only this one, not the whole name")
    removing.set_defaults(run=remove)
    for verb in (putting, rotating, removing):
        verb.add_argument("name", metavar="NAME")
    for verb in (putting, rotating):
        verb.add_argument("--file", type=Path, metavar="PATH", help="read the secret from a file")


def put(args: argparse.Namespace) -> int:
    """
    Seal the first version of a name.
    """
    configuration, name = load(args.config), admit_name(args.name)
    secret = _read_secret(name, args.file)
    running = find_running(configuration.settings.state)
    if running is not None:
        made = running.insist("POST", f"/v1/vault/{name}", {"secret": secret.reveal()})
    else:
        made = said(_on_vault(configuration, lambda credentials: credentials.put(name, secret)))
    return _tell(args, made, f"sealed '{name}', version {made['version']}")


def list_versions(args: argparse.Namespace) -> int:
    """
    Print what the vault holds, and what it should hold and does not.
    """
    configuration = load(args.config)
    running = find_running(configuration.settings.state)
    if running is not None:
        rows = running.insist("GET", "/v1/vault")
    elif has_started(configuration.settings.state):
        rows = _on_vault(configuration, lambda credentials: credentials.listed())
    else:
        rows = [
            {"name": name, "version": None, "state": "missing", "at": None, "apis": list(apis)}
            for name, apis in sorted(used_by(configuration).items())
        ]
    if args.json:
        data(rows)
    else:
        shown = [
            [row["name"], row["version"] or "", row["state"], row["at"] or "", ", ".join(row["apis"])] for row in rows
        ]
        table(["name", "version", "state", "sealed", "used by"], shown)
    return 0


def rotate(args: argparse.Namespace) -> int:
    """
    Seal a new version of a name: a new secret, or what a former version holds.
    """
    configuration, name = load(args.config), admit_name(args.name)
    if args.to is not None and args.file is not None:
        raise StartRefused("--to and --file are two answers to one question", "give one of them")
    secret = None if args.to is not None else _read_secret(name, args.file)
    running = find_running(configuration.settings.state)
    if running is not None:
        body = {"to": args.to} if secret is None else {"secret": secret.reveal()}
        made = running.insist("POST", f"/v1/vault/{name}/versions", body)
    else:
        made = said(
            _on_vault(
                configuration,
                lambda held: held.go_back(name, args.to) if secret is None else held.rotate(name, secret),
            )
        )
    return _tell(args, made, f"rotated '{name}', version {made['version']} is current")


def remove(args: argparse.Namespace) -> int:
    """
    Destroy a name, or one former version of it.
    """
    configuration, name, number = load(args.config), admit_name(args.name), args.version
    if number is not None and number < 1:
        raise StartRefused("a version is a number from 1", "`breakwater vault list` prints what there is")
    running = find_running(configuration.settings.state)
    if running is not None:
        path = f"/v1/vault/{name}" if number is None else f"/v1/vault/{name}/versions/{number}"
        gone = running.insist("DELETE", path)
    elif has_started(configuration.settings.state):
        gone = [said(v) for v in _on_vault(configuration, lambda credentials: credentials.remove(name, number))]
    else:
        raise StartRefused(f"the vault holds no '{name}'", "`breakwater vault list` prints what it holds")
    versions = ", ".join(str(version["version"]) for version in gone)
    return _tell(args, gone, f"removed '{name}', {'version' if len(gone) == 1 else 'versions'} {versions}")


def _tell(args: argparse.Namespace, value: Any, sentence: str) -> int:
    if args.json:
        data(value)
    else:
        print(sentence)
    return 0


def _on_vault(configuration: Configuration, work: Callable[[Credentials], Awaitable[T]]) -> T:
    async def settled(credentials: Credentials) -> T:
        await credentials.settle()
        return await work(credentials)

    return on_folder(configuration, lambda ledger, _: settled(open_credentials(configuration, ledger)))


def _read_secret(name: str, file: Path | None) -> Secret:
    """
    Return what a person gave as a secret: a file's content, else standard input's, else what was typed unseen.
    """
    whose, hint = f"the secret of '{name}'", "pipe it in, type it at the prompt, or name a file with --file"
    if file is not None:
        return admit_secret(read_secret_file(file, whose), whose, f"file {file}", hint)
    if sys.stdin.isatty():
        return admit_secret(_typed(whose), whose, "the prompt", hint)
    try:
        return admit_secret(sys.stdin.read(CREDENTIAL_BYTES_MAX + 2), whose, "standard input", hint)
    except UnicodeDecodeError:
        raise StartRefused(f"{whose} is not text: standard input", hint) from None


def _typed(whose: str) -> str:
    try:
        with warnings.catch_warnings():
            # It would go on and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{whose}: ")
    except getpass.GetPassWarning:
        raise StartRefused(
            "this terminal would show what is typed", "pipe the secret in, or name a file with --file"
        ) from None
    except EOFError:
        return ""
