"""What a shell offers while somebody types is what the program takes, in each of the three shells."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import pytest

from proxy.cli import COMMANDS, main
from proxy.cli.completion import script

BASH = shutil.which("bash")
END_S = 30.0

# One row: what was typed (what is being typed last), and what is offered.
ROWS: tuple[tuple[list[str], list[str]], ...] = (
    (["ki"], ["kill"]),
    (["su"], ["suggestions"]),
    (["key", ""], ["mint", "list", "revoke", "--help", "--config", "--json", "--token"]),
    (["task", "ti"], ["timeline"]),
    (["--json", "task", "ti"], ["timeline"]),
    (["--config", "a.yaml", "task", "op"], ["open"]),
    (["kill", "--m"], ["--mode"]),
    (["kill", "--mode", ""], ["suggest", "stop-writes", "stop-all"]),
    (["kill", "--mode", "stop-all", "--re"], ["--reason"]),
    (["completion", "z"], ["zsh"]),
    (["breakers", "force", "api:stripe/write", "b"], ["blocked"]),
    # Files, which the shell offers by itself where this offers nothing.
    (["--config", ""], []),
    (["serve", "--worker"], ["--workers"]),
    (["nothing", "--jso"], ["--json"]),
)


@cache
def printed(shell: str) -> str:
    """
    Return a shell's script.
    """
    return script(shell)


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash() -> None:
    """Bash offers what may stand there: commands, verbs, options, and the choices of an option."""
    asked = []
    for typed, _ in ROWS:
        words = " ".join(f"'{word}'" for word in ["breakwater", *typed])
        asked.append(f'COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _breakwater; echo "${{COMPREPLY[*]}}"')
    source = printed("bash") + "\n".join(asked) + "\n"
    ran = subprocess.run(
        [str(BASH), "--norc", "-u"], input=source, capture_output=True, text=True, timeout=END_S, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = dict(zip(map(" ".join, (typed for typed, _ in ROWS)), ran.stdout.splitlines(), strict=True))
    for typed, offered in ROWS:
        assert sorted(told[" ".join(typed)].split()) == sorted(offered), typed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(shell: str) -> None:
    """Each shell's script has every command, no option that is nobody's to give, and is one that the shell reads."""
    text = printed(shell)
    case = "case " if shell == "fish" else ""
    for name in COMMANDS:
        assert f"    {case}'{name} '" in text
    assert "--workers" in text
    assert "--worker " not in text
    assert not {"WORDS", "VALUES"} & set(text.split())
    found = shutil.which(shell)
    if found is not None:
        ran = subprocess.run([found, "-n"], input=text, capture_output=True, text=True, timeout=END_S, check=False)
        assert ran.returncode == 0, ran.stderr


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the script, and nothing else."""
    assert main(["completion", "fish"]) == 0
    assert capsys.readouterr().out == printed("fish")
