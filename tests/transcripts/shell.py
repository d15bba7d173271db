"""
Transcripts: what a person types and what the program prints, as text that is read and that is run.

`$ breakwater …` runs a command (`<<< TEXT` behind it is what it reads, `NAME=VALUE` before it is in its environment),
and `& breakwater serve` one that goes on until `^C`; `$ cp FROM TO` writes one file over another, and `$ call KEY
METHOD TARGET NAME=VALUE…` is a call of an agent. Below it stands what is printed: standard error on lines that begin
with `! `, the rest as it comes, then `[exit N]` unless that is 0.
`<time>`, `<hash>` and the like stand for any text of that form; one with a number, `<kid1>`, is kept, and is that text
from then on, in commands as well. `…` on a line of its own stands for any lines. `#` begins a remark.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode, urlsplit

from loadtest.installation import ROOT, START_S, STOP_S, environment
from proxy import cli
from tests.canary.plugin import watch

_STEP_S = 0.01
_ANY = "…"

# It takes longer to build than most commands take to run, and is the same for each of them.
_parser = cache(cli.build_parser)

FORMS: Mapping[str, str] = {
    "kid": r"[a-z2-7]{8}",
    "secret": r"[a-z2-7]{52}",
    "call": r"[0-9A-HJKMNP-TV-Z]{26}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "port": r"\d{4,5}",
    "index": r"\d+",
    "hash": r"[0-9a-f]{64}",
    "version": r"[0-9a-f]{12}",
    "digits": r"[0-9a-f]{16}",
    "day": r"\d{4}-\d\d-\d\d",
    "token": r"bw1_1_[A-Za-z0-9_-]{64,}",
    "personal": r"bwo1_[a-z2-7]{8}_[a-z2-7]{52}",
    "tid": r"[a-z2-7]{16}",
    "seconds": r"\d{10}",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00",
    "moment": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a transcript and what it prints."""

    line: int
    command: str
    waits: bool
    out: tuple[str, ...]
    err: tuple[str, ...]
    code: int


