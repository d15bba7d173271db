"""A command that only asks a running process loads nothing that only `serve` needs: whoever stops writes is quick."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from loadtest.installation import ROOT
from tests.starts.installed import Installed

ASKING = (["kill", "--wait"], ["resume", "--reason", "OPS-7"], ["status"], ["healthcheck"], ["drift", "list"])

# The models, the HTTP server, the store, the catalogues, the ledger, the road.
HEAVY = ("pydantic", "aiohttp", "cryptography", "config.tables", "config.load", "proxy.ledger.book", "proxy.app")

_LOADED = """
import json, sys
from proxy.cli import build_parser
for words in json.loads(sys.argv[1]):
    build_parser().parse_args(words)
print(json.dumps(sorted(sys.modules)))
"""


def loaded(*commands: list[str]) -> set[str]:
    """
    Return the modules that a process has after it has parsed these commands.
    """
    command = [sys.executable, "-c", _LOADED, json.dumps(commands)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return set(json.loads(ended.stdout))


def test_asking_is_light() -> None:
    """Neither the list of commands nor those that ask load models, server, store, catalogues or ledger."""
    found = loaded(*ASKING)
    assert {"proxy.cli.kill", "proxy.cli.status", "config.place"} <= found
    assert [name for name in HEAVY if name in found] == []


def test_serve_is_not() -> None:
    """The list of what is heavy is true: `serve` loads all of it."""
    assert set(HEAVY) <= loaded(["serve"])


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
def test_broken_since(words: list[str], here: Installed) -> None:
    """A configuration whose meaning was broken since the start keeps nobody from asking the process."""
    here.write(here.document(agents={"support": 1}))
    no = here.run(*words)
    assert no.code == 1
    assert no.errors[0].startswith("no Breakwater ") or words[0] == "kill"
