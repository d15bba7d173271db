"""What the commands that stop and lift print of others' words."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli import main

WORDS = "all is well\x1b[2J\nlifted: nothing"
BY = "ana\x1b[1A"
STOP = {"scope": "all", "mode": "stop-all", "epoch": 7, "by": BY, "reason": WORDS, "until": None, "back": None}


class Asked:
    """A running process that says what it is told to."""

    pid = 1

    def insist(self, *_: object, **__: object) -> dict[str, Any]:
        """
        Say it.
        """
        return {**STOP, "record": STOP, "waits": False, "why": None}


@pytest.mark.parametrize("command", [["kill"], ["resume", "--reason", "OPS-7"]])
def test_steers_no_terminal(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What others wrote of a stop is on one line, and steers no terminal."""
    monkeypatch.setattr(f"proxy.cli.{command[0]}.find_running", lambda _: Asked())
    monkeypatch.setattr(f"proxy.cli.{command[0]}.state_of", lambda _: None)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert len(said.splitlines()) == len(command[:2])
    assert "by ana\\x1b[1A" in said
