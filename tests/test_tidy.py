"""House style as a test: each check on the repository, and each on a small planted tree that breaks its rule."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.tidy import arrows, documented, sizes, words
from tests.tidy.source import ROOT, forget, sources

Check = Callable[[Path], list[str]]

CHECKS: tuple[Check, ...] = (
    arrows.arrows,
    arrows.kept_packages,
    arrows.impure_judgement,
    arrows.world_outside_clock,
    arrows.late_imports,
    arrows.makers,
    arrows.unreached,
    sizes.tall_files,
    sizes.tall_functions,
    sizes.errors,
    words.sentences,
    words.docstrings,
    words.module_names,
    words.banned_words,
    documented.reasons,
    documented.metrics,
    documented.settings,
)

DOC = '"""\n    Do it.\n    """'
VAGUE = "uti" + "ls"
PROTOCOL = f"class _P(Protocol):\n    def f(self):\n        {DOC}\n"
REASON = 'class Reason:\n    """\n    Why.\n    """\n\n    KILLED = "killed"\n'

# One row: the check, the files that break its rule, and what the only finding says.
PLANTED: tuple[tuple[Check, dict[str, str], str], ...] = (
    (arrows.arrows, {"config/a.py": "import breakers.decide"}, "config may not import breakers.decide"),
    (arrows.arrows, {"breakers/a.py": "from proxy import app"}, "breakers may not import proxy.app"),
    (
        arrows.arrows,
        {"proxy/a.py": "def f():\n    import loadtest.demo"},
        "proxy/a.py:2: proxy may not import loadtest.demo",
    ),
    (arrows.arrows, {"proxy/a.py": "from tests import harness"}, "proxy may not import tests.harness"),
    (arrows.arrows, {"loadtest/a.py": "import tests.harness"}, "loadtest may not import tests.harness"),
    (arrows.arrows, {"loadtest/upstreams/a.py": "import config.money"}, "the sandbox imports nothing of ours"),
    (arrows.arrows, {"loadtest/upstreams/a.py": "from .. import demo"}, "not even loadtest.demo"),
    (arrows.kept_packages, {"proxy/pipeline.py": "import aiohttp.web"}, "may import aiohttp"),
    (
        arrows.kept_packages,
        {"breakers/store/redis.py": "from redis.asyncio import Redis"},
        "only breakers/store/bounded.py, breakers/store/connection.py may import redis",
    ),
    (arrows.kept_packages, {"config/a.py": "import prometheus_client"}, "only proxy/ may import prometheus_client"),
    (arrows.kept_packages, {"proxy/cli/a.py": "import localstripe"}, "nothing that is shipped may import localstripe"),
    (arrows.impure_judgement, {"breakers/a.py": "import time"}, "breakers may not import time"),
    (arrows.impure_judgement, {"breakers/a.py": "from os import path"}, "breakers may not import os"),
    (arrows.impure_judgement, {"breakers/a.py": "x = open('a')"}, "so no open()"),
    (arrows.world_outside_clock, {"proxy/a.py": "import time as t\nx = t.monotonic()"}, "proxy/a.py:2: time.monotonic"),
    (
        arrows.world_outside_clock,
        {"proxy/a.py": "from time import monotonic\nf(monotonic)"},
        "time.monotonic belongs to",
    ),
    (
        arrows.world_outside_clock,
        {"config/a.py": "from datetime import datetime, UTC\ndatetime.now(UTC)"},
        "datetime.datetime.now",
    ),
    (arrows.world_outside_clock, {"proxy/a.py": "import os\nos.urandom(8)"}, "os.urandom"),
    (arrows.world_outside_clock, {"proxy/a.py": "import secrets\nsecrets.token_hex()"}, "secrets.token_hex"),
    (arrows.world_outside_clock, {"proxy/a.py": "from random import choice\nchoice('ab')"}, "random.choice"),
    (arrows.late_imports, {"proxy/a.py": "import importlib\nimportlib.import_module(x)"}, "import by statement"),
    (arrows.late_imports, {"proxy/cli/__init__.py": "x = 'proxy.cli.a'"}, "there is no module proxy.cli.a"),
    (arrows.arrows, {"proxy/cli/__init__.py": "x = 'loadtest.demo'"}, "proxy may not import loadtest.demo"),
    (
        arrows.makers,
        {"proxy/a.py": "from breakers.verdict import Forward as F\nF(1)"},
        "only breakers/decide.py may build Forward",
    ),
    (
        arrows.makers,
        {"breakers/decide.py": "from breakers.store import protocol\nprotocol.HeldWrite(1)"},
        "may build HeldWrite",
    ),
    (arrows.makers, {"proxy/ledger/log.py": "Intent(1)"}, "only proxy/ledger/book.py may build Intent"),
    (arrows.unreached, {"proxy/a.py": "x = 1"}, "nothing that is shipped imports it"),
    (sizes.tall_files, {"tests/a.py": "x = 1\n" * 401}, "401 lines, the ceiling is 400"),
    (
        sizes.tall_functions,
        {"proxy/a.py": "class A:\n    async def f(self):\n" + "        x = 1\n" * 60},
        "f has 61 lines",
    ),
    (
        sizes.errors,
        {
            "proxy/a.py": "from proxy.errors import Refused\nclass Mine(Refused): ...",
            "proxy/errors.py": "class Refused(Exception): ...",
        },
        "proxy/a.py:2: error class Mine belongs",
    ),
    (sizes.errors, {"proxy/a.py": "import json\nclass Bad(json.JSONDecodeError): ..."}, "error class Bad belongs"),
    (
        sizes.errors,
        {"proxy/errors.py": "".join(f"class E{n}(Exception): ...\n" for n in range(16))},
        "16 error classes",
    ),
    (sizes.errors, {"config/load.py": "class A(Exception): ..."}, "belongs to proxy/errors.py or config/faults.py"),
    (words.sentences, {"tests/test_a.py": "def test_a(): ..."}, "has no sentence"),
    (
        words.sentences,
        {"tests/x/test_a.py": 'async def test_a():\n    """\n    It is so.\n    """'},
        "more than one line",
    ),
    (words.sentences, {"tests/test_a.py": 'def test_a():\n    """It is so"""'}, "period"),
    (
        words.sentences,
        {"tests/test_a.py": 'class TestA:\n    def test_a(self):\n        """It is so. It is not."""'},
        "more than one sentence",
    ),
    (words.docstrings, {"config/a.py": "x = 1"}, "opens with a sentence"),
    (words.docstrings, {"config/a.py": '"""A."""\ndef f(): ...'}, "f is public and says nothing"),
    (
        words.docstrings,
        {"config/a.py": f'"""A."""\nclass A:\n    {DOC}\n    def f(self): ...'},
        "A.f is public and says nothing",
    ),
    (words.docstrings, {"config/a.py": '"""A."""\nclass A:\n    """A."""'}, "on their own lines"),
    (words.module_names, {f"proxy/{VAGUE}.py": ""}, "is no name for a room"),
    (words.module_names, {"proxy/core/a.py": ""}, "'core' is no name for a room"),
    (words.banned_words, {"docs/A.md": "one\n# TO" + "DO later"}, "docs/A.md:2:"),
    (words.banned_words, {"breakers/a.py": "state = 'CLO" + "SED'"}, "states say what traffic does"),
    (words.banned_words, {"tests/a.py": "key = 'sk_te" + "st_1'"}, "upstream-secret-canary"),
    (words.banned_words, {"Makefile": "pip -i https://py" + "pi.org/simple"}, "no registry's address"),
    (documented.reasons, {"breakers/verdict.py": REASON, "docs/A.md": "killed"}, "reason 'killed' stands nowhere"),
    (documented.metrics, {"proxy/metrics.py": "x = 'breakwater_calls'"}, "breakwater_calls stands nowhere"),
    (documented.metrics, {"docs/A.md": "`breakwater_gone`"}, "there is no metric breakwater_gone"),
    (documented.settings, {"config/example.yaml": "a: {b: 1}"}, "setting a.b has no row"),
    (
        documented.settings,
        {"config/example.yaml": "a: 1", "docs/SETTINGS.md": "| `a` | x |\n| `b` | x |"},
        "there is no setting b",
    ),
)

# What looks like a fault and is none.
INNOCENT: tuple[tuple[Check, dict[str, str]], ...] = (
    (
        arrows.arrows,
        {"proxy/a.py": "import config.money\nfrom breakers import decide", "tests/a.py": "import loadtest.demo"},
    ),
    (arrows.arrows, {"loadtest/upstreams/a.py": "from loadtest.upstreams.stripe import app\nimport json"}),
    (arrows.arrows, {"proxy/a.py": "import configparser"}),
    (arrows.kept_packages, {"proxy/cli/serve.py": "import aiohttp", "breakers/store/connection.py": "import redis"}),
    (arrows.impure_judgement, {"breakers/store/redis.py": "import time", "breakers/a.py": "import datetime"}),
    (
        arrows.world_outside_clock,
        {"proxy/clock.py": "import time\ntime.time()", "proxy/a.py": "import time\ntime.strftime('')"},
    ),
    (arrows.world_outside_clock, {"proxy/a.py": "def f(random):\n    return random(8)"}),
    (arrows.makers, {"breakers/decide.py": "Forward(1)", "proxy/a.py": "match x:\n    case Forward():\n        pass"}),
    (arrows.makers, {"tests/a.py": "Forward(1)"}),
    (arrows.unreached, {"proxy/a.py": "", "proxy/cli/__init__.py": "from proxy import a", "proxy/__main__.py": ""}),
    (arrows.unreached, {"proxy/cli/a.py": "", "proxy/cli/__init__.py": "x = 'proxy.cli.a'"}),
    (
        arrows.late_imports,
        {"proxy/cli/a.py": "", "proxy/cli/__init__.py": "import importlib as i\ni.import_module('proxy.cli.a')"},
    ),
    (
        arrows.makers,
        {"breakers/policy.py": "class Entry: ...", "breakers/a.py": "from breakers.policy import Entry\nEntry(1)"},
    ),
    (sizes.errors, {"proxy/a.py": "class _Stop(Exception): ...", "config/faults.py": "class Bad(Exception): ..."}),
    (
        words.docstrings,
        {"config/a.py": f'"""A."""\n{PROTOCOL}\nclass A:\n    {DOC}\n    def f(self): ...'},
    ),
    (words.sentences, {"tests/test_a.py": 'def test_a():\n    """A form of 1.5 MiB, i.e. too much, is refused."""'}),
    (words.docstrings, {"config/a.py": f'"""A."""\n@overload\ndef f(): ...\ndef f():\n    {DOC}\ndef _g(): ...'}),
    (words.docstrings, {"config/__init__.py": "", "loadtest/a.py": "def f(): ..."}),
    (words.banned_words, {"proxy/a.py": "# an open file is closed\nRestate.OPENING"}),
    (documented.reasons, {"breakers/verdict.py": REASON, "docs/A.md": "`killed`"}),
    (documented.settings, {"config/example.yaml": "a: {x: {b: [1]}}", "docs/SETTINGS.md": "| `a.NAME.b` | x |"}),
)


def plant(root: Path, files: dict[str, str]) -> Path:
    """
    Write a small tree and return its root.
    """
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


@pytest.fixture(autouse=True, scope="module")
def trees() -> Iterator[None]:
    """
    Keep the collector from the trees of a million nodes that are made here, and let them go at the end.
    """
    gc.disable()
    yield
    forget()
    gc.enable()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tidy(check: Check) -> None:
    """The repository keeps this rule."""
    found = check(ROOT)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("check", "files", "finding"), PLANTED)
def test_planted_fault(tmp_path: Path, check: Check, files: dict[str, str], finding: str) -> None:
    """A planted fault is the one thing that its check finds."""
    found = check(plant(tmp_path, files))
    assert len(found) == 1, found
    assert finding in found[0]


@pytest.mark.parametrize(("check", "files"), INNOCENT)
def test_innocent_lookalike(tmp_path: Path, check: Check, files: dict[str, str]) -> None:
    """What only looks like a fault is not found."""
    assert check(plant(tmp_path, files)) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_empty_yard(tmp_path: Path, check: Check) -> None:
    """Where nothing was built yet, there is nothing to find."""
    assert check(tmp_path) == []


def test_read_once(tmp_path: Path) -> None:
    """A room is read and parsed once for all checks, and only for those that look at its tree."""
    plant(tmp_path, {"config/a.py": "x = 1", "proxy/a.py": "no Python"})
    (first,), (again,) = sources(tmp_path, "config"), sources(tmp_path, "config")
    assert first.tree is again.tree
    assert sizes.tall_files(tmp_path) == []


def test_every_check_planted() -> None:
    """Every check has been seen to fail."""
    assert {check for check, _, _ in PLANTED} == set(CHECKS)


def test_figures(figure: Figure) -> None:
    """The medians of files and functions stay within the house's measure."""
    figures = sizes.figures(ROOT)
    for name, value in figures.items():
        figure(name, value)
    assert figures["median lines a file"] <= 150
    assert figures["median lines a function"] <= 10