@dataclass
class Shell:
    """Where a transcript is played: a folder, an environment, what placeholders stand for by now."""

    folder: Path
    secrets: Mapping[str, str]
    bound: dict[str, str] = field(default_factory=dict)
    serving: subprocess.Popen[bytes] | None = None

    def play(self, transcript: str) -> None:
        """
        Run every command and compare what it printed.
        """
        try:
            for step in read(transcript):
                self._play(step)
        finally:
            self._stop(signal.SIGKILL)

    def _play(self, step: Step) -> None:
        words, environ = _said(shlex.split(self._filled(step.command)))
        if words == ["^C"]:
            code, out, err = self._stop(signal.SIGINT), "", ""
        elif words[0] == "cp":
            shutil.copy(self.folder / words[1], self.folder / words[2])
            code, out, err = 0, "", ""
        elif words[0] == "call":
            code, out, err = 0, self._call(*words[1:]), ""
        elif step.waits:
            code, out, err = self._serve(words[1:]), "", ""
        else:
            words, given = (words[:-2], f"{words[-1]}\n") if "<<<" in words else (words, "")
            code, out, err = self._run(words[1:], given, environ)
        where = f"line {step.line}, `{step.command}`"
        assert code == step.code, f"{where}: exit {code}\n{out}{err}"
        self._compare(step.out, out, f"{where}, standard output")
        self._compare(step.err, err, f"{where}, standard error")

    def _run(self, words: list[str], given: str, environ: Mapping[str, str]) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        stdin, sys.stdin = sys.stdin, io.StringIO(given)
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        os.environ.update(environ)
        parsing = patch.object(cli, "build_parser", _parser)
        with parsing, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                sys.stdin = stdin
                for name in environ:
                    del os.environ[name]
                root.handlers[:] = handlers
                root.setLevel(level)
        watch.shown(f"the output of `{' '.join(words)}`", out.getvalue() + err.getvalue(), mints=True)
        return code, out.getvalue(), err.getvalue()

    def _call(self, key: str, method: str, target: str, *pairs: str) -> str:
        """
        Make one call as an agent, and return its status, the reason and the suggestion that its answer names.
        """
        run = json.loads((self.folder / "breakwater-state" / "run.json").read_text())
        door = urlsplit(run["doors"]["stripe"])
        connection = http.client.HTTPConnection(str(door.hostname), door.port, timeout=START_S)
        form = urlencode([(name, value) for name, _, value in (pair.partition("=") for pair in pairs)])
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-www-form-urlencoded"}
        with contextlib.closing(connection):
            connection.request(method, target, form, headers)
            answer = connection.getresponse()
            watch.shown("an answer of a transcript", answer.read().decode())
        reason = answer.headers["Breakwater-Decision"].rpartition(":")[2]
        return " ".join(filter(None, (str(answer.status), reason, answer.headers["Breakwater-Suggestion"]))) + "\n"

    def _serve(self, words: list[str]) -> int:
        self.serving = subprocess.Popen(
            [sys.executable, "-m", "proxy", *words],
            env={**environment(self.folder, self.secrets), "PYTHONPATH": str(ROOT)},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        run, until = self.folder / "breakwater-state" / "run.json", time.monotonic() + START_S
        while not run.exists() and self.serving.poll() is None and time.monotonic() < until:
            time.sleep(_STEP_S)
        return self.serving.poll() or 0

    def _stop(self, number: signal.Signals) -> int:
        if self.serving is None:
            return 0
        if self.serving.poll() is None:
            self.serving.send_signal(number)
        code, self.serving = self.serving.wait(STOP_S), None
        return code

    def _filled(self, text: str) -> str:
        return re.sub(r"<(\w+)>", lambda found: self.bound.get(found[1], found[0]), text)

    def _compare(self, wanted: tuple[str, ...], printed: str, where: str) -> None:
        met: set[str] = set()
        pattern = "".join(self._pattern(line, met) for line in wanted)
        found = re.fullmatch(pattern, printed)
        shown = "\n".join(wanted)
        assert found, f"{where}, was\n{printed}\nnot\n{shown}"
        self.bound |= found.groupdict()

    def _pattern(self, line: str, met: set[str]) -> str:
        if line == _ANY:
            return r"(?:.*\n)*?"
        return "".join(self._piece(piece, met) for piece in re.split(r"(<\w+>)", line)) + r"\n"

    def _piece(self, piece: str, met: set[str]) -> str:
        name = piece[1:-1]
        if not (piece.startswith("<") and piece.endswith(">") and name.rstrip("0123456789") in FORMS):
            return re.escape(piece)
        if name in self.bound:
            return re.escape(self.bound[name])
        if name in met:
            return f"(?P={name})"
        form = FORMS[name.rstrip("0123456789")]
        # A bare name stands for any text of its form; one that is numbered is kept.
        if not name[-1].isdigit():
            return form
        met.add(name)
        return f"(?P<{name}>{form})"


def _said(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """
    Return the words of a command, and what stands before it for its environment.
    """
    count = next((at for at, word in enumerate(words) if not re.fullmatch(r"[A-Z_]+=.*", word)), len(words))
    pairs = (word.partition("=") for word in words[:count])
    return words[count:], {name: value for name, _, value in pairs}


def read(transcript: str) -> Iterator[Step]:
    """
    Yield the commands of a transcript.
    """
    lines = transcript.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(("$ ", "& ", "^C"))]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        out, err, code = [], [], 0
        for line in lines[start + 1 : end]:
            if found := re.fullmatch(r"\[exit (\d)\]", line):
                code = int(found[1])
            elif line.startswith("! "):
                err.append(line[2:])
            elif not line.startswith("#"):
                out.append(line)
        while out and not out[-1]:
            out.pop()
        command = lines[start].removeprefix("$ ").removeprefix("& ")
        yield Step(start + 1, command, lines[start].startswith("& "), tuple(out), tuple(err), code)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """
    Work in a folder.
    """
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
