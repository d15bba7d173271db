"""The security model names, beside each threat, tests that are there."""

from __future__ import annotations

import re

from tests.tidy.source import ROOT

PAGE = (ROOT / "docs" / "SECURITY.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.partition("## Threats\n")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| threat")
]


def test_every_threat() -> None:
    """Each threat has what stops it, what remains, and a test that holds it and is there."""
    assert len(ROWS) >= 15
    assert [row for row in ROWS if len(row) != 4 or not all(row)] == []
    named = {row[0]: re.findall(r"`(tests/[^`]+)`", row[3]) for row in ROWS}
    assert [threat for threat, files in named.items() if not files] == []
    assert [file for files in named.values() for file in files if not (ROOT / file).is_file()] == []
