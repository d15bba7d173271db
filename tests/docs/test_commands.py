"""Every command that a page tells people to type is typed, or stands in a list with the reason why not."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.installation import START_S, environment
from proxy.cli import build_parser
from tests.docs.pages import PAGES, Command, commands, program, written
from tests.docs.plan import ALWAYS, FILLED, NEEDS, NOT_RUN, PERFORMED, READS, REFUSED, STOPS, TYPED_IN_SHELL
from tests.docs.stand import Desk, desk
from tests.tidy.source import ROOT

HERE = Path(__file__).parent
PARSER = build_parser()
FOUND: dict[str, Command] = {}
for page in PAGES:
    for command in commands(page):
        # Where it stands outside a sentence it is more than a mention.
        if command.text not in FOUND or FOUND[command.text].mention:
            FOUND[command.text] = command


def understood(words: list[str]) -> bool:
    """
    Tell whether the program understands a command: whether anything more would have to be said.
    """
    try:
        return bool(PARSER.parse_args(words).run)
    except SystemExit:
        return False


def is_known(words: list[str]) -> bool:
    """
    Tell whether words are the name of a command, or of a verb of one.
    """
    parser: argparse.ArgumentParser = PARSER
    for word in words:
        parser.format_help()
        nouns = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        if not nouns or word not in nouns[0].choices:
            return False
        parser = nouns[0].choices[word]
    return True


def names_only(command: Command) -> bool:
    """
    Tell whether a command in a sentence is a command's name: it says not enough to be typed.
    """
    words = shlex.split(command.text)
    return command.mention and words[0] == "breakwater" and is_known(words[1:]) and not understood(words[1:])


LISTED = {**PERFORMED, **NOT_RUN}
TYPED = [
    text
    for text, command in FOUND.items()
    if text not in LISTED and program(text) not in NEEDS and not names_only(command)
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """
    Give the folder in which all of them are typed.
    """
    with desk(tmp_path_factory.mktemp("docs")) as made:
        shutil.copy(HERE / "openapi.yaml", made.folder)
        (made.folder / "key.txt").write_text("an-upstream-secret", "utf-8")
        (made.folder / "deploy").symlink_to(ROOT / "deploy")
        yield made


def filled(text: str, here: Desk) -> str:
    """
    Return a command with something in the place of each placeholder.
    """
    values = dict(FILLED[text](here)) if text in FILLED else {}

    def value(found: re.Match[str]) -> str:
        name = found[0]
        if name not in values and name in ALWAYS:
            values[name] = ALWAYS[name](here)
        return values.get(name, name)

    return re.sub(r"(?<![\w.$-])(?:\$?[A-Z]{2,}(?:\|-|/[\d-]+)?|-|…)(?![\w=-])", value, text)


@pytest.mark.parametrize("text", TYPED, ids=lambda text: re.sub(r"[^\w$./-]+", " ", text))
def test_command(text: str, here: Desk) -> None:
    """A command does what its page says: it is understood, and done."""
    typed = filled(text, here)
    code, wanted = 0, ""
    if text in REFUSED:
        code, wanted = int(REFUSED[text][0]), REFUSED[text][1]
    if shlex.split(text)[0] == "breakwater":
        typed, _, file = typed.partition(" < ")
        given = (here.folder / file).read_text("utf-8") if file else READS.get(text, "")
        ended, out, err = here.types(*shlex.split(typed)[1:], given=given)
    else:
        assert text in TYPED_IN_SHELL, f"{FOUND[text]}: say in tests/docs/plan.py who performs it, or why nobody does"
        ran = subprocess.run(
            ["sh", "-c", typed],
            env=environment(here.folder),
            cwd=here.folder,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        ended, out, err = ran.returncode, ran.stdout, ran.stderr
    if text.startswith(STOPS) and "--drill" not in text:
        if "resume" in text:
            here.stop()
        here.let_go_on()
    assert ended == code, f"{FOUND[text]}\n`{typed}` exits {ended}\n{out}{err}"
    assert wanted in err, err


def test_lists() -> None:
    """What the plan says is of commands that stand on a page, and of tests that perform them."""
    said = {*FILLED, *READS, *REFUSED, *TYPED_IN_SHELL, *LISTED}
    assert sorted(said - FOUND.keys()) == []
    assert [(file, words) for file, words in PERFORMED.values() if words not in (ROOT / file).read_text("utf-8")] == []


def test_scripts() -> None:
    """A page with a script on it, in a fence of `bash`, has a test that reads the page and performs it."""
    tests = [file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py") if file.parent != HERE]
    pages = [page for page in PAGES if "```bash\n" in page.read_text("utf-8")]
    assert [page.name for page in pages if not any(f'"{page.name}"' in text for text in tests)] == []


def test_finding() -> None:
    """A command is found in each form in which a page may write one, with its line, and nothing else is."""
    page = """# A page

Type `breakwater check`, or `breakwater ledger show`; `breakwater_calls_total` and `check` are something else.

    breakwater status        # how it stands
    breakwater task list     breakwater task show TASK
    GET /v1/calls

```sh
make \\
  demo    # everything
A=1 docker run x
cat - <<'END'
breakwater kill
END
```

```console
$ .venv/bin/breakwater spend
AGENT  TAKEN
```

```yaml
run: breakwater serve
```
"""
    assert [(each.line, each.text, each.mention) for each in written("a.md", page)] == [
        (3, "breakwater check", True),
        (3, "breakwater ledger show", True),
        (5, "breakwater status", False),
        (6, "breakwater task list", False),
        (6, "breakwater task show TASK", False),
        (9, "make demo", False),
        (9, "A=1 docker run x", False),
        (9, "cat - <<'END'\nbreakwater kill\nEND", False),
        (18, "breakwater spend", False),
    ]
    assert names_only(Command("a.md", 3, "breakwater ledger show", mention=True))
    assert not names_only(Command("a.md", 3, "breakwater check", mention=True))
    assert not names_only(Command("a.md", 3, "breakwater cheque", mention=True))
