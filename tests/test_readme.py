"""The README and the pages beside it tell the truth: what they quote is the program's own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from breakers.verdict import SENTENCES, Reason
from config.load import load
from proxy.answer import RETRY_AFTER_S, STATUS
from tests.tidy.source import ROOT

REASONS = (ROOT / "docs" / "REASONS.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
_BLOCK = re.compile(r"^```text\n\$ breakwater(?P<arguments>[^\n]*--help)\n(?P<said>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {match["arguments"].strip(): match["said"] for match in _BLOCK.finditer(README)}


def test_help_blocks_stand() -> None:
    """The README shows the program's own overview."""
    assert "--help" in BLOCKS


@pytest.mark.parametrize("arguments", BLOCKS)
def test_help_block(arguments: str, tmp_path: Path) -> None:
    """A help block of the README equals what the program prints."""
    command = [sys.executable, "-m", "proxy", *shlex.split(arguments)]
    # A terminal's width must not change the words.
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(tmp_path),
        "COLUMNS": "80",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    assert BLOCKS[arguments].strip() == ran.stdout.strip()


def test_reasons_page() -> None:
    """Each row of the page of reasons has the program's own status, pause and sentence."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (\d*) \| (.+) \|$", REASONS, re.MULTILINE)
    told = {reason: (int(status), int(after or 0), sentence) for reason, status, after, sentence in rows}
    assert told == {str(reason): (STATUS[reason], RETRY_AFTER_S.get(reason, 0), SENTENCES[reason]) for reason in Reason}


def test_example_card(tmp_path: Path) -> None:
    """The configuration that the README shows is one that the program accepts."""
    shown = re.search(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    file = tmp_path / "breakwater.yaml"
    file.write_text(shown[1], "utf-8")
    assert set(load(file).agents) == {"support_refund_agent"}


def test_runs_in_two_commands() -> None:
    """How to run it stands within the first 35 lines."""
    opening = README.splitlines()[:35]
    assert "make demo" in "\n".join(opening)
    assert "make test" in "\n".join(opening)


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """A link to a file of the repository leads to one that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing
