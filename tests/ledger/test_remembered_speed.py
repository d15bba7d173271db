"""Speed: what a long log says of the writes that came before is read at a start in seconds, and held only once."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import orjson
import pytest

from breakers.known import Names
from breakers.stops import RUNNING
from proxy.ledger import records
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import stamp
from proxy.ledger.fold import fold
from proxy.ledger.layout import LEDGER
from proxy.ledger.read import read_segment
from proxy.ledger.remembered import Events, Remembered
from tests.ledger.forged_log import ForgedLog
from tests.ledger.world import ANY_ROOM, START, Answered, World, commit_now, outcome, wire, write

WRITES = 30_000

BATCH = 64
"""Entries that became durable together under load."""

FLOOR: int = json.loads(Path(__file__).with_name("floors.json").read_text())["start: writes remembered a second"]


@pytest.fixture
def epoch(tmp_path: Path) -> Iterator[Path]:
    """A log of so many writes, each with its outcome, as real ones are spelled."""
    world = World(disk=RealDisk(), folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.open()
    held = write(1, names=Names(("f1:" + "a" * 32,), "k:" + "b" * 32, "e:" + "c" * 32))
    intent = records.intent(held, replace(wire(), keyed=True), ledger.ring, b"r" * 32)
    commit_now(ledger, intent, records.write_outcome(held.go.call, 2, outcome(), Answered(), 65_536))
    folder = world.folder / LEDGER / "000001"
    (segment,) = folder.glob("*.bwl")
    *first, opened, ended = [record.entry for record in read_segment(segment.read_bytes(), segment, 0)]
    log = ForgedLog()
    log.batch(*first)
    entries = _told_again(dict(opened), dict(ended))
    while batch := list(islice(entries, BATCH)):
        log.batch(*batch)
    log.save(folder)
    yield folder
    # It is larger than all else that a run leaves behind.
    shutil.rmtree(tmp_path)


def _told_again(opened: dict[str, object], ended: dict[str, object]) -> Iterator[bytes]:
    for number in range(WRITES):
        index = 2 + 2 * number
        said = {"call": f"{number:026d}", "ts": stamp(START + timedelta(milliseconds=number))}
        idem = {"f": f"f1:{number:032x}", "k": f"k:{number:032x}", "e": f"e:{number:032x}", "up": True}
        yield orjson.dumps({**opened, **said, "i": index, "idem": idem}, option=orjson.OPT_SORT_KEYS)
        yield orjson.dumps({**ended, **said, "i": index + 1, "intent": index}, option=orjson.OPT_SORT_KEYS)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_remembered(epoch: Path, figure: Callable[[str, float], None]) -> None:
    """A start verifies a log and remembers its writes above the floor; what was told is held no longer."""
    remembered = Remembered(START - timedelta(days=1))
    gc.collect()
    began = time.process_time()
    found = fold(RealDisk(), epoch, remembered)
    worked = time.process_time() - began
    figure("start: writes remembered a second", round(WRITES / worked))
    assert (found.tree.size, found.damage) == (2 + 2 * WRITES, None)
    events = Events(RealDisk(), epoch.parent, lambda: RUNNING, remembered)
    assert sum(1 for _ in events) == 1 + 2 * WRITES
    assert not remembered.told
    assert WRITES / worked > FLOOR
