"""
A program that has imported Breakwater, has neither thread nor event loop, and forks a child for each order it reads.

An order is a line of JSON on standard input, its reply a line on standard output: `{"argv", "environ", "log", "hook"}`
forks the command line and gives its pid, `{"wait": pid, "within_s"}` gives its exit code or null. At the end of the
input every child that is left is killed.

What every start does in the same way was done once before the first fork: the modules of `serve` are loaded, the models
built, the bundled catalogues compiled and the system's authorities read, each by the cache that a process has anyway.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from config.load import load
from config.tables import BUNDLED, load_catalog
from loadtest.installation import ROOT
from proxy.cli import main as breakwater
from proxy.cli import serve
from proxy.dial import tls_context
from tests.crash.lies import LIES
from tests.gaps import hooks

POLL_S = 0.003
CRASHED = 70


def prepare() -> None:
    """Do what every start would do again, and let no child copy what it only reads."""
    assert serve.run is not None
    load(ROOT / "config" / "example.yaml")
    for name in BUNDLED:
        load_catalog(name, ROOT)
    tls_context()
    gc.collect()
    gc.freeze()


def fork(order: dict[str, Any]) -> int:
    """Fork the command and return its pid; only the one thread that forks would live on in the child."""
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "the parent has threads"
    pid = os.fork()
    if pid == 0:
        code = CRASHED
        try:
            code = child(order)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else CRASHED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def child(order: dict[str, Any]) -> int:
    """Become the command: its own output, its own environment, and the hook that was asked for."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environ"])
    hook = order["hook"] or {}
    hooks.install(hook)
    if "lie" in hook:
        LIES[hook["lie"]][0]()
    return breakwater(order["argv"])


def wait(pid: int, within_s: float) -> int | None:
    """Return a child's exit code, negative for a signal's number, or None where it runs on."""
    until = time.monotonic() + within_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(POLL_S)


def main() -> None:
    """Obey until there are no more orders."""
    prepare()
    left: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            reply = wait(order["wait"], order["within_s"])
            if reply is not None:
                left.discard(order["wait"])
        else:
            reply = fork(order)
            left.add(reply)
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
