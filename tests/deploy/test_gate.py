"""What users run in their own CI, and what the page has people type by themselves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from loadtest.installation import agent, environment
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.deploy.scene import DEPLOY, ROOMY
from tests.tidy.source import ROOT

GATE = DEPLOY / "ci" / "gate.sh"
POLICY = DEPLOY / "policies" / "support-refunds"
PAGE = (ROOT / "docs" / "DEPLOYING.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """
    Give an environment in which `breakwater` is this checkout's, with a Python beside it.
    """
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, words in (("python", ""), ("breakwater", " -m proxy")):
        program = bin_ / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}"{words} "$@"\n', "utf-8")
        program.chmod(0o755)
    given = environment(tmp_path)
    return {**given, "PATH": f"{bin_}:{given['PATH']}"}


# Cards, what they should say, and a load on them: the configuration that its scenario names itself is not there.
CARDS = {
    "apis": {"stripe": {"catalog": "stripe", "credential": {"env": "KEY"}}},
    "agents": {"looker": agent({"stripe": {"charges.list": {}}})},
}
CASES = {
    "agent": "looker",
    "api": "stripe",
    "cases": [{"case": "charges", "call": {"charges.list": {"limit": 1}}, "expect": "forward"}],
}
LOAD = {
    "name": "cards",
    "target": {"config": "nowhere.yaml", "agent": "looker", "upstreams": {"stripe": "sandbox"}},
    "seconds": 0.5,
    "per_second": 20,
    "operations": [
        {"name": "look", "door": "stripe", "path": "/v1/charges?limit=1"},
        {
            "name": "pay-out",
            "door": "stripe",
            "method": "POST",
            "path": "/v1/payouts",
            "form": {"amount": "100", "currency": "usd"},
            "expect": ["403 not-allowed"],
        },
    ],
}


def gate(given: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    """
    Run the gate.
    """
    return subprocess.run(
        [GATE, *map(str, words)], cwd=ROOT, env=given, capture_output=True, text=True, timeout=100, check=False
    )


def test_good(path: dict[str, str], tmp_path: Path) -> None:
    """Cards whose tests all come out as expected, and meet each rule, pass, and each case is published."""
    ran = gate(path, POLICY / "breakwater.yaml", POLICY / "policy-tests", tmp_path / "reports")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("== all of it is right\n")
    suite = ET.parse(tmp_path / "reports" / "policy-tests.xml").getroot()
    assert suite.get("failures") == "0"
    assert int(suite.get("tests", "0")) == len(suite) > 10


def test_bad(path: dict[str, str], tmp_path: Path) -> None:
    """A verdict that is another one, and a rule that no case meets, fail the gate, and both are published."""
    shutil.copytree(POLICY / "policy-tests", tmp_path / "tests")
    cases = tmp_path / "tests" / "refunds.yaml"
    cases.write_text(cases.read_text("utf-8").replace("expect: limit-exceeded", "expect: forward", 1), "utf-8")
    (tmp_path / "tests" / "caps.yaml").unlink()
    ran = gate(path, POLICY / "breakwater.yaml", tmp_path / "tests", tmp_path / "reports")
    assert ran.returncode == 1
    assert "expected forward, got limit-exceeded" in ran.stderr
    suite = ET.parse(tmp_path / "reports" / "policy-tests.xml").getroot()
    failed = [case for case in suite if case.find("failure") is not None]
    assert {case.get("classname") for case in failed} == {"policy", "policy.rules"}
    assert suite.get("failures") == str(len(failed))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_load(path: dict[str, str], tmp_path: Path) -> None:
    """The load is on the cards that are gated, a folder of them, whichever configuration its scenario names."""
    for name, content in {"cards/policy": CARDS, "tests/cases": CASES, "load": LOAD}.items():
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content), "utf-8")
    ran = gate(path, "--load", tmp_path / "load.yaml", tmp_path / "cards", tmp_path / "tests", tmp_path / "reports")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads((tmp_path / "reports" / "load" / "result.json").read_text("utf-8"))
    assert (told["profile"], told["verdict"]) == ("ci", "held")
    assert [result["scenario"] for result in told["results"]] == ["cards"]


def test_not_whole(path: dict[str, str], tmp_path: Path) -> None:
    """A configuration with a fault, a program that is not there and words that are none end it before anything else."""
    (tmp_path / "broken.yaml").write_text("agents: {a: {alow: {}}}", "utf-8")
    ran = gate(path, tmp_path / "broken.yaml", POLICY / "policy-tests", tmp_path / "reports")
    assert ran.returncode == 1
    assert "did you mean" in ran.stderr or "allow" in ran.stderr
    assert list((tmp_path / "reports").iterdir()) == []
    assert gate({**path, "BREAKWATER": "/nowhere"}, "a", "b", "c").stderr.startswith(
        "error: there is no /nowhere\nhint:"
    )
    assert gate(path, "a").returncode == 2


def script(words: str) -> str:
    """
    Return the script on the page in which these words stand.
    """
    (found,) = [each for each in SCRIPTS if words in each]
    return str(found)


def typed(text: str, folder: Path, given: dict[str, str]) -> None:
    """
    Type a script, which must end well.
    """
    ran = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=given, capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_secrets(tmp_path: Path) -> None:
    """What the page types for the compose file's secrets makes the files that it names, in a folder for one."""
    given = secret("compose-stripe")
    folder = tmp_path / "deploy" / "compose" / "secrets"
    watch.may_hold(folder / "stripe")
    typed(script("compose/secrets"), tmp_path, {**os.environ, "STRIPE_SECRET_KEY": given})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "stripe": 0o444,
        "redis_password": 0o444,
    }
    assert (folder / "stripe").read_text("utf-8") == given
    assert re.fullmatch(r"[0-9a-f]{64}", (folder / "redis_password").read_text("utf-8"))


def test_page_gate() -> None:
    """The page's own line for the gate is what is tried here."""
    place = POLICY.relative_to(ROOT)
    assert script("gate.sh") == f"deploy/ci/gate.sh {place}/breakwater.yaml {place}/policy-tests reports\n"
    assert len(SCRIPTS) == 3


def test_copy(path: dict[str, str], tmp_path: Path) -> None:
    """A copy of a state folder without its key ring, made as the page says, is one whose ledger verifies."""
    config = tmp_path / "breakwater.yaml"
    document = {
        "ledger": ROOMY,
        "apis": {"stripe": {"catalog": "stripe", "credential": {"env": "KEY"}}},
        "agents": {"a": agent({"stripe": {"charges.retrieve": {}}})},
    }
    config.write_text(json.dumps(document), "utf-8")
    made = subprocess.run(
        ["breakwater", "--config", config, "key", "mint", "a"], env=path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    given = {**path, "CONFIG": str(config), "STATE": str(tmp_path / "breakwater-state"), "COPY": str(tmp_path / "copy")}
    typed(script('"$COPY"'), tmp_path, given)
    assert not (tmp_path / "copy" / "keyring").exists()
