"""
Rich text: plain in version 2 of the API, an Atlassian Document in version 3.

What was written is kept as it came; whoever reads it in the other version gets it converted. Of a document only its
text survives the way to version 2; a text becomes a document with one paragraph for each of its lines, so that plain
text survives both ways.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from loadtest.upstreams.jira.errors import Wrong

# A text, or a whole document.
Document: TypeAlias = "str | dict[str, Any]"

# Nodes that end a line.
_BLOCKS = frozenset({"paragraph", "heading", "codeBlock", "rule"})


def read_document(version: int, value: object) -> Document | None:
    """
    Return a body as it may be kept; only version 3 takes documents, and it takes nothing else.
    """
    if value is None:
        return None
    if version < 3:
        if not isinstance(value, str):
            raise Wrong("Operation value must be a string")
        return value
    if not isinstance(value, dict) or value.get("type") != "doc" or not isinstance(value.get("content"), list):
        raise Wrong("Operation value must be an Atlassian Document (see the Atlassian Document Format)")
    return value


def show_document(version: int, value: Document | None) -> Document | None:
    """
    Return what was kept as a version of the API shows it.
    """
    if value is None or isinstance(value, dict) == (version >= 3):
        return value
    return to_text(value) if isinstance(value, dict) else to_document(value)


def to_document(text: str) -> dict[str, Any]:
    """
    Return a text as a document.
    """
    lines = [[{"type": "text", "text": line}] if line else [] for line in text.split("\n")]
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": line} for line in lines]}


def to_text(document: Document) -> str:
    """
    Return the text of a document.
    """
    if isinstance(document, str):
        return document
    lines: list[str] = []
    _collect(document, lines)
    return "\n".join(lines)


def _collect(node: dict[str, Any], lines: list[str]) -> None:
    if node.get("type") in _BLOCKS:
        lines.append("".join(_inline(node)))
        return
    for child in node.get("content", ()):
        if isinstance(child, dict):
            _collect(child, lines)


def _inline(node: dict[str, Any]) -> list[str]:
    match node.get("type"):
        case "text":
            return [str(node.get("text", ""))]
        case "hardBreak":
            return ["\n"]
        case "mention" | "emoji":
            return [str(node.get("attrs", {}).get("text", ""))]
        case _:
            return [text for child in node.get("content", ()) if isinstance(child, dict) for text in _inline(child)]
