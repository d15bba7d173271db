"""`breakwater vault` where no process runs, and what `serve` and `check` make of what it left."""

from __future__ import annotations

import getpass
import io
import json
import shutil
import sys
import warnings
from pathlib import Path

import pytest

from proxy.cli.schema import document_schema
from proxy.ledger.disk import RealDisk
from tests.starts.installed import SECRET, Installed

BASES = ("api", "files", "meter_events")
UPSTREAM = dict.fromkeys(BASES, "http://127.0.0.1:9")


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Installed:
    """
    Give an installation whose API takes its credential from the vault.
    """
    made = Installed(tmp_path, capsys)
    api = {"catalog": "stripe", "upstream": UPSTREAM, "credential": {"vault": "stripe"}}
    made.write(made.document(apis={"stripe": api}))
    return made


@pytest.fixture
def put(here: Installed, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """
    Give one with its credential sealed.
    """
    give(monkeypatch, f"{SECRET}\n")
    assert here.run("vault", "put", "stripe").out == "sealed 'stripe', version 1\n"
    return here


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """
    Put a text into standard input.
    """
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def listed(here: Installed) -> list[tuple[object, object]]:
    """
    Return version and state of all that is listed.
    """
    return [(row["version"], row["state"]) for row in json.loads(here.run("vault", "list", "--json").out)]


def test_serve_without(here: Installed) -> None:
    """An API whose credential is not in the vault is refused with the command that puts it there, touching nothing."""
    no = here.refused()
    assert no.errors == ["the vault holds no 'stripe', which API 'stripe' needs"]
    assert no.hint == "`breakwater vault put stripe`"
    assert not here.state.exists()
    assert listed(here) == [(None, "missing")]
    assert not here.state.exists()


def test_check_needs_nothing(put: Installed) -> None:
    """A configuration is checked without state folder, key ring and vault."""
    shutil.rmtree(put.state)
    assert put.run("check").code == 0


@pytest.mark.parametrize("gone", ["file", "bit", "keyring"])
def test_serve_damaged(gone: str, put: Installed) -> None:
    """A credential that cannot be opened refuses the start, names the version and shows nothing of it."""
    file = put.state / "vault" / "stripe@1"
    if gone == "file":
        # What is on record stays missed, whatever else lies in its place.
        file.rename(file.with_name("spare@1"))
        file.with_name("spare@1").write_bytes(b"x")
        file.with_name("stripe@2").write_bytes(b"x")
    elif gone == "bit":
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        (put.state / "keyring").unlink()
        shutil.rmtree(put.state / "ledger")
        (put.state / "admin.token").unlink()
    no = put.refused()
    wanted = {"file": "version 2 of 'stripe'", "bit": "version 1 of 'stripe'", "keyring": "the key ring is missing"}
    assert wanted[gone] in no.errors[0]
    assert not (put.state / "keyring").exists() or gone != "keyring"


def test_prompt(here: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal the secret is asked for without an echo, and is not printed."""
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())

    def types(prompt: str) -> str:
        asked.append(prompt)
        return SECRET

    monkeypatch.setattr(getpass, "getpass", types)
    said = here.run("vault", "put", "stripe")
    assert (said.code, said.out, said.err) == (0, "sealed 'stripe', version 1\n", "")
    assert asked == ["the secret of 'stripe': "]


def test_prompt_with_echo(here: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot hide what is typed is refused before anything is typed."""

    def shows(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return SECRET

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", shows)
    assert here.run("vault", "put", "stripe").errors == ["this terminal would show what is typed"]
    assert not here.state.exists()


@pytest.mark.parametrize("at_terminal", [True, False])
def test_nothing_given(at_terminal: bool, here: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret at all is refused with the ways to give one."""

    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys, "stdin", Terminal() if at_terminal else io.StringIO(""))
    monkeypatch.setattr(getpass, "getpass", ended)
    no = here.run("vault", "put", "stripe")
    assert no.errors == [f"the secret of 'stripe' is empty: {'the prompt' if at_terminal else 'standard input'}"]
    assert "--file" in no.hint
    assert not here.state.exists()


def test_file(here: Installed) -> None:
    """A file gives the secret; one that is no text, or not there, is refused with its path."""
    path = here.folder / "key"
    for content, code in ((SECRET.encode() + b"\n", 0), (b"\xff\xfe", 1), (None, 1)):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        ended = here.run("vault", "put" if code == 0 else "rotate", "stripe", "--file", str(path))
        assert ended.code == code
        assert code == 0 or str(path) in ended.errors[0]
    assert listed(here) == [(1, "current")]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("rotate", "stripe", "--to", "1", "--file", "x"), "--to and --file are two answers to one question"),
        (("rotate", "stripe", "--to", "1"), "version 1 of 'stripe' is the current one"),
        (("remove", "stripe", "--version", "0"), "a version is a number from 1"),
        (("remove", "stripe", "--version", "9"), "the vault holds no version 9 of 'stripe'"),
        (("remove", "stripe"), "API 'stripe' needs 'stripe'"),
        (("remove", "strip"), "the vault holds no 'strip'"),
        (("put", "stripe"), "the vault holds 'stripe' already, version 1"),
    ],
)
def test_refused(words: tuple[str, ...], error: str, put: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be done says so with a hint, and changes nothing."""
    give(monkeypatch, SECRET)
    no = put.run("vault", *words)
    assert (no.code, no.errors) == (1, [error])
    assert no.hint
    assert listed(put) == [(1, "current")]


def test_never_an_argument(here: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    """No verb takes a secret on the command line, or repeats one that is given there."""
    for words in (("put", "stripe", SECRET), ("put", "stripe", "--secret", SECRET), ("rotate", "stripe", SECRET)):
        with pytest.raises(SystemExit) as ended:
            here.run("vault", *words)
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "unrecognized arguments: " in said
        assert SECRET not in said


def test_another_holds_the_folder(put: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another command holds the folder nothing is changed."""
    disk = RealDisk()
    lock = disk.lock(put.state / "lock")
    try:
        give(monkeypatch, SECRET)
        assert "is not ready" in put.run("vault", "rotate", "stripe").errors[0]
    finally:
        disk.close(lock)
    assert listed(put) == [(1, "current")]


def test_modes(put: Installed) -> None:
    """The vault's folder is its owner's alone, and so is every file in it."""
    folder = put.state / "vault"
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_schema_asks_for_one_place() -> None:
    """The JSON Schema refuses a credential without a place or with two, as the program does."""
    section = document_schema()["$defs"]["CredentialSource"]  # type: ignore[index] # a schema is nested
    places = section["oneOf"]

    def admits(written: dict[str, object]) -> bool:
        matching = [
            place
            for place in places
            if all(name in written for name in place["required"])
            and all(isinstance(written.get(name, ""), str) for name in place["properties"])
        ]
        return len(matching) == 1

    assert [admits({name: "a"}) for name in ("env", "file", "vault")] == [True] * 3
    assert admits({"env": "A", "user": "u"})
    refused: tuple[dict[str, object], ...] = ({}, {"user": "u"}, {"env": None}, {"env": "A", "vault": "a"})
    assert not any(map(admits, refused))
