"""Each transcript beside this file is what the program prints."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.canary.forms import secret
from tests.transcripts.shell import Shell, inside, read

HERE = Path(__file__).parent
TRANSCRIPTS = {path.stem: path.read_text("utf-8") for path in sorted(HERE.glob("*.txt"))}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed gives what is written below it: standard output, standard error, exit code."""
    # A terminal's width must not change the words.
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("STRIPE_SECRET_KEY", raising=False)
    monkeypatch.delenv("BREAKWATER_CONFIG", raising=False)
    for file in HERE.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    shell = Shell(tmp_path, {"STRIPE_SECRET_KEY": secret("transcripts")})
    with inside(tmp_path):
        shell.play(TRANSCRIPTS[name])


def test_errors_have_hints() -> None:
    """In every transcript standard error begins with what is wrong, and each fault but a count says what to do."""
    for transcript in TRANSCRIPTS.values():
        for step in read(transcript):
            lines = [line for line in step.err if " faults in " not in line and " fault in " not in line]
            assert [line.partition(":")[0] for line in lines] == ["error", "hint"] * (len(lines) // 2)
            assert bool(step.err) <= (step.code > 0)


@pytest.mark.parametrize(
    "wrong",
    [
        "$ breakwater catalog list\nNAME    TITLE   OPERATIONS  CURATED  GENERATED\n",
        "$ breakwater catalog show strip\n! error: there is no catalogue `strip`\n! hint: did you mean `stripe`?\n",
        "$ breakwater catalog show strip\n! error: there is no catalogue `strap`\n…\n[exit 1]\n",
        "$ breakwater catalog show strip\n[exit 1]\n",
    ],
    ids=["missing lines", "exit code", "words", "silence"],
)
def test_can_fail(wrong: str, tmp_path: Path) -> None:
    """A transcript that says something else than the program fails."""
    with pytest.raises(AssertionError):
        Shell(tmp_path, {}).play(wrong)
