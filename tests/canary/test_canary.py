"""The canary can fail: no spelling of a secret slips past the search, and no leak of any kind past the fixture."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from loadtest.installation import ROOT, START_S
from tests.canary.forms import MARK, forms, secret, unpacked
from tests.canary.plugin import pytest_make_parametrize_id
from tests.canary.watch import Watch

KEY, TOKEN = "bwk_abcdefgh_" + "a2b3c4d5" * 6 + "wxyz", "bw1_1_" + "Ab-_" * 20
TEXTS = (secret("found"), secret("found", '/?+="é\\'), KEY, TOKEN)

SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "percent": lambda text: quote(text, safe="").encode(),
    "small percent": lambda text: re.sub("%..", lambda sign: sign[0].lower(), quote(text, safe="")).encode(),
    "form": lambda text: quote_plus(text).encode(),
    "path": lambda text: quote(text).encode(),
    "JSON": lambda text: json.dumps({"a": text}).encode(),
    "JSON, slashes": lambda text: json.dumps({"a": text}).replace("/", "\\/").encode(),
    "JSON, as it is": lambda text: json.dumps({"a": text}, ensure_ascii=False).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "upper-case hex": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).rstrip(b"="),
    "Basic, as the user": lambda text: base64.b64encode(f"{text}:".encode()),
    "Basic, as the password": lambda text: base64.b64encode(f"operations@example.com:{text}".encode()),
    "base64 from its second": lambda text: base64.b64encode(b"\xff" + text.encode() + b"\xff"),
    "base64 from its third": lambda text: base64.b64encode(b"\xff\xfe" + text.encode() + b"\xff\xfe"),
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()),
    "URL-safe base64 from its second": lambda text: base64.urlsafe_b64encode(b"\xff" + text.encode() + b"\xff"),
    "URL-safe base64 from its third": lambda text: base64.urlsafe_b64encode(b"\xff\xfe" + text.encode()).rstrip(b"="),
    "gzip": lambda text: gzip.compress(f"before {text} after".encode()),
    "gzip of base64": lambda text: gzip.compress(base64.b64encode(text.encode())),
}


@pytest.mark.parametrize("text", TEXTS, ids=["plain", "signs", "key", "token"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str, text: str) -> None:
    """A secret in the midst of something is found in each spelling, by its mark or by all of it."""
    data = b'{"before": "' + SPELLINGS[name](text) + b'", "after": 1}'
    needles = forms(text.encode())
    assert any(form in layer for layer in unpacked(data) for form in needles)
    if MARK in text:
        marked = forms(MARK.encode())
        assert any(form in layer for layer in unpacked(data) for form in marked)


def test_nothing_found() -> None:
    """What is no secret is not found, nor are the edges of one in base64 that others could share."""
    other = secret("found").replace(MARK, "0" * len(MARK))
    for spelled in SPELLINGS.values():
        assert not any(form in layer for layer in unpacked(spelled(other)) for form in forms(MARK.encode()))


def test_unique() -> None:
    """A secret is the same for its name in one process, and of a run that no other has."""
    assert secret("a") == secret("a") != secret("b")
    assert re.fullmatch(r"[0-9a-f]{16}", MARK)


@pytest.mark.parametrize("value", [secret("id"), secret("id").encode(), base64.b64encode(secret("id").encode())])
def test_no_secret_in_a_name(value: object, request: pytest.FixtureRequest) -> None:
    """A parameter with a secret is named by its argument, any other by itself."""
    assert request.node.name.startswith("test_no_secret_in_a_name[value")
    assert pytest_make_parametrize_id("plain", "value") is None
    assert pytest_make_parametrize_id(5, "value") is None


def test_over_pieces(tmp_path: Path) -> None:
    """A secret is found where a large file or a long answer is searched in two pieces."""
    text = secret("pieces").encode()
    (tmp_path / "inner").mkdir()
    for size in (4 * 1024 * 1024 - 20, 10):
        (tmp_path / "inner" / str(size)).write_bytes(b"x" * size + text)
    here = Watch()
    since = here.since()
    here.folder(tmp_path / "inner")
    assert len(here.search(*since, forget=True)) == 2
    for path in (tmp_path / "inner").iterdir():
        path.unlink()


def test_leaks(tmp_path: Path) -> None:
    """Each leak of each kind fails its own test at its end, and a test without one passes."""
    mark, here = "feedfacefeedface", Path(__file__).parent / "leaky.py"
    there = ("--basetemp", str(tmp_path / "leaky"), str(here))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:xdist", *there],
        env={**os.environ, "CANARY_MARK": mark, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    shutil.rmtree(tmp_path / "leaky")
    leaks = re.findall(r"^def (test_\w+)", here.read_text(), re.MULTILINE)
    failed = re.findall(r"^ERROR tests/canary/leaky.py::(\w+) - AssertionError: a secret s", ran.stdout, re.MULTILINE)
    assert sorted(failed) == sorted({*leaks} - {"test_clean"}), ran.stdout + ran.stderr
    assert f"{len(leaks)} passed, {len(leaks) - 1} errors" in ran.stdout
    assert ran.returncode == 1
    assert mark not in ran.stdout.partition("short test summary")[2]


def test_no_constants() -> None:
    """No test keeps a secret of its own that is the same in every run."""
    constant = re.compile(r"""^\w+ = ["'][^"']*(?:secret|canary)-?(?:canary)?["']""", re.MULTILINE)
    paths = sorted((ROOT / "tests").rglob("*.py"))
    assert {str(path) for path in paths if constant.search(path.read_text())} == set()
