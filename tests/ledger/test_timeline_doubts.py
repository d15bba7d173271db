"""Repeats and doubts as people read them: the lines of a timeline, of a call, and of the table of records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from breakers.call import Applied, Call
from breakers.known import Earlier, State
from breakers.verdict import Reason, Refuse
from proxy.ledger.book import Ledger
from proxy.ledger.disk import RealDisk
from proxy.ledger.doubts import Probed
from tests.ledger.test_doubts import ABSENT, FOUND, PARKED, SAID
from tests.ledger.test_timeline import TASK, blocks, run, said
from tests.ledger.world import ANY_ROOM, START, Answered, World, declined, outcome, wire, write
from tests.ledger.world import call as a_call


def earlier(call: Call) -> Earlier:
    """The record of a call as a store has it."""
    return Earlier(call.id, State.COMPLETED, START, "stripe", "refunds.create", "a", "t", "f1:aa")


async def doubted(ledger: Ledger, number: int) -> None:
    """Write, never hear of it, and look for it once."""
    intent = await ledger.intend(write(number), wire())
    await ledger.conclude(intent, replace(outcome(Applied.UNKNOWN), status=502), Answered(424, body=b"nobody knows"))
    await ledger.doubt_opened(intent.opened)
    await ledger.doubt_probed(intent.opened, Probed("list", "none", 3, b'[{"id": "re_0"}]'))
    ends = {2: (), 3: (ABSENT,), 4: (PARKED,), 5: (PARKED, SAID), 6: (replace(FOUND, incident="duplicate"),)}
    for end in ends[number]:
        await ledger.doubt_resolved(intent.opened, end)


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A write that is repeated, five in doubt, one refused as a duplicate, and one that a start finds."""
    world = World(disk=RealDisk(), folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.started()
    held = write(1)
    intent = await ledger.intend(replace(held, go=replace(held.go, flags=("repeated",))), wire())
    await ledger.conclude(intent, outcome(), Answered())
    for number in range(2, 7):
        await doubted(ledger, number)
    for number, how in ((7, "replay"), (8, "join"), (9, "unknown"), (10, "otherwise")):
        ledger.repeated(a_call(number), earlier(a_call(1)), how, 200)
    ledger.delivered(a_call(7), a_call(1).id)
    suspected = Refuse(Reason.DUPLICATE_SUSPECTED, "duplicates", "It was done.", (("call", a_call(1).id),))
    await ledger.decline(replace(declined(11), refuse=suspected, par=a_call(1).id))
    found = await ledger.intend(write(12), wire())
    await ledger.doubt_opened(found.opened)
    await ledger.close("stopped")
    return world.folder


LOST = [
    "  moves 12.00 USD",
    "  unknown, sent yes, status 502, 0 ms, shown as status 424",
    "  it is looked into: nobody knows how it ended",
    "  looked for it (list): found none, 3 in all",
]


def test_timeline(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task is told with what was a repeat of what, what was in doubt, what was done about it and how it ended."""
    assert run("task", "timeline", TASK, "--dir", str(state)) == 0
    header, *told = blocks(said(capsys))
    assert header == (f"task {TASK}: 12 calls", [])
    lines = {int(first.split()[0].removeprefix("CALL")): rest for first, rest in told}
    first = a_call(1).id
    assert lines[2] == [*LOST, "  in doubt: nobody knows whether it took effect"]
    assert lines[3] == [*LOST, "  resolved as not_applied, by reconciler (absent)"]
    parked = "  a person must say how it ended, by reconciler (ambiguous)"
    assert lines[4] == [*LOST, parked, "  in doubt: a person is to say whether it took effect"]
    assert lines[5] == [*LOST, parked, "  resolved as not_applied, by operator (said)"]
    assert lines[6] == [*LOST, "  resolved as applied, by reconciler (found), INCIDENT duplicate"]
    assert lines[7] == [
        f"  repeat of {first}: replayed, status 200",
        f"  the answer of {first}, which its own caller had missed, arrived here",
    ]
    assert lines[8] == [f"  repeat of {first}: joined, status 200"]
    assert lines[9] == [f"  repeat of {first}: nobody knows how that ended, status 200"]
    assert lines[10] == [f"  repeat of {first}: otherwise, status 200"]
    assert lines[11] == ["  refused: duplicate-suspected, status 403, by duplicates"]
    assert lines[12] == [
        "  moves 12.00 USD",
        "  it is looked into: nobody knows how it ended",
        "  in doubt: nobody knows whether it took effect",
    ]


def test_full(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In full it is told with the evidence, the answer that was put together, a person's words and what was noted."""
    assert run("task", "timeline", TASK, "--full", "--dir", str(state)) == 0
    lines = said(capsys)
    for line in (
        '  what was seen: [{"id": "re_0"}]',
        '  shown to the agent: {"id": "re_1"}',
        "  an operator's words: It is not in the dashboard.",
        '  headers shown: [["content-type","application/json"]]',
        "  noted: repeated",
        f"  for the sake of {a_call(1).id}",
    ):
        assert line in lines, line
    assert not any("under None" in line for line in lines)


def test_find(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open are the writes in doubt, and the table says what became of each."""
    run("ledger", "find", "--open", "--dir", str(state))
    assert [line.split()[3] for line in said(capsys)[1:]] == [a_call(n).id for n in (2, 4, 12)]
    run("ledger", "find", "--kind", "recovery.resolved", "--dir", str(state))
    assert [line.split("  ")[-1].strip() for line in said(capsys)[1:]] == [
        "resolved as not_applied, by reconciler (absent)",
        "a person must say how it ended, by reconciler (ambiguous)",
        "a person must say how it ended, by reconciler (ambiguous)",
        "resolved as not_applied, by operator (said)",
        "resolved as applied, by reconciler (found), INCIDENT duplicate",
    ]
