"""`breakwater catalog`: list the bundled catalogues, show one, import a vendor's description of its API."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.catalog import OperationSpec
from config.faults import CatalogFault
from config.importing import import_document
from config.routes import Catalog
from config.table_file import write_table
from config.tables import BUNDLED, load_catalog
from proxy.cli.say import data, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater catalog list
  breakwater catalog show stripe 'refunds.*'
  breakwater catalog import openapi.json --name pets -o pets.table.json

A table goes beside the configuration, with an overlay NAME.overlay.yaml where
a person knows more than the description says; `catalog: pets.table.json` in
the configuration then names it. docs/CATALOGUES.md describes both files.
"""

STDIN = "-"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command and its verbs.
    """
    verbs = add_noun(commands, "catalog", "list, show CATALOG, import FILE", EPILOG)
    listing = verbs.add_parser("list", help="print the bundled catalogues", epilog="example: breakwater catalog list")
    listing.set_defaults(run=list_catalogs)
    showing = verbs.add_parser(
        "show", help="print a catalogue's operations", epilog="example: breakwater catalog show stripe 'refunds.*'"
    )
    showing.add_argument("catalog", metavar="CATALOG", help="a bundled catalogue, or the path of a table")
    showing.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default="*", help="only these operations; * is any text"
    )
    showing.set_defaults(run=show)
    importing = verbs.add_parser(
        "import",
        help="turn an OpenAPI 3 document or a list of operations into a table",
        epilog="example: breakwater catalog import openapi.json --name pets -o pets.table.json",
    )
    importing.add_argument("file", metavar="FILE", help="the document in JSON, or - for standard input")
    importing.add_argument("--name", metavar="NAME", help="the table's name (default: from the document's title)")
    importing.add_argument(
        "-o", dest="out", type=Path, metavar="OUT", help="where to write it (default: standard output)"
    )
    importing.set_defaults(run=run)


def list_catalogs(args: argparse.Namespace) -> int:
    """
    Print the bundled catalogues and how many operations each has.
    """
    catalogs = [_loaded(name) for name in BUNDLED]
    if args.json:
        rows = [{"name": c.name, "title": c.dialect.title, "operations": len(c.operations)} for c in catalogs]
        data([row | {"digest": c.digest} for row, c in zip(rows, catalogs, strict=True)])
    else:
        table(["name", "title", "operations"], [[c.name, c.dialect.title, len(c.operations)] for c in catalogs])
    return 0


def show(args: argparse.Namespace) -> int:
    """
    Print a catalogue's operations, all or those that a pattern matches.
    """
    catalog = _loaded(args.catalog)
    found = catalog.matching(args.pattern)
    if not found:
        near = ", ".join(catalog.nearest(args.pattern))
        raise StartRefused(
            f"no operation of {catalog.name} matches `{args.pattern}`", f"nearest: {near}" if near else ""
        )
    if args.json:
        data([_described(spec) for spec in found])
    else:
        table(["operation", "effect", "method", "path"], [[s.name, s.effect, s.method, s.path] for s in found])
    return 0


def run(args: argparse.Namespace) -> int:
    """
    Import a document; write the table only once it is whole.
    """
    try:
        text = write_table(import_document(_read(args.file), args.name))
    except CatalogFault as fault:
        shown = "standard input" if args.file == STDIN else args.file
        raise StartRefused(f"{shown}: {fault.message}", fault.hint) from None
    if args.out is None:
        sys.stdout.write(text)
        return 0
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as failed:
        raise StartRefused(f"{args.out} cannot be written: {failed.strerror}") from None
    return 0


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as failed:
        raise CatalogFault(f"cannot be read: {failed.strerror}", "check the path and its permissions") from None


def _loaded(name: str) -> Catalog:
    try:
        return load_catalog(name, Path.cwd())
    except CatalogFault as fault:
        raise StartRefused(fault.message, fault.hint) from None


def _described(spec: OperationSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "method": spec.method,
        "path": spec.path,
        "base": spec.base,
        "effect": spec.effect,
        "reversibility": spec.reversibility,
        "honours_key": spec.honours_key,
        "amount": spec.amount.argument if spec.amount else None,
        "currency": spec.amount.currency if spec.amount else None,
        "subjects": [{"by": subject.by, "operation": subject.operation} for subject in spec.subjects],
        "content": dict(spec.contents),
        "arguments": {f"{place}.{name}": held.kind for (place, name), held in spec.arguments.items()},
        "never_store": list(spec.never_store),
        "note": spec.note,
    }
