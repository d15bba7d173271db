"""
`breakwater` with the hooks of a test, as a program: `python -m tests.chaos.serving HOOK ARGUMENT …`.

A parent starts its workers by its own command, so that they have the hooks as well.
"""

from __future__ import annotations

import json
import sys

from proxy.cli import main as breakwater
from tests.gaps import hooks


def main() -> int:
    """
    Put the hooks in place, and become the command.
    """
    hooks.install(json.loads(sys.argv[1]))
    return breakwater(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
