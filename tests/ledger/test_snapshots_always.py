"""Snapshots have one property: with them, without them, with any of them, a start knows the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ledger.verify import verify
from tests.ledger.histories import HISTORIES, history, said_by, snapshots_in
from tests.ledger.world import FOLDER

LONG_S = 30 * 86_400.0

MEMORIES = st.sampled_from([LONG_S, 4_000.0, 30.0])
"""For how long an end is told of, in seconds: most histories are shorter than the first, and longer than the last."""


@settings(max_examples=40)
@given(HISTORIES, MEMORIES, st.booleans(), st.data())
def test_same_start(steps: list[tuple[str, int]], remembered_s: float, clean: bool, data: st.DataObject) -> None:
    """After any history a start knows the same with all snapshots, with some of them, and with none."""
    if remembered_s < LONG_S:
        # Of a log that began before the bound the former ones are not read: then it matters when they were.
        steps = [(step, which) for step, which in steps if step != "moved"]
    made = history([*steps, *([("closed", 0)] if clean else [])], remembered_s=remembered_s)
    made.ledger._state.snapshots.make(lambda: None)
    disk = made.world.disk
    names = snapshots_in(disk)
    some = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    known = []
    for gone in ([], some, names):
        found = disk.after_kill()
        for name in gone:
            found.remove(Path(name))
        ledger = replace(made.world, disk=found, randomness=replace(made.world.randomness)).open()
        known.append(said_by(ledger, since=True))
        assert verify(found, FOLDER).ok
    assert known[0] == known[2]
    assert known[1] == known[2]
