"""
Load: what Breakwater costs, beside a bare proxy in the same run.

One worker on one core. A governed read, and a governed create with its limit judged and both of its records synced to
disk, each beside a reverse proxy that only passes bytes on, and beside no proxy at all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import NoReturn

from loadtest.course import Course, Plan, Result
from loadtest.installation import NotStartedError
from loadtest.measure import DIRECT, Row, Verdict
from loadtest.scenario import OPERATIONS
from loadtest.stage import Cores, build, choose_cores

# Of fewer, the median is not one that an outlier leaves alone.
ROUNDS_MIN = 3

EPILOG = """\
exit codes: 0 the figures stand and every count is right, 1 a count is wrong or
something failed, 2 usage, 3 the run is invalid: the ceiling, calls without any
proxy, is under twice the best subject, so the subjects were not what was measured
"""


def arguments() -> argparse.ArgumentParser:
    """
    Return the parser of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description=(__doc__ or "").strip(),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=_positive, default=1.0, help="how long each figure is measured (default 1)")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help=f"at least {ROUNDS_MIN} (default)")
    parser.add_argument("--connections", type=int, default=32, help="of the generator (default 32)")
    parser.add_argument("--rate", type=_positive, default=200.0, help="calls/s while latency is timed (default 200)")
    parser.add_argument("--json", action="store_true", help="print data as JSON")
    return parser


def _positive(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def plan(given: Sequence[str] | None) -> tuple[Plan, bool]:
    """
    Read the command line: how the run is made, and whether it is printed as JSON.
    """
    parser = arguments()
    options = parser.parse_args(given)
    if options.rounds < ROUNDS_MIN:
        parser.error(f"--rounds is at least {ROUNDS_MIN}")
    if options.connections < 1:
        parser.error("--connections is at least 1")
    return Plan(options.rounds, options.seconds, options.connections, options.rate), options.json


def setting(made: Plan, cores: Cores) -> list[str]:
    """
    Say on what, with what and how it was measured.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop"))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    read, create = (operation.name for operation in OPERATIONS.values())
    closed = f"{made.connections} connections, closed loop, {made.seconds:g} s"
    paced = f"{made.per_second:g} calls/s, open loop, {made.seconds:g} s"
    return [
        f"{machine}, Python {platform.python_version()}, {packages}",
        f"one worker on one core · {cores}",
        f"read: {read} · create: {create}, its amount limited, both of its records synced",
        f"medians of {made.rounds} rounds · calls/s: {closed} · latency: {paced}",
    ]


HEAD = f"{'':8}{'':12}{'calls/s':>9}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}{'added p50':>11}{'added p99':>11}"


def line(row: Row) -> str:
    """
    Return a row as it is printed.
    """
    speed = f"{row.calls_per_second:>9,.0f}{row.of_bare:>9.2f}"
    told = f"{row.operation:8}{row.road:12}{speed}{row.p50_ms:>9.2f}{row.p99_ms:>9.2f}"
    return told if row.road == DIRECT else f"{told}{row.added_p50_ms:>+11.2f}{row.added_p99_ms:>+11.2f}"


def show(result: Result, described: Sequence[str], *, as_json: bool) -> None:
    """
    Print what a run came to.
    """
    judgement = result.judgement
    if as_json:
        document = {
            "verdict": judgement.verdict.name.lower(),
            "why": judgement.why,
            "setting": described,
            "table": [asdict(row) for row in result.table],
            "counts": result.counts,
        }
        print(json.dumps(document, indent=2))
        return
    print("\n".join(["", HEAD, *map(line, result.table), ""]))
    if judgement.verdict is Verdict.HELD:
        total = sum(result.counts.values())
        print(f"{total:,} calls, each answered 200 and once at the upstream; every governed one is on record")
    for why in judgement.why:
        print(f"{judgement.verdict.name.lower()}: {why}")


def _stop(*_: object) -> NoReturn:
    # An ordinary exit, so that everything that was started is stopped on the way out.
    sys.exit(1)


def main(given: Sequence[str] | None = None) -> int:
    """
    Run, print, and return the verdict's exit code.
    """
    made, as_json = plan(given)
    signal.signal(signal.SIGTERM, _stop)
    cores = choose_cores()
    try:
        with build(cores) as stage:
            described = setting(made, cores)
            if not as_json:
                print("\n".join(described), flush=True)
            result = Course(stage, made).run()
    except (NotStartedError, OSError, subprocess.SubprocessError) as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return Verdict.FAILED.value
    show(result, described, as_json=as_json)
    return result.judgement.verdict.value


if __name__ == "__main__":
    sys.exit(main())
