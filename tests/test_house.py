"""The house around the rooms: locks that fit their source, reasons beside every exception, targets that exist."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.tidy.source import ROOMS, ROOT

PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
PROJECT = tomllib.loads(PYPROJECT)
RUNTIME = PROJECT["project"]["dependencies"]
DEV = PROJECT["project"]["optional-dependencies"]["dev"]

# A lock is pins with hashes and comments, nothing else: no option, address or path could hide in it.
_LOCK = re.compile(
    r"(?:#[^\n]*\n|\n|(?P<name>[a-z0-9.-]+)==(?P<version>[^\s;\\]+)(?: ; [^\\\n]+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def pins(lock: str) -> dict[str, Version]:
    """
    Read a lock as name → version; anything but pins with hashes fails.
    """
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    read: dict[str, Version] = {}
    at = 0
    while at < len(text):
        match = _LOCK.match(text, at)
        assert match is not None, f"requirements/{lock}.txt: no pin with hashes: {text[at : at + 80]!r}"
        if match["name"]:
            read[canonicalize_name(match["name"])] = Version(match["version"])
        at = match.end()
    return read


@pytest.mark.parametrize(("lock", "wanted"), [("runtime", RUNTIME), ("dev", RUNTIME + DEV)], ids=["runtime", "dev"])
def test_lock_fits(lock: str, wanted: list[str]) -> None:
    """Every dependency of the project is pinned, with hashes, at a version that the project accepts."""
    pinned = pins(lock)
    unfit = [
        line
        for line, need in ((line, Requirement(line)) for line in wanted)
        if (need.marker is None or need.marker.evaluate())
        and not need.specifier.contains(pinned.get(canonicalize_name(need.name), Version("0")))
    ]
    assert not unfit, f"run `make lock`: {unfit}"


@pytest.mark.parametrize("lock", ["runtime", "build"])
def test_locks_agree(lock: str) -> None:
    """What is installed for users and for building has the versions that the suite ran on."""
    assert pins(lock).items() <= pins("dev").items()


def test_lock_has_no_address() -> None:
    """No lock names a registry, an index or a path."""
    for lock in (ROOT / "requirements").iterdir():
        lines = lock.read_text("utf-8").splitlines()
        assert [line for line in lines if re.search(r"https?:|file:/|//|--(?!hash=)| @ |^-e", line)] == []


def test_lock_closed() -> None:
    """Whatever a locked distribution needs here is locked as well."""
    pinned = pins("dev")
    missing = []
    for name in pinned:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in needs:
            need = Requirement(line)
            if (need.marker is None or need.marker.evaluate({"extra": ""})) and canonicalize_name(
                need.name
            ) not in pinned:
                missing.append(f"{name} needs {line}")
    assert not missing


@pytest.mark.parametrize("line", [*RUNTIME, *DEV])
def test_dependency_has_reason(line: str) -> None:
    """Beside every dependency stands why it is here."""
    assert re.search(rf'^    "{re.escape(line)}", +# \S+ \S+', PYPROJECT, re.MULTILINE)


def test_ignored_rule_has_reason() -> None:
    """Beside every ignored rule stands why it is ignored."""
    lint = PROJECT["tool"]["ruff"]["lint"]
    codes = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    spoken = re.findall(r'^    "([A-Z]+[0-9]*)", +# \S+ \S+', PYPROJECT, re.MULTILINE)
    assert sorted(codes) == sorted(spoken)
    assert lint["select"] == ["ALL"]


def test_own_names() -> None:
    """No other distribution of this environment provides a room of ours."""
    providers = importlib.metadata.packages_distributions()
    strangers = {room: owners for room in ROOMS if (owners := set(providers.get(room, [])) - {"breakwater"})}
    assert strangers == {}


def test_application() -> None:
    """The program is one script, licensed as the repository says, for the Pythons that it promises."""
    project = PROJECT["project"]
    assert project["scripts"] == {"breakwater": "proxy.cli:main"}
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")[:200]
    assert project["requires-python"] == ">=3.11"


@pytest.mark.parametrize("target", ["demo", "test", "check", "torture", "clean"])
def test_target(target: str) -> None:
    """Make knows the target and would run something for it."""
    ran = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_ci_calls_targets() -> None:
    """The one script that a change must pass is strict and calls the targets in order."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert "set -euo pipefail" in text
    lines = [line.strip() for line in text.splitlines()]
    called = [line.removeprefix("make ") for line in lines if line.startswith("make ")]
    assert called == ["check", "test", "load PROFILE=ci"]
    assert subprocess.run(["bash", "-n", str(script)], check=False, timeout=10).returncode == 0


def test_python_promised() -> None:
    """The suite runs on a Python that the project accepts."""
    assert sys.version_info >= (3, 11)
