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
    catalog.add(parser)
    args = parser.parse_args(argv)
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
    (tmp_path / "pets.yaml").write_text("openapi: 3.0.0\npaths: !call {}\n")
    out = tmp_path / "out.json"
    with pytest.raises(StartRefused) as refused:
        run("import", str(tmp_path / "pets.yaml"), "-o", str(out))
    assert refused.value.error.startswith(str(tmp_path / "pets.yaml"))
    assert "line 2, column 8" in refused.value.error
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


OVERLAY = """\
dialect:
  never_store: [secret]
  upstream_key_header: Key
  honours_key: [{methods: [POST], kept_h: 30}]
markers:
  note: {argument: note, form: comment, shown: /note}
objects:
  pet: {read: pets.get, key: [id], expected: [updated]}
operations:
  pets.sell:
    effect: irreversible
    amount: {argument: price, again: [note]}
    subjects: [{by: id, place: path, operation: pets.get, parameter: id, currency: /currency, bound: [+/price]}]
    effect_key: "sale:{id}"
    find:
      list: pets.list
      with: {kind: body.more/kind}
      query: {q: "{since_s}"}
      marked: {query: {q: "{marker} in {id}"}, quoted: {id: path.id}}
      items: /data
      paging: whole
      creator: /by
      without: [/gone]
      needs_later: true
      apart: 2m
    marker: note
    touches:
      pet: {with: {id: path.id - p_}, before: required, after: /pet, claims: {price: null}}
    undo: {operation: pets.buy, with: {id: answer/pet/id, kind: =whole}}
    reversibility: compensable
    whole_body: array
    never_store: [card]
    body_bytes_max: 100
    note: it can be bought back
  pets.buy: {touches: {pet: {}}, undo: inverse, done: {/state: [sold, null], /here: false}}
  pets.drop: {effect_key: "drop:{kind}", effect_window: 90s, find: it is gone}
"""
BODY = {"price": {"type": "integer"}, "note": {"type": "string"}, "more": {"type": "object"}}
PRICED = {"requestBody": {"content": {"application/json": {"schema": {"properties": BODY}}}}}
FILTERS = {"parameters": [{"in": "query", "name": name, "schema": {"type": "string"}} for name in ("kind", "q")]}
KIND = {"parameters": [{"in": "query", "name": "kind", "schema": {"type": "string"}}]}
CURATED = {
    **DOCUMENT,
    "paths": {
        "/pets": {"get": {"operationId": "pets.list", **FILTERS}, "delete": {"operationId": "pets.drop", **KIND}},
        "/pets/{id}": {"get": {"operationId": "pets.get"}},
        "/pets/{id}/sell": {"post": {"operationId": "pets.sell", **PRICED}},
        "/pets/{id}/buy": {"post": {"operationId": "pets.buy", **KIND}},
    },
}
SHOWN = """\
OPERATION  KNOWN      EFFECT        METHOD  PATH
pets.buy   curated    write         POST    /pets/{id}/buy
    moves          nobody knows how much
    touches        pet by pets.get (id = path.id), before wanted, after read
    undo           the inverse of what was changed, through this operation
    key kept       30 h; as long a repeat under its key is the first
    done           /state is sold or null, /here is false
pets.drop  curated    irreversible  DELETE  /pets
    moves          nobody knows how much
    effect key     drop:{kind}
    effect window  90 s, in which a second one is a suspected duplicate
    find           nowhere: it is gone
pets.get   generated  read          GET     /pets/{id}
    shows          pet by id
pets.list  generated  read          GET     /pets
pets.sell  curated    irreversible  POST    /pets/{id}/sell
    amount         body.price in the currency of its subject; as much once more for each of note
    subject        pets.get of path.id: currency /currency, at most +/price
    effect key     sale:{id}
    effect window  24 h, in which a second one is a suspected duplicate
    touches        pet by pets.get (id = path.id - p_), before required, after answer/pet
    undo           pets.buy: id = answer/pet/id, kind = =whole
    key kept       30 h; as long a repeat under its key is the first
    find           pets.list (kind = body.more/kind, q = '{since_s}') /data, newest first: /id at /created by /by, \
without /gone; absent after 2 reads 2 min apart, 30 s behind, once something later is there
    find marked    pets.list (kind = body.more/kind, id = path.id, q = '{marker} in {id}') /data, newest first
    marker         a comment in body.note, shown at /note
    reversibility  compensable: it can be bought back
    never stored   card
    whole body     array
    largest body   100 bytes
never stored, whatever the operation: secret
"""


