"""
`breakwater completion`: a script for bash, zsh or fish that completes commands, verbs, options and their choices.

The script is a table and a few lines around it. The table is read off the very parsers that parse a command line: for
each command and verb the words that may follow, and for each option with a value the values that it has, or none, where
the shell offers files. Nothing is asked of the program while somebody types.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.cli import build_parser
from proxy.cli.usage import add_command

EPILOG = """\
examples:
  breakwater completion bash > ~/.local/share/bash-completion/completions/breakwater
  breakwater completion zsh > ~/.zfunc/_breakwater
  breakwater completion fish > ~/.config/fish/completions/breakwater.fish
"""

_AROUND: Mapping[str, str] = MappingProxyType(
    {
        "bash": """\
# breakwater completion bash
_breakwater_words() {
  case "$1" in
WORDS
  esac
}
_breakwater_values() {
  case "$1" in
VALUES
    *) return 1 ;;
  esac
}
_breakwater() {
  local at='' word before="${COMP_WORDS[COMP_CWORD-1]}" now="${COMP_WORDS[COMP_CWORD]}" offered
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [ -n "$(_breakwater_words "$at$word ")" ] && at="$at$word "
  done
  offered=$(_breakwater_values "$at$before") || offered=$(_breakwater_words "$at")
  COMPREPLY=($(compgen -W "$offered" -- "$now"))
}
complete -o default -F _breakwater breakwater
""",
        "zsh": """\
#compdef breakwater
# breakwater completion zsh
_breakwater_words() {
  case "$1" in
WORDS
  esac
}
_breakwater_values() {
  case "$1" in
VALUES
    *) return 1 ;;
  esac
}
_breakwater() {
  local at='' word offered
  for word in "${(@)words[2,CURRENT-1]}"; do
    [ -n "$(_breakwater_words "$at$word ")" ] && at="$at$word "
  done
  offered=$(_breakwater_values "$at${words[CURRENT-1]}") || offered=$(_breakwater_words "$at")
  if [ -n "$offered" ]; then compadd -- ${=offered}; else _files; fi
}
if [ "$funcstack[1]" = _breakwater ]; then _breakwater "$@"; else compdef _breakwater breakwater; fi
""",
        "fish": """\
# breakwater completion fish
function _breakwater_words
  switch "$argv[1]"
WORDS
  end
end
function _breakwater_values
  switch "$argv[1]"
VALUES
    case '*'
      return 1
  end
end
function _breakwater
  set -l at ''
  set -l typed (commandline -opc)
  for word in $typed[2..-1]
    if test -n "$(_breakwater_words "$at$word ")"
      set at "$at$word "
    end
  end
  set -l offered (_breakwater_values "$at$typed[-1]"); or set offered (_breakwater_words "$at")
  if test -n "$offered"
    string split ' ' -- $offered
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c breakwater -f -a '(_breakwater)'
""",
    }
)
"""What stands around the table in each shell. `at` is the command and the verb so far, each with a space behind it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """
    What may stand behind a command or a verb: words, and the values of options that take one.
    """

    words: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    parser.add_argument("shell", choices=sorted(_AROUND))


def run(args: argparse.Namespace) -> int:
    """
    Print the script.
    """
    print(script(args.shell), end="")
    return 0


def script(shell: str) -> str:
    """
    Return the script that completes in a shell.
    """
    offered = dict(_offered(build_parser(), ""))
    words = {at: here.words for at, here in offered.items()}
    values = {f"{at}{option}": choices for at, here in offered.items() for option, choices in here.values.items()}
    return _AROUND[shell].replace("WORDS\n", _cases(shell, words)).replace("VALUES\n", _cases(shell, values))


def _offered(parser: argparse.ArgumentParser, at: str) -> Iterator[tuple[str, Offered]]:
    # A parser learns what it takes when its help is wanted.
    parser.format_help()
    here = Offered()
    yield at, here
    for action in parser._actions:  # noqa: SLF001 argparse has no public way to walk its commands
        choices = [str(choice) for choice in action.choices or ()]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 likewise
            here.words.extend(choices)
            for name, nested in action.choices.items():
                yield from _offered(nested, f"{at}{name} ")
        elif not action.option_strings:
            here.words.extend(choices)
        elif action.help is not argparse.SUPPRESS:
            here.words.extend(name for name in action.option_strings if name.startswith("--"))
            if action.nargs != 0:
                here.values.update(dict.fromkeys(action.option_strings, choices))


def _cases(shell: str, table: Mapping[str, list[str]]) -> str:
    # Words of the program's own: none has a quote in it.
    rows = ((shlex.quote(at), shlex.quote(" ".join(said))) for at, said in table.items())
    if shell == "fish":
        return "".join(f"    case {at}\n      echo {said}\n" for at, said in rows)
    return "".join(f"    {at}) echo {said} ;;\n" for at, said in rows)
