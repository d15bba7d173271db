"""What people wrote wrongly: `serve` says what, where and how it is right, and touches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import agent, stripe_api
from tests.canary.plugin import watch
from tests.starts.installed import SECRET, Installed, contents, taken


def card(**rules: object) -> dict[str, Any]:
    """
    Return the agents of a configuration whose one card has these rules for Stripe.
    """
    return {"support": agent({"stripe": {name.replace("__", "."): rule for name, rule in rules.items()}})}


FAULTS: dict[str, tuple[Any, str, str]] = {
    "broken YAML": ("apis: [\n", ":2:1: ", ""),
    "not a mapping": ("- apis\n", ":1:1: ", ""),
    "unknown key": ({"staet": "x"}, "`staet` is unknown here", "did you mean `state`?"),
    "unknown catalogue": (
        {"apis": {"stripe": {**stripe_api("http://127.0.0.1:9"), "catalog": "strip"}}},
        "there is no catalogue `strip`",
        "did you mean `stripe`?",
    ),
    "unknown operation": ({"agents": card(refunds__creat={})}, "`refunds.creat`", "`refunds.create`"),
    "unknown argument": (
        {"agents": card(refunds__create={"limit": {"amuont": "1..2 USD"}})},
        "no argument `amuont`",
        "`amount`",
    ),
    "limit on no number": ({"agents": card(refunds__create={"limit": {"reason": "1..2"}})}, "`reason`", ""),
    "amount without currency": ({"agents": card(refunds__create={"limit": {"amount": "1..2"}})}, "amount", "USD"),
    "capability of a later version": ({"agents": {"support": agent({}, throttle={})}}, "not in this version", ""),
    "credential in the file": (
        {"apis": {"stripe": {**stripe_api("http://127.0.0.1:9"), "credential": SECRET}}},
        "a credential is never written here",
        "{env: NAME}",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, here: Installed) -> None:
    """A configuration that is wrong is refused at its line, with what is right, before anything is touched."""
    changes, error, hint = FAULTS[name]
    watch.may_hold(here.config)
    here.write(changes if isinstance(changes, str) else here.document(**changes))
    no = here.refused()
    assert len(no.errors) == 1
    assert no.errors[0].startswith(f"{here.config}:")
    assert error in no.errors[0]
    assert hint in no.hint
    assert not here.state.exists()


def test_every_fault(here: Installed) -> None:
    """All faults of a file are said at once, each with its place."""
    here.write("staet: x\nadmin: nowhere\napis: {s: {catalog: strip, credential: {env: A}}}\n")
    places = [error.removeprefix(f"{here.config}:").partition(": ")[0] for error in here.refused().errors]
    assert places == ["1:1", "2:8", "3:21"]


def test_no_file(here: Installed) -> None:
    """A configuration that is not there is said with the ways to name one."""
    here.config.unlink()
    no = here.refused()
    assert no.errors == [f"{here.config}: cannot be read: No such file or directory"]
    assert no.hint == "name the configuration with --config FILE or BREAKWATER_CONFIG"


def test_empty_variable(here: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential whose variable is missing or empty is named with its API, and nothing is touched."""
    for value in (None, "", "  "):
        monkeypatch.delenv("STRIPE_SECRET", raising=False)
        if value is not None:
            monkeypatch.setenv("STRIPE_SECRET", value)
        no = here.refused()
        assert no.errors == ["the credential of API 'stripe' is empty: environment variable STRIPE_SECRET"]
        assert no.hint == "set it, or name another place in apis"
    assert not here.state.exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "is unreadable: file PATH: No such file or directory"),
        (lambda path: path.mkdir(), "is unreadable: file PATH: Is a directory"),
        (lambda path: path.write_bytes(b""), "is empty: file PATH"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not text: file PATH"),
        (lambda path: path.write_text(f"{SECRET}\nX-Other: 1\n"), "cannot be sent in a header: file PATH"),
    ],
    ids=["missing", "folder", "empty", "binary", "two lines"],
)
def test_credential_file(make: Any, said: str, here: Installed) -> None:
    """A credential's file that cannot be used is named with its API and path, never with what is in it."""
    path = here.folder / "credential"
    watch.may_hold(path)
    make(path)
    api = {**stripe_api("http://127.0.0.1:9"), "credential": {"file": str(path)}}
    here.write(here.document(apis={"stripe": api}))
    no = here.refused()
    assert no.errors == [f"the credential of API 'stripe' {said.replace('PATH', str(path))}"]
    assert not here.state.exists()


@pytest.mark.parametrize("door", ["admin", "stripe", "shared"])
def test_busy_port(door: str, here: Installed) -> None:
    """A port that another program has is named with its door, and the state folder stays as it was, made or not."""
    port = here.ports.pop(door)
    with taken(port):
        no = here.refused()
        assert no.errors == [f"door '{door}' cannot have 127.0.0.1:{port}: Address already in use"]
        assert no.hint == "another process has it; name another port, or 0 for a free one"
        assert not here.state.exists()
        assert here.run("key", "mint", "support").code == 0
        before = contents(here.state)
        here.refused()
        assert contents(here.state) == before


def test_two_doors_at_one_address(here: Installed) -> None:
    """Two doors that are written at one address are a fault of the file or of the second of them."""
    here.write(here.document(shared=f"127.0.0.1:{here.ports['stripe']}"))
    assert str(here.ports["stripe"]) in here.refused().errors[0]
    assert not here.state.exists()


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("x"), lambda path: path.symlink_to("nowhere/at/all")])
def test_no_folder(spoil: Any, here: Installed) -> None:
    """A state folder that is a file or leads nowhere is said in one sentence."""
    spoil(here.state)
    no = here.refused()
    assert len(no.errors) == 1
    assert str(here.state) in no.errors[0]


def test_usage(here: Installed) -> None:
    """What is no command, or a command without what it needs, is exit 2."""
    for words in (["serv"], [], ["key"], ["key", "mint"], ["serve", "--new-epoch"], ["serve", "--prot", "1"]):
        with pytest.raises(SystemExit) as ended:
            here.run(*words)
        assert ended.value.code == 2


def test_relative_state(here: Installed, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    """A relative state folder is beside the configuration, wherever the command is run."""
    here.write(here.document(state="here"))
    elsewhere: Path = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert here.run("key", "mint", "support").code == 0
    assert (here.folder / "here" / "ledger").is_dir()
    assert list(elsewhere.iterdir()) == []
