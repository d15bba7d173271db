"""The index has one property: after any history of log and file, it answers as if it had just been built."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ledger import catchup
from tests.ledger.by_hand import answers, right_answers
from tests.ledger.forged_log import Entry, ForgedLog, change, intent, outcome, resolved

calls = st.sampled_from(["C1", "C2", "C3"])
tasks = st.sampled_from(["t1", "t2"])
names = st.lists(
    st.tuples(st.sampled_from(["refund", "charge"]), st.sampled_from(["h1:a", "h1:b", "h1:c"])), max_size=3
)
indices = st.integers(0, 12)
effects = st.sampled_from(["applied", "not_applied", "unknown"])

entries: st.SearchStrategy[Entry | bytes] = st.one_of(
    st.builds(intent, calls, tasks, names),
    st.builds(outcome, calls, st.one_of(st.none(), indices), tasks, effects),
    st.builds(change, calls, indices, tasks, names),
    st.builds(resolved, calls, indices, tasks, effects, st.sampled_from(["completed", "parked"])),
    st.builds(resolved, calls, indices, tasks, effects, of=st.sampled_from(["log/1", "log/2"])),
    st.sampled_from([{"k": "call.look", "call": "C1", "op": "charges.retrieve", "prov": "stripe"}, {"k": "log.clock"}]),
    st.binary(max_size=8),
)


class History:
    """A folder, its epochs in memory, and what they once were."""

    def __init__(self, state: Path) -> None:
        self.state, self.kept, self.salt = state, [ForgedLog(salt="0")], 0
        self.logs = [ForgedLog(salt="0")]

    def newest(self) -> ForgedLog:
        return self.logs[-1]

    def another(self) -> str:
        # What is written after a log was cut is unlike what was cut off.
        self.salt += 1
        return str(self.salt)

    def save(self) -> None:
        shutil.rmtree(self.state / "ledger", ignore_errors=True)
        for number, log in enumerate(self.logs, 1):
            log.save(self.state / "ledger" / f"{number:06d}")

    def damage(self, how: Callable[[bytes], bytes]) -> None:
        file = self.state / "index.db"
        if file.exists():
            file.write_bytes(how(file.read_bytes()))


Step = Callable[[History], None]


def append(batch: list[Entry | bytes]) -> Step:
    return lambda of: of.newest().batch(*batch)


def begin_segment(of: History) -> None:
    of.newest().turn()


def remember(of: History) -> None:
    of.kept = [log.copy() for log in of.logs]


def go_back(of: History) -> None:
    of.logs = [log.copy() for log in of.kept]
    of.newest().salt = of.another()


def begin_epoch(of: History) -> None:
    of.logs.append(ForgedLog(salt=of.another()))


def tear(of: History) -> None:
    """End in an entry without its COMMIT, as a power cut leaves it; the next step works on what a start makes of it."""
    whole = of.newest().copy()
    if of.newest().segments:
        of.newest().torn({"k": "log.clock"})
    of.save()
    answers(of.state)
    of.logs[-1] = whole


def look(of: History) -> None:
    of.save()
    assert answers(of.state) == right_answers(of.state)


def remove(of: History) -> None:
    (of.state / "index.db").unlink(missing_ok=True)


def truncate(share: float) -> Step:
    return lambda of: of.damage(lambda data: data[: int(len(data) * share)])


def overwrite(filling: bytes) -> Step:
    return lambda of: of.damage(lambda data: filling * (len(data) // max(1, len(filling))))


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(append, st.lists(entries, max_size=5)),
    st.builds(append, st.lists(entries, min_size=1, max_size=5)),
    st.sampled_from([look, look, begin_segment, remember, go_back, begin_epoch, tear, remove]),
    st.builds(truncate, st.floats(0, 1)),
    st.builds(overwrite, st.binary(max_size=9)),
)


@settings(max_examples=40)
@given(st.lists(steps, max_size=12), st.sampled_from([1, 2, 7, 1000]))
def test_as_if_just_built(history: list[Step], at_once: int) -> None:
    """After any appends, cuts, new epochs and losses, every answer is that of the log alone."""
    held, catchup.ROWS_AT_ONCE = catchup.ROWS_AT_ONCE, at_once
    try:
        with tempfile.TemporaryDirectory() as folder:
            of = History(Path(folder))
            for step in (*history, look):
                step(of)
    finally:
        catchup.ROWS_AT_ONCE = held
