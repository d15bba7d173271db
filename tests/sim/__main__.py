"""
Run simulated seeds by hand: `python -m tests.sim 42` prints the trace of one, `--digest 3 7` the digests of some, and
`--from 200 --count 50` runs many and prints those that break. `--without NAME` takes a safeguard away first.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

from tests.sim.ablations import ABLATIONS
from tests.sim.run import simulated


def main() -> int:
    """
    Run what the command line asks for; return 1 where an invariant did not hold.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Run simulated deployments.")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--digest", action="store_true", help="print the digest of each trace, and no trace")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--without", choices=sorted(ABLATIONS), help="a safeguard to take away")
    told = parser.parse_args()
    broken = 0
    with ABLATIONS[told.without].away() if told.without else contextlib.nullcontext():
        for seed in told.seeds:
            ran = simulated(seed)
            broken += ran.broken is not None
            sys.stdout.write((ran.trace if told.digest else "\n".join(ran.lines)) + "\n")
        for seed in range(told.first, told.first + told.count):
            ran = simulated(seed)
            if ran.broken is not None:
                broken += 1
                sys.stdout.write(f"seed {seed}: {ran.broken}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
