"""A link into a page leads to a heading that is there; whether the page is, tests/test_readme.py asks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(((?!https?:)[^)#\s]*)#([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """
    Return the anchors of a page's headings: in small letters, without signs, with hyphens for spaces.
    """
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_anchors(page: Path) -> None:
    """Each anchor that a page links to is one of a heading there."""
    text = page.read_text("utf-8")
    linked = [((page.parent / file) if file else page, anchor) for file, anchor in _LINK.findall(text)]
    missing = [
        (to.name, anchor) for to, anchor in linked if to.is_file() and anchor not in anchors(to.read_text("utf-8"))
    ]
    assert missing == []


def test_anchor_of_heading() -> None:
    """An anchor is spelled as the sites that show these pages spell it."""
    assert anchors("# A `page`\n## What it's for, and why\n") == {"a-page", "what-its-for-and-why"}
