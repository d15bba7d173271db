"""The examples of docs/GETTING_STARTED.md: a program or a command, and what it prints, which stands below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.tidy.source import ROOT

PAGE = ROOT / "docs" / "GETTING_STARTED.md"

_PIECE = re.compile(
    r"^### (?P<heading>[^\n]+)\n\n```(?P<language>\w+)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Example:
    """
    One example; its name is its heading.
    """

    name: str
    language: str
    code: str
    printed: str


def examples() -> Iterator[Example]:
    """
    Yield the examples in the page's order.
    """
    for piece in _PIECE.finditer(PAGE.read_text("utf-8")):
        yield Example(piece["heading"], piece["language"], piece["code"], piece["printed"] or "")
