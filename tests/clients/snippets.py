"""
The examples of docs/CLIENTS.md: each with its language, its heading, and the kinds of door that it is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.clients.table import PAGE

_PIECE = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^(?:<!-- ways: (?P<ways>[a-z ]+) -->\n)?```(?P<language>[a-z]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """
    One example; its name is its heading and its number in the page.
    """

    name: str
    language: str
    ways: tuple[str, ...]
    code: str


def snippets() -> Iterator[Snippet]:
    """
    Yield the examples in the page's order.
    """
    heading, number = "", 0
    for piece in _PIECE.finditer(PAGE.read_text("utf-8")):
        if piece["heading"] is not None:
            heading = piece["heading"]
        else:
            number += 1
            ways = tuple((piece["ways"] or "").split())
            yield Snippet(f"{number} {heading}", piece["language"], ways, piece["code"])
