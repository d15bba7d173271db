"""Which token a command shows at the admin door: a file's, else the environment's, else that of the state folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from proxy.cli.client import TOKEN_VARIABLE, find_running, showing, shown_token
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk

# Shorter than any token: nobody could take it for one.
FILED, SAID = "bwo1_filed_x", "bwo1_said_x"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    Give a file that holds a token, as an editor leaves it.
    """
    path = tmp_path / "token"
    path.write_text(f"{FILED}\n")
    return path


def test_precedence(file: Path) -> None:
    """A file is asked before the environment, and where neither is named nobody's own token is shown."""
    for named, environ, wanted in (
        (file, {TOKEN_VARIABLE: SAID}, FILED),
        (None, {TOKEN_VARIABLE: f" {SAID}\n"}, SAID),
        (None, {}, None),
    ):
        token = shown_token(named, environ)
        assert (token and token.reveal()) == wanted
        assert wanted is None or wanted not in repr(token)


@pytest.mark.parametrize(
    "text", ["", "bwk_agents_key", "two words", "x" * 20_000, "bwo1_é"], ids=["none", "key", "two", "long", "letter"]
)
def test_no_token(text: str, tmp_path: Path) -> None:
    """What is no operator's token is refused by the place that it stands in, and not repeated."""
    path = tmp_path / "token"
    path.write_text(text)
    for named, environ in ((path, {}), (None, {TOKEN_VARIABLE: text})):
        with pytest.raises(StartRefused) as no:
            shown_token(named, environ)
        assert str(path if named else TOKEN_VARIABLE) in no.value.error
        assert not text or text not in no.value.error + no.value.hint


def test_shown(file: Path, tmp_path: Path) -> None:
    """The token is shown for as long as the command runs, and is not looked for by one that asks nobody."""
    state, disk = tmp_path / "state", RealDisk()
    state.mkdir()
    (state / "admin.token").write_text("house")
    (state / "run.json").write_text('{"pid": 1, "doors": {"admin": "http://127.0.0.1:1"}}')
    with showing(partial(shown_token, tmp_path / "missing", {})):
        assert find_running(state) is None
    lock = disk.lock(state / "lock")
    try:
        with showing(partial(shown_token, file, {})):
            running = find_running(state)
            assert running is not None
            assert running.token == FILED
            assert FILED not in repr(running)
        running = find_running(state)
        assert running is not None
        assert running.token == "house"
    finally:
        disk.close(lock)
