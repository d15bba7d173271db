from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import ConfigurationFault
from loadtest.__main__ import main
from loadtest.installation import OWNERS
from loadtest.jobs import PLACE, Done
from loadtest.own import Outcome, draw, expected, figures, is_expected, rate, read_own, text
from loadtest.placed import read_configuration
from loadtest.scenario import DIGITS, Numbered
from loadtest.scene import LEDGER
from loadtest.written import Called, Own, Target, is_loopback
from tests.canary.forms import secret

KEY = secret("own-load")

TARGET = Target(doors={"stripe": "http://127.0.0.1:1"})
LOOK = Called(name="look", door="stripe", path="/v1/charges", weight=3)
NOTE = Called(name="note", door="stripe", path="/v1/notes", method="POST", repeats=50)
OWN = Own(name="own", target=TARGET, operations=(LOOK, NOTE), seconds=5.0, per_second=20.0, seed=7)

WRITTEN: dict[str, Any] = {
    "name": "own",
    "target": {"doors": {"stripe": "http://127.0.0.1:8001"}, "key": {"env": "KEY"}},
    "operations": [{"name": "look", "door": "stripe", "path": "/v1/charges"}],
}


PROMISE: dict[str, Any] = {"name": "n", "says": "s", "figure": "f"}

# A whole card, and an account that it may call.
CARD: dict[str, Any] = {"purpose": "looks", "owners": OWNERS, "allow": {"stripe": {"charges.list": {}}}}
ACCOUNT: dict[str, Any] = {"catalog": "stripe", "credential": {"env": "A"}}


def configured(folder: Path, account: dict[str, Any] | None = None, **more: Any) -> Path:
    """
    Write a configuration into a folder.
    """
    whole = {"apis": {"stripe": {**ACCOUNT, **(account or {})}}, "agents": {"a": CARD}, **more}
    path = folder / "breakwater.yaml"
    path.write_text(json.dumps(whole, indent=1))
    return path


def written(folder: Path, **more: Any) -> Path:
    path = folder / "own.yaml"
    path.write_text(json.dumps({**WRITTEN, **more}, indent=1))
    return path


def said(path: Path, *, remote: bool = False) -> str:
    with pytest.raises(ConfigurationFault) as found:
        read_own(path, remote=remote, environment={"KEY": KEY})
    assert all(fault.line for fault in found.value.faults)
    return "\n".join(f"{fault.message} | {fault.hint}" for fault in found.value.faults)


def operation(**more: Any) -> list[dict[str, Any]]:
    return [{**WRITTEN["operations"][0], **more}]


# What is written otherwise in a file, and what is said about it.
FAULTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("an unknown key", {"secondss": 3}, "did you mean `seconds`"),
    ("no target", {"target": {}}, "`doors` or a `config`"),
    ("two targets", {"target": {**WRITTEN["target"], "config": "a.yaml", "agent": "a"}}, "`doors` or a `config`"),
    ("no key", {"target": {"doors": {"stripe": "http://127.0.0.1:1"}}}, "add `key: {env: NAME}`"),
    ("a key without a place", {"target": {**WRITTEN["target"], "key": {}}}, "a key has one place"),
    ("a key that is not there", {"target": {**WRITTEN["target"], "key": {"env": "OTHER"}}}, "OTHER holds no key"),
    (
        "another machine",
        {"target": {**WRITTEN["target"], "doors": {"stripe": "http://10.0.0.1:80"}}},
        "not on loopback",
    ),
    ("TLS", {"target": {**WRITTEN["target"], "doors": {"stripe": "https://127.0.0.1:80"}}}, "is not an address"),
    ("no agent", {"target": {"config": "a.yaml"}}, "add `agent: NAME`"),
    ("an unknown sandbox", {"target": {"config": "a", "agent": "a", "upstreams": {"strip": "sandbox"}}}, "`stripe`"),
    ("nothing to call", {"operations": []}, "there is nothing to call"),
    ("an unknown door", {"operations": operation(door="strip")}, "did you mean `stripe`?"),
    ("a path without a slash", {"operations": operation(path="v1")}, "write `/v1`"),
    ("a line inside a header", {"operations": operation(headers={"A: b\r\nC": "d"})}, "on one line"),
    ("a space inside a path", {"operations": operation(path="/a b")}, "on one line"),
    ("two bodies", {"operations": operation(body="a", form={"a": "b"})}, "a call has one body"),
    ("no weight", {"operations": operation(weight=0)}, "write at least 1"),
    ("repeats without a rate", {"operations": operation(repeats=5)}, "`per_second`"),
    ("one name twice", {"operations": operation() * 2}, "`look` stands here twice"),
    ("a method that tells no end", {"operations": operation(method="head")}, "HEAD cannot be called"),
    ("a space inside a method", {"operations": operation(method="GET /")}, "on one line"),
    ("no seconds", {"seconds": 0}, "write more than 0"),
    ("a promise without a bound", {"promises": [PROMISE]}, "a promise has one bound"),
    ("a profile", {"promises": [{**PROMISE, "at_most": 1, "profiles": ["Full"]}]}, "did you mean `full`?"),
    ("no profile", {"promises": [{**PROMISE, "at_most": 1, "profiles": []}]}, "asked in no profile"),
)


@pytest.mark.parametrize(("more", "found"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_faults(more: dict[str, Any], found: str, tmp_path: Path) -> None:
    """What is wrong with a scenario's file is told with its place and a way out, before anything starts."""
    assert found in said(written(tmp_path, **more))


def test_remote_by_word(tmp_path: Path) -> None:
    """An address that is not on loopback is called only where whoever runs the load says so."""
    doors = {"stripe": "http://10.0.0.1:80"}
    path = written(tmp_path, target={"doors": doors, "key": {"env": "KEY"}})
    assert "not on loopback" in said(path)
    scenario, _ = read_own(path, remote=True, environment={"KEY": KEY})
    assert scenario.name == "own"
    assert KEY not in repr(scenario)


@pytest.mark.parametrize(
    ("upstream", "remote", "found"),
    [
        (None, False, "the load would leave this machine for `stripe`"),
        ("http://10.0.0.1:80", False, "the load would leave this machine for `stripe`"),
        ({"api": "http://127.0.0.1:1", "files": "https://files.test"}, False, "the load would leave this machine"),
        ({"api": "http://127.0.0.1:1", "files": "http://127.0.0.1:1"}, False, ""),
        ("http://10.0.0.1:80", True, ""),
    ],
)
def test_configuration_stays(upstream: object, remote: bool, found: str, tmp_path: Path) -> None:
    """A configuration whose API is not on loopback is not started, unless whoever runs the load says so."""
    configured(tmp_path, {"upstream": upstream} if upstream else None)
    path = written(tmp_path, target={"config": "breakwater.yaml", "agent": "a"})
    if found:
        assert found in said(path, remote=remote)
    else:
        assert read_own(path, remote=remote)[0].name == "own"


# What a scenario of agent `a` at the sandbox names otherwise, and what is said about it.
MISFITS: tuple[tuple[str, dict[str, Any], dict[str, Any], str], ...] = (
    ("an agent", {"agent": "aa"}, {}, "the configuration has no agent `aa` | did you mean `a`?"),
    ("an API", {"upstreams": {"stripe": "sandbox", "jira": "sandbox"}}, {}, "the configuration has no API `jira`"),
    ("a door", {}, {"operations": operation(door="strip")}, "there is no door `strip` | did you mean `stripe`?"),
    ("the operators' door", {}, {"operations": operation(door="admin")}, "there is no door `admin`"),
)


@pytest.mark.parametrize(("target", "more", "found"), [case[1:] for case in MISFITS], ids=[case[0] for case in MISFITS])
def test_misfits(target: dict[str, Any], more: dict[str, Any], found: str, tmp_path: Path) -> None:
    """What a scenario names and its configuration does not have is told with its place, before anything starts."""
    configured(tmp_path)
    at = {"config": "breakwater.yaml", "agent": "a", "upstreams": {"stripe": "sandbox"}, **target}
    assert found in said(written(tmp_path, target=at, **more))


@pytest.mark.parametrize(
    ("whole", "found"),
    [
        ([], "the configuration is a mapping"),
        ({"apis": []}, "this must be a mapping"),
        ({"apis": {"stripe": None}}, "this must be a mapping"),
        ({"apis": {"stripe": {"catalog": "stripe", "credential": "env"}}}, "a credential is never written here"),
    ],
)
def test_not_a_configuration(whole: object, found: str, tmp_path: Path) -> None:
    """A configuration that `breakwater check` refuses is refused in the same words."""
    (tmp_path / "breakwater.yaml").write_text(json.dumps(whole))
    with pytest.raises(ConfigurationFault) as refused:
        read_own(written(tmp_path, target={"config": "breakwater.yaml", "agent": "a"}))
    assert found in str(refused.value)


def test_placed(tmp_path: Path) -> None:
    """A folder is started as it is, but for whose it is, whom it tells and where its state is."""
    (tmp_path / "cards").mkdir()
    account = {"upstream": "http://127.0.0.1:1", "credential": {"file": "secrets/stripe"}}
    elsewhere = {
        "state": "/var/lib/breakwater",
        "admin": "127.0.0.1:8470",
        "doors": {"stripe": "0.0.0.0:8001"},
        "shared": "127.0.0.1:8000",
        "hosts": {"stripe.test": "stripe"},
        "workers": 2,
        "store": "redis://127.0.0.1:6379/0",
        "store_password": {"env": "PASSWORD"},
        "alerts": {"webhook": {"env": "HOOK"}},
    }
    configured(tmp_path / "cards", account, ledger={"reads": "durable"}, timeouts={"look": "1s"}, **elsewhere)
    document, _ = read_configuration(tmp_path / "cards", {}, remote=False)
    assert document.keys() == {"apis", "agents", "timeouts", "ledger"}
    assert document["ledger"] == {"reads": "durable", **LEDGER}
    assert document["apis"]["stripe"]["credential"] == {"file": str(tmp_path / "cards" / "secrets" / "stripe")}


def test_given_configuration(tmp_path: Path) -> None:
    """A configuration that is given goes before the one that a scenario names, and not beside doors that are served."""
    whole = configured(tmp_path, {"upstream": "http://127.0.0.1:1"})
    for named in ({"config": "nowhere.yaml"}, {}):
        path = written(tmp_path, target={"agent": "a", **named})
        assert read_own(path, config=whole)[0].name == "own"
    with pytest.raises(ConfigurationFault, match="`doors` or a `config`"):
        read_own(written(tmp_path), config=whole, environment={"KEY": KEY})


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["--only", "mix"], "--only chooses among ours"),
        (["--out", "own.yaml/reports"], "own.yaml/reports: Not a directory"),
        (["--config", "nowhere.yaml"], "`doors` or a `config`"),
    ],
)
def test_usage(more: list[str], found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant, and reports that could not be written in the end, are told before anything starts."""
    (tmp_path / "key").write_text(KEY)
    path = written(tmp_path, target={**WRITTEN["target"], "key": {"file": "key"}})
    given = [word.replace("own.yaml", str(path)) for word in more]
    assert main(["--out", str(tmp_path / "out"), "--scenario", str(path), *given]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert found in said
    assert "hint: " in said
    (tmp_path / "key").unlink()


def test_configuration_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration without a scenario of one's own is for nothing, which is told."""
    assert main(["--config", "breakwater.yaml"]) == 2
    assert "add --scenario FILE" in capsys.readouterr().err


def test_key_in_file(tmp_path: Path) -> None:
    """A key is read from the file beside the scenario that is named, and a missing one is said."""
    path = written(tmp_path, target={**WRITTEN["target"], "key": {"file": "key"}})
    assert "No such file" in said(path)
    (tmp_path / "key").write_text("\n")
    assert "there is no key in it" in said(path)
    (tmp_path / "key").write_bytes(b"\xff")
    assert "this is no text" in said(path)
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert read_own(path)[0].question
    # It is a secret, and nothing of a test may hold one.
    (tmp_path / "key").unlink()


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("a.test", False),
    ],
)
def test_loopback(host: str, here: bool) -> None:
    """Only addresses of this machine are on loopback, and of names only the one."""
    assert is_loopback(host) is here


# ------------------------------------------------------------------------------------------------------------- calls


def test_request() -> None:
    """A call is sent with its key, its length, and its number in every place."""
    called = Called(
        name="n",
        door="d",
        path="/v1/a/{number}",
        method="POST",
        headers={"Idempotency-Key": "k-{number}"},
        form={"name": "a b", "at": "{number}"},
    )
    sent = Numbered(text(called, "127.0.0.1:1", KEY), PLACE).at(5).decode()
    head, _, body = sent.partition("\r\n\r\n")
    number = f"{5:0{DIGITS}d}"
    assert body == f"name=a+b&at={number}"
    assert head.splitlines()[0] == f"POST /v1/a/{number} HTTP/1.1"
    assert {f"Authorization: Bearer {KEY}", f"Content-Length: {len(body)}"} <= set(head.splitlines())
    assert f"Idempotency-Key: k-{number}" in head


def test_basic() -> None:
    """Where a user is named, the key is the other half of a Basic credential."""
    assert "Authorization: Basic dTpr" in text(LOOK.model_copy(update={"user": "u"}), "h", "k")


@given(st.integers(0, 1000), st.integers(0, 100))
def test_drawn(seed: int, repeats: int) -> None:
    """Equal seeds draw equal calls, every number is one operation's, and a repeat is of a call that came before."""
    own = OWN.model_copy(update={"seed": seed, "operations": (LOOK, NOTE.model_copy(update={"repeats": repeats}))})
    drawn = draw(own, "stripe")
    assert drawn == draw(own, "stripe")
    assert len(drawn) == 100
    of: dict[int, int] = {}
    for at, (which, number) in enumerate(drawn):
        assert number <= at
        assert of.setdefault(number, which) == which
        assert number == at or which == 1
    assert repeats or len(of) == 100


