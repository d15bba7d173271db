from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from config.faults import Fault
from proxy.cli import build_parser, check, say, schema

EXAMPLE = Path(__file__).parents[2] / "config" / "example.yaml"
BROKEN = "staet: x\napis: {s: {catalog: strip, credential: {env: A}}}\n"


def asked(path: Path, *, as_json: bool = False) -> Namespace:
    """
    Return the arguments of `check` for a file.
    """
    return Namespace(config=path, json=as_json)


def test_check_good(capsys: pytest.CaptureFixture[str]) -> None:
    """A good configuration prints its version, doors and agents, and exits 0."""
    assert check.run(asked(EXAMPLE)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ok, version ")
    assert "https://files.stripe.com" in out
    assert "support_refund_agent  production   3      1" in out
    assert err == ""


def test_check_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken configuration prints each fault with its place and hint on standard error, and exits 1."""
    path = tmp_path / "b.yaml"
    path.write_text(BROKEN)
    assert check.run(asked(path)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"error: {path}:1:1: `staet` is unknown here",
        "hint: did you mean `state`?",
        f"error: {path}:2:21: there is no catalogue `strip`",
        "hint: did you mean `stripe`?",
        f"error: 2 faults in {path}",
    ]


def test_check_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, faults are objects with file, line and column, and a good configuration is its summary."""
    path = tmp_path / "b.yaml"
    path.write_text(BROKEN)
    assert check.run(asked(path, as_json=True)) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert [(fault["file"], fault["line"], fault["column"]) for fault in said["faults"]] == [
        (str(path), 1, 1),
        (str(path), 2, 21),
    ]
    assert check.run(asked(EXAMPLE, as_json=True)) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["faults"], said["apis"][0]["operations"]) == (True, [], 649)
    assert said["agents"][0]["allow"] == {"stripe": 3}


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON whose top level is the sections of a configuration."""
    assert schema.run(Namespace()) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"apis", "agents", "doors", "timeouts", "ledger"} <= set(said["properties"])
    assert said["additionalProperties"] is False
    assert said["properties"]["admin"]["default"] == "127.0.0.1:8470"
    assert said["$defs"]["Timeouts"]["properties"]["connect"]["default"] == "5s"


@pytest.mark.parametrize("command", [check, schema])
def test_help(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help ends in examples, and running it is what the parser chooses."""
    name = command.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    parser = build_parser()
    assert parser.parse_args([name]).run is command.run  # type: ignore[attr-defined]
    with pytest.raises(SystemExit):
        parser.parse_args([name, "--help"])
    assert f"examples:\n  breakwater {name}" in capsys.readouterr().out


def test_terminal_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """What could steer a terminal is spelled out, and one fault stays on one line."""
    say.faults([Fault("a\nb", 1, 2, "bad \x1b[2J", "fix\r")])
    assert capsys.readouterr().err == "error: a\\nb:1:2: bad \\x1b[2J\nhint: fix\\r\n"


def test_json_is_terminal_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """What a terminal would obey or turn round is spelled in JSON as JSON spells it, and means the same."""
    value = {"said": "\x1b[2J \x9b31m \u202e \U000e0041 \ud800 é 日"}
    say.data(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value
    assert all(sign.isprintable() for sign in shown.replace("\n", ""))
    assert "é 日" in shown


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A table's columns are as wide as their widest cell, and no line ends in spaces."""
    say.table(["id", "state"], [["long-one", "on"], ["x", ""]])
    assert capsys.readouterr().out == "ID        STATE\nlong-one  on\nx\n"
