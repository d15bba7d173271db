"""What docs/TASKS.md tells people to type does what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from breakers.caveats import read_caveat
from config.faults import Unreadable
from loadtest.installation import ROOT
from proxy.keys import make_key
from proxy.upstreamkey import mint_key
from tests.canary.plugin import watch
from tests.ledger.world import Counted
from tests.proxy.token_world import TASK, UNTIL, tokens

PAGE = (ROOT / "docs" / "TASKS.md").read_text("utf-8")
SHELL, PYTHON = (re.search(rf"^```{name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for name in ("bash", "python"))
RING = tokens()


def by_shell(token: str, caveat: str) -> str:
    """
    Narrow a token as the page's lines of shell do.
    """
    assert SHELL is not None
    script = f'set -euo pipefail\n{SHELL[1]}printf %s "$NARROW"\n'
    bash = shutil.which("bash") or "bash"
    given = {"TOKEN": token, "CAVEAT": caveat, "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
    ran = subprocess.run([bash, "-c", script], env=given, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def by_python(token: str, caveat: str) -> str:
    """
    Narrow a token as the page's function does.
    """
    assert PYTHON is not None
    room: dict[str, Callable[[str, str], str]] = {}
    exec(PYTHON[1], room)
    return room["narrowed"](token, caveat)


NEEDED = ("bash", "openssl", "basenc")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
WAYS = [
    pytest.param(by_shell, id="shell", marks=pytest.mark.skipif(bool(MISSING), reason=f"there is no {MISSING}")),
    pytest.param(by_python, id="python"),
]


@pytest.mark.parametrize("prefix", ["", "rk_"])
@pytest.mark.parametrize("narrow", WAYS)
def test_narrowing(narrow: Callable[[str, str], str], prefix: str) -> None:
    """Each way of narrowing that the page shows makes an authentic token with that caveat, whatever its length."""
    for caveats in ((), ("n=1",), ("n=10",), ("n=100",)):
        token = RING.mint(TASK, UNTIL, caveats, prefix).spelled()
        made = narrow(token, "r=charges.*:r|refunds.create:rw")
        watch.minted(made)
        verified, before = RING.verify(made), RING.verify(token)
        assert verified is not None, len(token)
        assert before is not None
        assert made.startswith(f"{prefix}bw1_1_")
        assert verified.caveats[:-1] == before.caveats
        assert (verified.caveats[-1].key, verified.caveats[-1].value) == ("r", "charges.*:r|refunds.create:rw")


def test_three_lines() -> None:
    """The shell is three lines."""
    assert SHELL is not None
    assert len(SHELL[1].splitlines()) == 3


def test_caveats() -> None:
    """Every caveat of the page is one, and the page has every key."""
    rows = re.findall(r"^\| `([a-z]+=[^`]+)` \|", PAGE, re.MULTILINE)
    keys = {read_caveat(row.replace("\\|", "|")).key for row in rows}
    assert keys | {"t", "a"} == {"t", "a", "exp", "nbf", "p", "r", "m", "max", "n", "ip", "peer", "env", "appr"}
    with pytest.raises(Unreadable):
        read_caveat("later=1")


def test_scanner() -> None:
    """The pattern for scanners finds a token in the midst of anything, and nothing else of ours."""
    (pattern,) = re.findall(r"^    (rk_bw1_.*)$", PAGE, re.MULTILINE)
    finds = re.compile(pattern).search
    for prefix in ("", "rk_"):
        text = RING.mint(TASK, UNTIL, ("n=1",), prefix).spelled()
        assert finds(f'{{"key": "{text}"}}')
        assert finds(f"curl -u {text}: http://127.0.0.1")
    for other in (make_key("clerk", Counted())[1], mint_key(Counted()), TASK, "a" * 200):
        assert not finds(other)
