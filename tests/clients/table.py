"""
The table in docs/CLIENTS.md: a row for each client and upstream, a cell for each style of door, as a run found them.

A run compares its rows with the page; with `CLIENTS_TABLE=write` it writes them there instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.clients.bench import Bench
from tests.clients.play import Script
from tests.clients.ways import HOST, PORT, PREFIX, UNIX

PAGE = Path(__file__).parents[2] / "docs" / "CLIENTS.md"
HEAD = "| client | works against | own port | `Host` | path prefix | unix socket |"

AGAINST: Mapping[str, str] = {"sandbox": "our sandbox", "emulate": "emulate 0.11.2"}

# In the page's order.
ROWS: tuple[tuple[str, str], ...] = (
    ("stripe-python, `StripeClient`", "sandbox"),
    ("stripe-python, the module", "sandbox"),
    ("stripe-node", "sandbox"),
    ("PyGithub", "sandbox"),
    ("PyGithub", "emulate"),
    ("githubkit", "sandbox"),
    ("githubkit", "emulate"),
    ("@octokit/rest", "sandbox"),
    ("@octokit/rest", "emulate"),
    ("jira", "sandbox"),
    ("atlassian-python-api", "sandbox"),
    ("httpx", "sandbox"),
    ("httpx", "emulate"),
)

_COMMAND = "CLIENTS_TABLE=write .venv/bin/python -m pytest -n 0 tests/clients"


def row(on: Bench, client: str, script: Script, upstream: str, styles: Iterable[str]) -> str:
    """
    Return a client's row, playing what was not played yet.
    """
    possible = frozenset(styles)
    cells = [_cell(on, script, upstream, style) if style in possible else "no" for style in (PORT, HOST, PREFIX, UNIX)]
    return " ".join(("|", " | ".join((client, AGAINST[upstream], *cells)), "|"))


def _cell(on: Bench, script: Script, upstream: str, style: str) -> str:
    play = on.play(script, upstream, style)
    assert play.proof is not None
    return f"{len(play.steps)} calls, {play.proof.changes} changes"


def written() -> dict[tuple[str, str], str]:
    """
    Return the rows of the page by client and upstream.
    """
    lines = PAGE.read_text("utf-8").partition(f"{HEAD}\n")[2].splitlines()
    rows = [line for line in lines[1 : 1 + len(ROWS)] if line.startswith("| ")]
    named = {label: name for name, label in AGAINST.items()}
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in rows]
    return {(client, named[against]): line for line, (client, against, *_) in zip(rows, cells, strict=True)}


def hold(found: str, client: str, upstream: str) -> None:
    """
    Fail unless the page has this row; or write it there, where the run was asked to.
    """
    page = PAGE.read_text("utf-8")
    before = written().get((client, upstream), "")
    if os.environ.get("CLIENTS_TABLE") == "write" and before:
        PAGE.write_text(page.replace(f"{before}\n", f"{found}\n"), "utf-8")
        return
    assert before == found, f"the page says otherwise; write what the run found with `{_COMMAND}`"
