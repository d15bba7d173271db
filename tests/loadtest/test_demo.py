from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from loadtest.demo import __main__ as demo
from loadtest.demo.card import ALLOWED
from loadtest.installation import ROOT, START_S

RUN = [sys.executable, "-m", "loadtest.demo"]
DIFFS = (
    "   stripe charge changed: ",
    "     ~ /amount_refunded  0 → 2500",
    '     ~ /title  "It leaks" → "It leaks oil"',
    '     ~ /fields/summary  "The parcel never came" → "The parcel never came, twice"',
)
CALL = re.compile(r"· [0-9A-HJKMNP-TV-Z]{26}$", re.MULTILINE)


def leftovers() -> set[str]:
    return {path.name for path in ROOT.glob(".tmp/demo-*")}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_at_once() -> None:
    """Two demos beside each other both show every scene and diff, name their calls, and leave nothing behind."""
    before = leftovers()
    started = [subprocess.Popen(RUN, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    ended = [(process.communicate(timeout=8 * START_S), process.returncode) for process in started]
    for (out, err), code in ended:
        assert (code, err) == (0, "")
        assert [title in out for title, _ in demo.SCENES] == [True] * len(demo.SCENES)
        assert len(CALL.findall(out)) == len(demo.SCENES) - 1
        assert [diff in out for diff in DIFFS] == [True] * len(DIFFS)
    assert leftovers() <= before


@pytest.mark.slow
def test_scene_comes_out_otherwise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A scene that does not come out as expected fails the demo, and everything is stopped all the same."""
    monkeypatch.setitem(ALLOWED["stripe"], "refunds.create", {"limit": {"amount": "0.50..180 USD"}})
    before, handler = leftovers(), signal.getsignal(signal.SIGTERM)
    try:
        assert demo.main() == 1
    finally:
        signal.signal(signal.SIGTERM, handler)
    shown = capsys.readouterr()
    assert shown.err == "error: UnexpectedError: it was not refused\n"
    assert "all" not in shown.out.splitlines()[-1].split()
    assert leftovers() <= before


@pytest.mark.slow
def test_told_to_stop() -> None:
    """A demo that is told to stop ends with what it started, and leaves nothing behind."""
    before = leftovers()
    with subprocess.Popen(RUN, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        # Its children hold this pipe too: it ends when the last of them has.
        process.stdout.read()
        assert process.wait(START_S) == 1
    assert leftovers() <= before
