"""How the program speaks: data on standard output as a table or as JSON, `error:` and `hint:` on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from config.faults import Fault

# Between two columns: two spaces cannot be taken for one inside a cell.
GAP = "  "


def error(message: str, hint: str = "") -> None:
    """
    Print what is wrong, and what to do about it where that is known.
    """
    print(f"error: {shown(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {shown(hint)}", file=sys.stderr)


def warning(message: str, hint: str = "") -> None:
    """
    Print what is missing from an answer that is good otherwise.
    """
    print(f"warning: {shown(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {shown(hint)}", file=sys.stderr)


def faults(found: Iterable[Fault]) -> None:
    """
    Print each fault of a configuration as `error: file:line:column: what`, its fix below it.
    """
    for fault in found:
        error(str(fault), fault.hint)


def data(value: object) -> None:
    """
    Print a value as JSON.
    """
    spelled = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # What a terminal would obey, or turn round, is spelled as JSON spells it: the value is the same.
    print("".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in spelled))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """
    Print rows under headers, each column as wide as its widest cell.
    """
    print("\n".join(columns(headers, rows)))


def columns(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """
    Return the lines of a table, its headers first, each column as wide as its widest cell.
    """
    cells = [[shown(str(cell)) for cell in row] for row in rows]
    lines = [[header.upper() for header in headers], *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return [GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def shown(text: str) -> str:
    """
    Return text on one line, with what could steer a terminal spelled out.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