@pytest.fixture
def curated(tmp_path: Path) -> str:
    (tmp_path / "pets.json").write_text(json.dumps(CURATED))
    (tmp_path / "pets.overlay.yaml").write_text(OVERLAY)
    assert run("import", str(tmp_path / "pets.json"), "-o", str(tmp_path / "pets.table.json")) == 0
    return str(tmp_path / "pets.table.json")


def test_show_curated(curated: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person said of an operation stands below it, and what is only generated is marked so."""
    assert run("show", curated) == 0
    assert capsys.readouterr().out == SHOWN


def test_show_curated_json(curated: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON an operation has all that is curated of it, in members that every operation has."""
    assert run("show", curated, as_json=True) == 0
    shown = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name: row["curated"] for name, row in shown.items()} == {
        "pets.buy": True, "pets.drop": True, "pets.get": False, "pets.list": False, "pets.sell": True
    }  # fmt: skip
    sold, listed = shown["pets.sell"], shown["pets.list"]
    assert sold.keys() == listed.keys()
    assert (sold["effect_key"], listed["effect_key"], sold["whole_body"]) == ("sale:{id}", None, "array")
    assert sold["undo"] == {"operation": "pets.buy", "with": {"id": "answer/pet/id", "kind": "=whole"}}
    assert (shown["pets.buy"]["undo"], listed["undo"]) == ({"operation": None, "with": {}}, None)
    pet = {"type": "pet", "read": "pets.get", "key": ["id"], "query": {}, "names": [], "expected": ["updated"]}
    assert shown["pets.get"]["shows"] == [pet]
    when = {"with": {"id": "path.id - p_"}, "before": "required", "after": "answer", "pointer": "/pet"}
    assert sold["touches"] == [{**pet, **when, "claims": {"price": None}}]


def test_show_lost_json(curated: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON an operation also has its window, how long its key is kept, and how it is found when it is lost."""
    assert run("show", curated, as_json=True) == 0
    shown = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    sold, dropped, listed = shown["pets.sell"], shown["pets.drop"], shown["pets.list"]
    windows = {name: (row["effect_window_s"], row["key_kept_s"]) for name, row in shown.items()}
    assert windows["pets.sell"] == (86_400, 108_000)
    assert (windows["pets.drop"], windows["pets.list"]) == ((90, 0), (0, 0))
    listing = {
        "read": "pets.list",
        "with": [["kind", "body.more/kind"]],
        "query": {"q": "{since_s}"},
        "quoted": [],
        "items": "/data",
        "paging": "whole",
        "page": None,
        "more": None,
        "newest_first": True,
    }
    marked = listing | {"query": {"q": "{marker} in {id}"}, "quoted": [["id", "path.id"]]}
    told = {"id": "/id", "created": "/created", "creator": "/by", "without": ["/gone"]}
    patience = {"lag_s": 30, "needs_later": True, "reads": 2, "apart_s": 120}
    claims = {"claims": {"price": None}, "key": {}}
    assert sold["find"] == {"listing": listing, "marked": marked, **told, **claims, **patience}
    assert sold["marker"] == {"argument": "note", "form": "comment", "pointer": "", "shown": "/note"}
    assert (dropped["find"], dropped["unfound"], dropped["marker"]) == (None, "it is gone", None)
    assert shown["pets.buy"]["done"] == {"/state": ["sold", None], "/here": [False]}
    assert (listed["find"], listed["unfound"], listed["done"]) == (None, None, {})


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """The bundled catalogues are listed with how many operations they have, and how many of them are curated."""
    assert run("list", as_json=True) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["operations"]) for row in listed] == [("github", 1223), ("jira", 616), ("stripe", 649)]
    assert all(row["curated"] + row["generated"] == row["operations"] > row["curated"] > 0 for row in listed)
    assert run("list") == 0
    assert "CURATED  GENERATED" in capsys.readouterr().out
