"""A credential never shows itself, is read from one place, and is refused in words that do not repeat it."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import CredentialSource
from proxy.errors import StartRefused
from proxy.secret import CREDENTIAL_BYTES_MAX, Secret, read_credential, spell_credential
from tests.canary.forms import secret
from tests.canary.plugin import watch

TEXT = secret("text")
SECRET = Secret(TEXT)


@pytest.mark.parametrize(
    "spelled",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "{:>40}".format,
        lambda secret: "%s" % secret,  # noqa: UP031 an old way that must not leak either
        lambda secret: f"{secret}",
        lambda secret: repr([secret, {"a": secret}]),
        lambda secret: str(ValueError(secret)),
        lambda secret: json.dumps({"a": secret}, default=str),
    ],
)
def test_redacts(spelled: Callable[[Secret], str]) -> None:
    """Whatever turns a secret into text gets three asterisks."""
    shown = spelled(SECRET)
    assert TEXT not in shown
    assert "***" in shown


def test_stays() -> None:
    """A secret has no pickle, no attribute dictionary, and is equal to nothing but itself."""
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(SECRET)
    assert not hasattr(SECRET, "__dict__")
    assert Secret(TEXT) != SECRET
    assert SECRET.reveal() == TEXT


def test_from_environment() -> None:
    """A credential comes from the variable that is named, bare, with its user where there is one."""
    source = CredentialSource(env="KEY")
    assert read_credential("stripe", source, {"KEY": f" {TEXT}\n"}).reveal() == TEXT
    basic = CredentialSource(env="KEY", user="operations@example.com")
    assert read_credential("jira", basic, {"KEY": TEXT}).reveal() == f"operations@example.com:{TEXT}"


def test_from_file(tmp_path: Path) -> None:
    """A credential comes from the file that is named, its line end aside."""
    watch.may_hold(tmp_path / "key")
    (tmp_path / "key").write_text(f"{TEXT}\n")
    assert read_credential("stripe", CredentialSource(file=tmp_path / "key"), {}).reveal() == TEXT


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is empty"),
        ("", "is empty"),
        (" \n", "is empty"),
        (f"{TEXT} x", "cannot be sent in a header"),
        (f"{TEXT}\r\nX: y", "cannot be sent in a header"),
        (f"{TEXT}é", "cannot be sent in a header"),
        (f"{TEXT}\x00", "cannot be sent in a header"),
        (TEXT * 200, "cannot be sent in a header"),
    ],
    ids=["absent", "empty", "blank", "space", "line", "accent", "control", "long"],
)
def test_unusable(value: str | None, said: str) -> None:
    """What could be no header's value is refused with the API and the place, never with the content."""
    environ = {} if value is None else {"KEY": value}
    with pytest.raises(StartRefused) as refused:
        read_credential("stripe", CredentialSource(env="KEY"), environ)
    whole = refused.value.error + refused.value.hint
    assert "API 'stripe'" in whole
    assert "environment variable KEY" in whole
    assert said in refused.value.error
    assert TEXT not in whole


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that is missing, a folder, or no text is refused with its path and why."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, said in (("missing", "No such file"), (".", "Is a directory"), ("binary", "not text")):
        with pytest.raises(StartRefused, match=said) as refused:
            read_credential("stripe", CredentialSource(file=tmp_path / name), {})
        assert str(tmp_path) in refused.value.error


def test_large_file(tmp_path: Path) -> None:
    """A file that is larger than any key is the wrong file."""
    (tmp_path / "key").write_text("a" * (CREDENTIAL_BYTES_MAX + 1))
    with pytest.raises(StartRefused, match="cannot be sent"):
        read_credential("stripe", CredentialSource(file=tmp_path / "key"), {})


@pytest.mark.parametrize(
    ("scheme", "text", "value"),
    [
        ("bearer", "a", "Bearer a"),
        ("token", "a", "token a"),
        ("basic", "a", "Basic " + base64.b64encode(b"a:").decode()),
        ("basic", "u:a", "Basic " + base64.b64encode(b"u:a").decode()),
    ],
)
def test_spelling(scheme: str, text: str, value: str) -> None:
    """A credential is spelled as its API's dialect says."""
    assert spell_credential(scheme, Secret(text)) == value
