"""The page that is opened at night knows every word that the program says, and every command on it is one."""

from __future__ import annotations

import re
import shlex

import pytest

from breakers.breaker import State
from breakers.spend import Notice
from breakers.stops import Mode
from breakers.suggestion import Stage
from breakers.verdict import Reason
from proxy.cli import build_parser
from proxy.ledger import access, approvals, drifts, fleets
from proxy.ledger.writer import State as LedgerState
from tests.tidy.source import ROOT

PAGE = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
PARAGRAPHS = dict(re.findall(r"^#### `([a-z_-]+)`\n((?:.+\n)+)", PAGE, re.MULTILINE))

PROGRAM = "".join(path.read_text("utf-8") for path in (ROOT / "proxy").glob("*.py"))
ANNOUNCED = {
    *(access.KIND, approvals.KIND, drifts.KIND, "break-glass", "auto-kill", "stop"),
    *(fleets.LOST, fleets.REBUILT, fleets.FORGOTTEN),
    *re.findall(r'announcer\.say\("([a-z-]+)"', PROGRAM),
}  # fmt: skip

COMMANDS = sorted(
    {
        *re.findall(r"`(breakwater [^`]+)`", PAGE.replace("\n", " ")),
        *re.findall(r"^ {4,}(breakwater .+)$", PAGE, re.MULTILINE),
    }
)


@pytest.mark.parametrize(
    "words",
    [
        Reason,
        State,
        Mode,
        Stage,
        Notice,
        sorted(ANNOUNCED),
        [state for state in LedgerState if state is not LedgerState.READY],
        ["torn-tail", "tampered", "rolled-back"],
    ],
    ids=["reasons", "breakers", "stops", "suggestions", "caps", "announcements", "ledger", "verify"],
)
def test_every_word(words: object) -> None:
    """Each reason, state and alert has a paragraph that says what it means and what to do."""
    assert [str(word) for word in words if len(PARAGRAPHS.get(str(word), "")) < 40] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command(command: str) -> None:
    """Each command on the page is one that the program understands."""
    assert build_parser().parse_args(shlex.split(command)[1:]).run is not None
