"""
What the pages tell people to type: every command of the README, of docs/ and of deploy/, with where it stands.

A command stands in a fence (`sh`, and `console` behind `$ `; one of `bash` is a script, with a test of its own), on an
indented line or a line of a `text` fence that begins with a program's name (several to a line are three spaces apart),
or in backticks inside a sentence. One inside a sentence may be no more than a command's name: `mention` says so of all
of them, and whoever runs them decides. What stands behind ` # ` is a remark; `.venv/bin/breakwater` is `breakwater`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.source import ROOT

PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md")})

# Whoever writes a command of another program on a page adds it here; in a `sh` fence every line is one.
PROGRAMS = frozenset(
    {
        *("breakwater", "make", "python", "python3", "pip", "curl", "kill", "echo", "cp", "export", "redis-cli"),
        *("docker", "kubectl", "systemctl", "journalctl", "promtool", "sudo", "npm", "iostat", "chronyc"),
    }
)

_FENCE = re.compile(r"^(?P<indent> *)```(?P<said>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4,}(?P<text>\S.*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(?P<text>[^`]+)`(?!`)")
_HERE = re.compile(r"<<'(?P<end>\w+)'")
_SETTING = re.compile(r"[A-Z_]+=\S*")


_WALK = "## Your first governed call\n"


@dataclass(frozen=True, slots=True)
class Command:
    """
    One command: as it is typed, and where it stands; `mention` where it stands inside a sentence.
    """

    page: str
    line: int
    text: str
    mention: bool = False

    def __str__(self) -> str:
        """
        Return where it stands, and its first line.
        """
        return f"{self.page}:{self.line}: {self.text.splitlines()[0]}"


def section(readme: str) -> str:
    """
    Return what the README says of a newcomer's walk.
    """
    return readme.partition(_WALK)[2].partition("\n## ")[0]


def walk(readme: str) -> list[str]:
    """
    Return the commands of a newcomer's walk.
    """
    return list(typed_in(section(readme).partition("```sh\n")[2].partition("```\n")[0]))


def commands(page: Path) -> list[Command]:
    """
    Return every command of a page, in the order in which they stand there.
    """
    return written(str(page.relative_to(ROOT)), page.read_text("utf-8"))


def written(name: str, text: str) -> list[Command]:
    """
    Return every command of a page's text.
    """
    found = [Command(name, _line(text, at), typed) for at, typed in _fenced(text)]
    # Blank, so that lines keep their numbers.
    rest = _FENCE.sub(lambda fence: re.sub(r"[^\n]", "", fence[0]), text)
    for indented in _INDENTED.finditer(rest):
        found += [Command(name, _line(rest, indented.start()), piece) for piece in _pieces(indented["text"])]
    rest = _INDENTED.sub("", rest)
    for inline in _INLINE.finditer(rest):
        typed = _plain(inline["text"])
        if program(typed) in PROGRAMS and " " in typed:
            found.append(Command(name, _line(rest, inline.start()), typed, mention=True))
    return sorted(found, key=lambda command: command.line)


def _fenced(text: str) -> Iterator[tuple[int, str]]:
    for fence in _FENCE.finditer(text):
        words = fence["said"].split()
        match words[0] if words else "":
            case "sh":
                yield from ((fence.start(), named(typed)) for typed in typed_in(fence["text"]))
            case "console":
                lines = (line.strip() for line in fence["text"].splitlines())
                yield from ((fence.start(), _plain(line[2:])) for line in lines if line.startswith("$ "))
            case "text" | "":
                for line in fence["text"].splitlines():
                    yield from ((fence.start(), piece) for piece in _pieces(line.removeprefix("$ ")))
            case _:
                pass


def typed_in(text: str) -> Iterator[str]:
    """
    Yield the commands of a block of shell: a line each, with what it goes on with behind a backslash or `<<'END'`.
    """
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        typed = line
        while typed.endswith("\\"):
            typed = f"{typed[:-1].rstrip()} {next(lines).strip()}"
        if here := _HERE.search(typed):
            body = []
            for more in lines:
                body.append(more)
                if more == here["end"]:
                    break
            yield "\n".join([typed, *body])
        else:
            yield _without_remark(typed)


def _pieces(line: str) -> Iterator[str]:
    for piece in re.split(r" {3,}", line.strip()):
        typed = _plain(piece)
        if program(typed) in PROGRAMS and " " in typed:
            yield typed


def program(typed: str) -> str:
    """
    Return the name of a command's program.
    """
    words = [word for word in typed.split() if not _SETTING.fullmatch(word)]
    return words[0].removeprefix(".venv/bin/") if words else ""


def _plain(typed: str) -> str:
    return named(re.sub(r"\s+", " ", _without_remark(typed)))


def named(typed: str) -> str:
    """
    Return a command with the program by its name.
    """
    return typed.replace(".venv/bin/breakwater", "breakwater")


def _without_remark(typed: str) -> str:
    return re.sub(r"(?:^|\s)#(?:\s.*)?$", "", typed).strip()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
