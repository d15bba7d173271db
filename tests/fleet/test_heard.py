"""What commands say beside an answer that is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.client import Running
from proxy.cli.heard import looked, say_alone, whose


@pytest.mark.parametrize(("store", "warns"), [("memory", False), ("redis://127.0.0.1:6379", True), ("", False)])
def test_alone(store: str, warns: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing runs it is said that others were not asked, if there may be others."""
    config = tmp_path / "breakwater.yaml"
    config.write_text(f"store: {store}\n" if store else "state: here\n")
    say_alone(config)
    assert capsys.readouterr().err.startswith("warning: ") is warns


@pytest.mark.parametrize("header", ["a;silent,b;unanswered", "a;silent, b;unanswered"])
def test_named(header: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Everyone who was not heard is named, once, with why."""
    monkeypatch.setattr(Running, "_asked", lambda *_: (200, [1], header))
    assert looked(Running(1, {}, ""), "/v1/doubt") == [1]
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warned == [
        "warning: the process a was not heard (silent)",
        "warning: the process b was not heard (unanswered)",
    ]


def test_whose() -> None:
    """Whose a row is stands beside it only where several were asked."""
    assert whose(["x"], [["1"]], [{}]) == (["x"], [["1"]])
    found: list[dict[str, str | None]] = [{"replica": "a"}, {"replica": None}]
    assert whose(["x"], [["1"], ["2"]], found) == (["x", "process"], [["1", "a"], ["2", "not heard"]])
    # Everybody may have been heard: nobody says of what is over that it is theirs.
    _, rows = whose(["x"], [["1"], ["2"]], found, lambda one: one["replica"] is None)
    assert rows == [["1", "a"], ["2", "-"]]
