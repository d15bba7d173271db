"""The help of every command and verb ends in examples, and every example is one that the program understands."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from proxy.cli import build_parser

_EXAMPLE = re.compile(r"^(?:  |example: )(breakwater .*)$", re.MULTILINE)


def parsers(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """
    Yield every command and verb with its help.
    """
    yield words, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, nested in action.choices.items():
                yield from parsers(nested, (*words, name))


HELP = dict(parsers(build_parser()))


def examples(words: tuple[str, ...]) -> list[str]:
    """
    Return the examples in the help of a command.
    """
    return _EXAMPLE.findall(HELP[words])


def test_commands() -> None:
    """The commands are those that are promised so far."""
    assert {words[0] for words in HELP if words} == {
        "serve", "check", "reload", "schema", "status", "healthcheck", "key", "operator", "vault", "doubt", "breakers",
        "ledger", "task", "token", "spend", "catalog", "test", "rollout", "reviews", "drift",
        "suggestions", "kill", "resume", "fleet", "restart", "completion",
    }  # fmt: skip


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_examples(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind everything else the help shows how the command is used, in lines that parse to that command."""
    monkeypatch.setenv("COLUMNS", "200")
    found = examples(words)
    assert found
    assert HELP[words].index("--json") < HELP[words].rindex("example")
    for example in found:
        typed = shlex.split(re.split(r" [<>] ", example)[0])[1:]
        assert build_parser().parse_args(typed).run is not None
        assert [word for word in typed if word in words] == list(words)


@pytest.mark.parametrize("words", [words for words in HELP if len(words) == 2], ids=" ".join)
def test_verbs_stand_in_their_command(words: tuple[str, ...]) -> None:
    """A command's own help shows each of its verbs in use."""
    assert any(" ".join(words) in example for example in examples(words[:1]))


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_global_options(words: tuple[str, ...]) -> None:
    """The two options that every command takes stand in every help."""
    assert "--config FILE" in HELP[words]
    assert "--json" in HELP[words]
