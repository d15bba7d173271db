"""What is promised is written down: every reason, metric and setting stands in `docs/`, and nothing that is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.tidy.source import SHIPPED, sources

_REASONS = "breakers/verdict.py"
_SETTINGS = "config/example.yaml"
_SETTINGS_PAGE = "docs/SETTINGS.md"
_METRIC = re.compile(r"breakwater_[a-z][a-z0-9_]*")
# Names of ours that begin like a metric and are none: a client library's type, a module.
_QUOTED = re.compile(r"`([^`\n]+)`")


def reasons(root: Path) -> list[str]:
    """
    Find reasons that `docs/` does not name.
    """
    said = _quoted(root)
    return [
        f"{_REASONS}: reason {reason!r} stands nowhere in docs/; give it a row in docs/REASONS.md"
        for reason in reason_values(root)
        if reason not in said
    ]


def reason_values(root: Path) -> list[str]:
    """
    Return the reasons, as callers read them.
    """
    return [
        node.value.value
        for source in sources(root, "breakers")
        if source.path == _REASONS
        for owner in source.nodes
        if isinstance(owner, ast.ClassDef) and owner.name == "Reason"
        for node in owner.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def metrics(root: Path) -> list[str]:
    """
    Find metrics that `docs/` does not name, and metrics in `docs/` that are no more.
    """
    made = dict(_metrics(root))
    said = {word for word in _quoted(root) if _METRIC.fullmatch(word)}
    found = [f"{path}: metric {name} stands nowhere in docs/" for name, path in made.items() if name not in said]
    return found + [f"docs/: there is no metric {name}" for name in sorted(said - made.keys())]


def settings(root: Path) -> list[str]:
    """
    Find settings of the example that the page does not describe, and rows of the page that describe nothing.

    A row's first cell is the path of a setting; a part in capitals stands for any name: `apis.NAME.upstream`.
    """
    example, page = root / _SETTINGS, root / _SETTINGS_PAGE
    if not example.exists():
        return []
    paths = sorted(set(_paths(yaml.safe_load(example.read_text("utf-8")))))
    rows = re.findall(r"^\| `([^`]+)`", page.read_text("utf-8"), re.MULTILINE) if page.exists() else []
    patterns = {row: re.compile(_pattern(row)) for row in rows}
    found = [
        f"{_SETTINGS}: setting {path} has no row in {_SETTINGS_PAGE}"
        for path in paths
        if not any(pattern.fullmatch(path) for pattern in patterns.values())
    ]
    return found + [
        f"{_SETTINGS_PAGE}: there is no setting {row} in {_SETTINGS}"
        for row, pattern in patterns.items()
        if not any(pattern.fullmatch(path) for path in paths)
    ]


def _metrics(root: Path) -> Iterator[tuple[str, str]]:
    for source in sources(root, *SHIPPED):
        for node in source.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _METRIC.fullmatch(node.value):
                yield node.value, source.path


def _quoted(root: Path) -> set[str]:
    pages = [page.read_text("utf-8") for page in sorted((root / "docs").rglob("*.md"))]
    return {word for page in pages for word in _QUOTED.findall(page)}


def _paths(value: object, above: str = "") -> Iterator[str]:
    """
    Yield the dotted path of every leaf; an empty map or list is a leaf, a list's items are its leaf's business.
    """
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _paths(below, f"{above}.{name}" if above else str(name))
    else:
        yield above


def _pattern(row: str) -> str:
    parts = [
        r"[^.]+(\.[^.]+)?" if part == "OPERATION" else r"[^.]+" if part.isupper() else re.escape(part)
        for part in row.split(".")
    ]
    return r"\.".join(parts)
