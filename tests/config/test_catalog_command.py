"""`breakwater catalog`: the command around the importer."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from config.tables import load_catalog
from proxy.cli import catalog
from proxy.errors import StartRefused

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Pets"}, "paths": {"/pets": {"get": {"operationId": "pets.list"}}}}


def run(*argv: str, as_json: bool = False) -> int:
    parser = argparse.ArgumentParser()
    catalog.add(parser.add_subparsers())
    args = parser.parse_args(["catalog", *argv])
    args.json = as_json
    return int(args.run(args))


def test_import_to_file(tmp_path: Path) -> None:
    """An imported document becomes a table that the configuration can name."""
    (tmp_path / "pets.json").write_text(json.dumps(DOCUMENT))
    out = tmp_path / "pets.table.json"
    assert run("import", str(tmp_path / "pets.json"), "--name", "pets", "-o", str(out)) == 0
    assert list(load_catalog("pets.table.json", tmp_path).operations) == ["pets.list"]


def test_import_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A dash reads standard input, and without a place for it the table goes to standard output."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(DOCUMENT).encode())))
    assert run("import", "-") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "pets"


def test_import_refused(tmp_path: Path) -> None:
    """A document that cannot be read leaves no table behind, and the error names the file."""
    (tmp_path / "pets.yaml").write_text("openapi: 3.0.0")
    out = tmp_path / "out.json"
    with pytest.raises(StartRefused) as refused:
        run("import", str(tmp_path / "pets.yaml"), "-o", str(out))
    assert refused.value.error.startswith(str(tmp_path / "pets.yaml"))
    assert "YAML" in refused.value.hint
    assert not out.exists()


@pytest.mark.parametrize("argv", [("import", "nowhere.json"), ("show", "nothing"), ("show", "stripe", "refunds.crate")])
def test_refused(argv: tuple[str, ...]) -> None:
    """What does not exist is one error."""
    with pytest.raises(StartRefused):
        run(*argv)


def test_unwritable(tmp_path: Path) -> None:
    """A place that cannot be written is one error."""
    (tmp_path / "pets.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(StartRefused, match="cannot be written"):
        run("import", str(tmp_path / "pets.json"), "-o", str(tmp_path / "no" / "folder.json"))


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """A catalogue is shown as a table, and as an array with one object an operation."""
    assert run("show", "stripe", "refunds.*") == 0
    assert "refunds.create" in capsys.readouterr().out
    assert run("show", "stripe", as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown) == 649
    assert {"name", "method", "path", "base", "effect", "arguments"} <= shown[0].keys()


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """The bundled catalogues are listed with how many operations they have."""
    assert run("list", as_json=True) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["operations"]) for row in listed] == [("github", 1223), ("jira", 616), ("stripe", 649)]
