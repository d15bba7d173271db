"""What the page for newcomers shows is what they see: each SDK at a door, and the refusal as that SDK tells it."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtest.installation import START_S, environment
from tests.clients.nodejs import NODE, laid_out
from tests.docs.examples import PAGE, Example, examples

if TYPE_CHECKING:
    from tests.docs.conftest import Street

EXAMPLES = list(examples())
PORTS: Mapping[str, str] = {"8001": "stripe", "8011": "stripe.files", "8002": "github", "8003": "jira"}
ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def pointed(code: str, doors: Mapping[str, str]) -> str:
    """
    Return an example with the ports of these doors in place of the page's.
    """
    return re.sub(r"\b80\d\d\b", lambda port: doors[PORTS[port[0]]].rpartition(":")[2], code)


def key_of(example: Example, street: Street) -> str:
    """
    Return the key of the agent that the page gives the example.
    """
    return street.keys["support_refund_agent" if "8001" in example.code else "triage_agent"]


def in_python(code: str, key: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """
    Run a program in this process, and return what it printed.
    """
    patch.setenv("BREAKWATER_KEY", key)
    patch.setenv("NO_PROXY", "127.0.0.1")
    # SDKs keep files at home.
    patch.setenv("HOME", str(folder))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(PAGE), "exec"), {"__name__": "__main__"})
    return out.getvalue()


def beside(command: list[str], key: str, folder: Path) -> str:
    """
    Run a program in a process of its own, and return what it printed.
    """
    given = environment(folder, {"BREAKWATER_KEY": key})
    ran = subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, timeout=START_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example: Example, street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example reaches its door with the agent's key, and prints what the page shows below it."""
    code, key = pointed(example.code, street.breakwater.doors), key_of(example, street)
    for each in street.upstreams.values():
        each.wiretap.clear()
    match example.language:
        case "python":
            printed = in_python(code, key, tmp_path, monkeypatch)
        case "js":
            script = laid_out(tmp_path) / "example.mjs"
            script.write_text(code, "utf-8")
            printed = beside([NODE, script.name], key, tmp_path)
        case _:
            if shutil.which("curl") is None:
                pytest.skip("there is no curl")
            printed = beside(["sh", "-c", code], key, tmp_path)
    assert ID.sub("ID", printed).rstrip("\n") == ID.sub("ID", example.printed).rstrip("\n")
    # One client asks what the server is before anything else; nothing else may have been sent.
    sent = {seen.path.rpartition("/")[2] for each in street.upstreams.values() for seen in each.wiretap.requests}
    assert sent <= {"serverInfo"}


def test_every_client() -> None:
    """The page's table leads to each of its examples, and each shows what it prints."""
    linked = re.findall(r"^\| \[[^]]+\]\(#([a-z-]+)\)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert linked == [example.name.lower().replace(" ", "-") for example in EXAMPLES]
    assert [example.name for example in EXAMPLES if not example.printed] == []
