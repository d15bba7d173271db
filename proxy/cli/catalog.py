"""`breakwater catalog`: list the bundled catalogues, show one, import a vendor's description of its API."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.catalog import OperationSpec
from config.faults import CatalogFault
from config.importing import import_document
from config.routes import Catalog
from config.table_file import write_table
from config.tables import BUNDLED, load_catalog
from proxy.cli.curated import CURATED, GENERATED, described, known, said
from proxy.cli.say import columns, data, shown, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused

EPILOG = """\
examples:
  breakwater catalog list
  breakwater catalog show stripe 'refunds.*'
  breakwater catalog import openapi.yaml --name pets -o pets.table.json

A table goes beside the configuration, with an overlay NAME.overlay.yaml where
a person knows more than the description says; `catalog: pets.table.json` in
the configuration then names it. docs/CATALOGUES.md describes both files.
"""

STDIN = "-"

# The longest label below an operation is `reversibility`.
LABEL_WIDTH = 13


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
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
        help="turn an OpenAPI 3 or Swagger 2.0 document, or a list of operations, into a table",
        epilog="example: breakwater catalog import openapi.yaml --name pets -o pets.table.json",
    )
    importing.add_argument("file", metavar="FILE", help="the document, JSON or YAML, or - for standard input")
    importing.add_argument("--name", metavar="NAME", help="the table's name (default: from the document's title)")
    importing.add_argument(
        "-o", dest="out", type=Path, metavar="OUT", help="where to write it (default: standard output)"
    )
    importing.set_defaults(run=run)


def list_catalogs(args: argparse.Namespace) -> int:
    """
    Print the bundled catalogues: how many operations each has, and how many of them a person has said something of.
    """
    rows = [_counted(_loaded(name)) for name in BUNDLED]
    if args.json:
        data(rows)
    else:
        headers = [name for name in rows[0] if name != "digest"]
        table(headers, [[row[name] for name in headers] for row in rows])
    return 0


def _counted(catalog: Catalog) -> dict[str, object]:
    curated = sum(spec.curated for spec in catalog.operations.values())
    return {
        "name": catalog.name,
        "title": catalog.dialect.title,
        "operations": len(catalog.operations),
        CURATED: curated,
        GENERATED: len(catalog.operations) - curated,
        "digest": catalog.digest,
    }


def show(args: argparse.Namespace) -> int:
    """
    Print a catalogue's operations, all or those that a pattern matches, and what is curated about each.
    """
    catalog = _loaded(args.catalog)
    found = catalog.matching(args.pattern)
    if not found:
        near = ", ".join(catalog.nearest(args.pattern))
        raise StartRefused(
            f"no operation of {catalog.name} matches `{args.pattern}`", f"nearest: {near}" if near else ""
        )
    if args.json:
        data([described(spec) for spec in found])
    else:
        _print(catalog, found)
    return 0


def _print(catalog: Catalog, found: Sequence[OperationSpec]) -> None:
    headers = ["operation", "known", "effect", "method", "path"]
    header, *lines = columns(headers, [[s.name, known(s), s.effect, s.method, s.path] for s in found])
    everywhere = catalog.dialect.never_store
    print(header)
    for line, spec in zip(lines, found, strict=True):
        print(line)
        for label, text in said(spec, everywhere):
            print(f"    {label:<{LABEL_WIDTH}}  {shown(text)}")
    if everywhere:
        print(f"never stored, whatever the operation: {', '.join(everywhere)}")


def run(args: argparse.Namespace) -> int:
    """
    Import a document; write the table only once it is whole.
    """
    try:
        text = write_table(import_document(_read(args.file), args.name))
    except CatalogFault as fault:
        source = "standard input" if args.file == STDIN else args.file
        raise StartRefused(f"{source}: {fault.message}", fault.hint) from None
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