@pytest.mark.parametrize(
    ("expect", "told", "right"),
    [
        (("200",), "200", True),
        (("200",), "200 replayed", True),
        (("200",), "2001", False),
        (("403 limit-exceeded",), "403 not-allowed", False),
        (("200", "403"), "403 not-allowed", True),
    ],
)
def test_expected(expect: tuple[str, ...], told: str, right: bool) -> None:
    """A status stands for every reason that comes with it, a reason for itself."""
    assert is_expected(LOOK.model_copy(update={"expect": expect}), told) is right


def test_unexpected_fails() -> None:
    """A call that was told something else is counted, and breaks the check with what it was told."""
    outcomes = [Outcome("look", "200", 1, 2.0), Outcome("note", "503 killed", 1, 9.0), Outcome("note", "200", 1, 3.0)]
    check = expected(OWN, outcomes)
    assert (check.held, check.found) == (False, "note: 1 were told 503 killed")
    told = figures(OWN, outcomes)
    assert (told["unexpected"].value, told["look.p50_ms"].value, told["note.p99_ms"].value) == (1, 2.0, 9.0)
    assert expected(OWN, [replace(outcomes[1], told="200")]).held


@pytest.mark.parametrize(
    ("per_second", "ended_ms", "found"), [(20.0, [100, 4_900], 10.0), (20.0, [100, 20_000], 2.5), (None, [], 7.0)]
)
def test_rate(per_second: float | None, ended_ms: list[int], found: float) -> None:
    """Answers count until the last one where calls have a rate of their own, elsewhere those of the counted time."""
    done = [Done({"200": 20}, calls_per_second=3.0, ended_ms=ended_ms), Done({"200": 30}, calls_per_second=4.0)]
    assert rate(OWN.model_copy(update={"per_second": per_second}), done).value == found
