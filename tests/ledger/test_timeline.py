"""The record told call by call: what a task saw and did, what became of an object, and the commands that print it."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from breakers.call import Applied, Fault
from proxy.cli import ledger as ledger_command
from proxy.cli import task as task_command
from proxy.cli.lookup import moment
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.ledger.changed import Changed
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import read_stamp
from tests.ledger.world import (
    ANY_ROOM,
    START,
    Answered,
    World,
    declined,
    delivered,
    one_write,
    outcome,
    read,
    wire,
    write,
)
from tests.ledger.world import call as a_call

TASK = "support_refund_agent/2026-11-21"

CHANGED = Changed(
    (("charge", "ch_1", "update"), ("refund", "re_1", "create"), ("refund", "re_first", "create")),
    b'{"charge":{"amount_refunded":1},"refund":{"id":"re_1"}}',
    b'[{"op":"replace","path":"/charge/amount_refunded","value":1},{"op":"replace","path":"/refund","value":{"id":"re_1"}}]',
    b'[{"op":"replace","path":"/charge/amount_refunded","value":0},{"op":"replace","path":"/refund","value":null}]',
    {"expected": ["/charge/amount_refunded"], "requested": ["/refund"]},
)


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A task that reads, refunds after a look of ours, is refused, and loses an answer; and a call of another task."""
    world = World(disk=RealDisk(), folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.started()
    await ledger.read_done(read(1), outcome(body=b""), delivered(b'{"id": "ch_1\x1b[31m"}'))
    ledger.look_done(a_call(2), "charges.retrieve", outcome(Applied.NOT_APPLIED), b'{"id": "ch_1"}')
    intent = await ledger.intend(write(2), wire())
    entry = await ledger.conclude(intent, outcome(upstream_us=148_000), Answered())
    ledger.delivery_aborted(a_call(2), 3)
    ledger.change_recorded(intent, entry, CHANGED)
    await ledger.decline(declined(3))
    lost = await ledger.intend(write(4), wire())
    gone = replace(outcome(Applied.UNKNOWN, b""), status=None, fault=Fault.RESET, request_id=None)
    await ledger.conclude(lost, gone, Answered(424, body=b"nobody knows"))
    world.clock.move(60)
    await one_write(ledger, 5, task="another")
    await ledger.intend(write(6), wire())
    await ledger.close("stopped")
    return world.folder


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=Path("breakwater.yaml"), json="--json" in words)
    commands = parser.add_subparsers()
    ledger_command.add(commands.add_parser("ledger"))
    task_command.add(commands.add_parser("task"))
    args = parser.parse_args([word for word in words if word != "--json"])
    return int(args.run(args))


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """A header by itself, then each block's call and its other lines; the time in front of it is another test's."""
    for block in "\n".join(lines).split("\n\n"):
        first, *rest = block.split("\n")
        yield first.split("  ", 1)[-1], rest


def test_timeline(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task is told call by call: our looks, what was moved, how it ended, what changed, what was refused and why."""
    assert run("task", "timeline", TASK, "--dir", str(state)) == 0
    assert list(blocks(said(capsys))) == [
        (f"task {TASK}: 5 calls", []),
        (f"{a_call(1).id}  stripe refunds.retrieve", ["  read: status 200, 0 ms, 19 bytes"]),
        (
            f"{a_call(2).id}  stripe refunds.create",
            [
                "  our look at charges.retrieve: status 200, 0 ms",
                "  moves 12.00 USD",
                "  applied, sent yes, status 200, 148 ms",
                "  cut off after 3 bytes",
                "  stripe charge changed: 1 expected",
                "    ~ /amount_refunded  0 → 1  (expected)",
                "  stripe refund created: 1 requested",
                '    + /id  "re_1"',
            ],
        ),
        (f"{a_call(3).id}  stripe refunds.create", ["  refused: limit-exceeded, status 403, by limits"]),
        (
            f"{a_call(4).id}  stripe refunds.create",
            [
                "  moves 12.00 USD",
                "  unknown, sent yes, reset, 0 ms, shown as status 424",
                "  in doubt: nobody knows whether it took effect",
            ],
        ),
        (
            f"{a_call(6).id}  stripe refunds.create",
            ["  moves 12.00 USD", "  no outcome is on record: it is under way, or in doubt"],
        ),
    ]


def test_full(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In full, a call is told with who judged it and all that was sent and shown, harmless to a terminal."""
    assert run("task", "timeline", TASK, "--full", "--dir", str(state)) == 0
    _, (_, a_read), (_, a_write), (_, refused), (_, lost), _ = blocks(said(capsys))
    assert a_read[:3] == [
        "  read: status 200, 0 ms, 19 bytes",
        "  judged by stripe.refunds.create under policy-1",
        "  moves 12.00 USD",
    ]
    assert '  shown to the agent: {"id": "ch_1\\x1b[31m"}' in a_read
    assert '  upstream\'s answer: {"id": "ch_1"}' in a_write
    assert "  shown to the agent as it came" in a_write
    assert any('"form":[["charge","ch_1"],["amount","2"]]' in line for line in a_write if "  request: " in line)
    assert any('["detail","It is over the limit."]' in line for line in refused)
    assert "  shown to the agent: nobody knows" in lost


async def test_full_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In full nothing is cut, however long it is."""
    world = World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM)
    ledger = world.started()
    await ledger.read_done(read(1), outcome(body=b""), delivered(b"x" * 50_000))
    await ledger.close("stopped")
    run("task", "timeline", TASK, "--full", "--dir", str(tmp_path))
    assert f"  shown to the agent: {'x' * 50_000}" in said(capsys)


def test_timeline_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON a task is an array of calls with their records; changes are opened, and in full all payloads."""
    run("task", "timeline", TASK, "--dir", str(state), "--json")
    told = json.loads(capsys.readouterr().out)
    assert [call["call"] for call in told] == [a_call(n).id for n in (1, 2, 3, 4, 6)]
    assert {name: value for name, value in told[1].items() if name != "records"} == {
        "call": a_call(2).id,
        "task": TASK,
        "agent": "support_refund_agent",
        "api": "stripe",
        "operation": "refunds.create",
    }
    kinds = ["call.look", "call.intent", "call.outcome", "call.delivery", "change.recorded"]
    assert [record["entry"]["k"] for record in told[1]["records"]] == kinds
    assert ["payloads" in record for record in told[1]["records"]] == [False, False, False, False, True]
    assert told[1]["records"][4]["payloads"]["patch"]["json"][1]["value"] == {"id": "re_1"}
    run("task", "timeline", TASK, "--dir", str(state), "--json", "--full")
    full = json.loads(capsys.readouterr().out)
    assert full[3]["records"][1]["payloads"]["seen"] == {"text": "nobody knows"}


def test_tasks_apart(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task has its own calls only, and records that belong to no call stand for themselves."""
    run("task", "timeline", "another", "--dir", str(state))
    assert [first for first, _ in blocks(said(capsys))] == [
        "task another: 1 call",
        f"{a_call(5).id}  stripe refunds.create",
    ]
    run("task", "timeline", "system", "--dir", str(state))
    told = list(blocks(said(capsys)))
    assert told[0] == ("task system: 0 calls", [])
    assert [first.split("  ")[0] for first, _ in told[1:]] == ["log.opened", "kill.changed", "log.closed"]


def test_order(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls stand in the order of their first records, each with the time of that."""
    run("task", "timeline", TASK, "--dir", str(state))
    times = [line.split("  ")[0] for line in said(capsys) if line.startswith("2026-")]
    assert times == sorted(times)
    assert read_stamp(times[0]) - START < timedelta(seconds=1)
    assert read_stamp(times[-1]) - START >= timedelta(seconds=60)


def test_history(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An object is told under each of its ids, with whose calls they were and with its own changes only."""
    for one in ("re_1", "re_first"):
        assert run("ledger", "history", "stripe", "refund", one, "--dir", str(state)) == 0
        assert list(blocks(said(capsys))) == [
            (f"stripe refund {one}: 1 call", []),
            (
                f"{a_call(2).id}  stripe refunds.create",
                [
                    f"  agent support_refund_agent, task {TASK}",
                    "  our look at charges.retrieve: status 200, 0 ms",
                    "  moves 12.00 USD",
                    "  applied, sent yes, status 200, 148 ms",
                    "  cut off after 3 bytes",
                    "  stripe refund created: 1 requested",
                    '    + /id  "re_1"',
                ],
            ),
        ]
    run("ledger", "history", "stripe", "charge", "ch_1", "--dir", str(state), "--json")
    (told,) = json.loads(capsys.readouterr().out)
    assert [one["type"] for one in told["records"][-1]["entry"]["res"]] == ["charge", "refund", "refund"]


async def test_history_of_two_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An object is found in what was recorded before the key ring got a newer secret, and in what came after."""
    world = World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM)
    for number in (1, 2):
        ledger = world.started()
        intent = await ledger.intend(write(number), wire())
        ledger.change_recorded(intent, await ledger.conclude(intent, outcome(), Answered()), CHANGED)
        await ledger.close("stopped")
        turned = json.loads((tmp_path / "keyring").read_bytes())
        second = base64.b64encode(hashlib.sha256(turned["secrets"]["1"].encode()).digest()).decode()
        turned = {**turned, "current": 2, "secrets": {**turned["secrets"], "2": second}}
        RealDisk().remove(tmp_path / "keyring")
        (tmp_path / "keyring").write_text(json.dumps(turned), "utf-8")
    run("ledger", "history", "stripe", "refund", "re_first", "--dir", str(tmp_path), "--json")
    assert [told["call"] for told in json.loads(capsys.readouterr().out)] == [a_call(1).id, a_call(2).id]


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (
            ("task", "timeline", "support_refund_agent/2026-11-22"),
            "no record names the task",
            f"did you mean `{TASK}`?",
        ),
        (("task", "timeline", "x"), "no record names the task 'x'", f"the newest are `{TASK}` or `another`"),
        (("ledger", "history", "strip", "refund", "re_1"), "there is no API 'strip'", "did you mean `stripe`?"),
        (("ledger", "history", "jira", "issue", "A-1"), "there is no API 'jira'", "known here: stripe"),
        (("ledger", "history", "stripe", "refnd", "re_1"), "no objects of the type 'refnd'", "did you mean `refund`?"),
        (("ledger", "history", "stripe", "x", "re_1"), "no objects of the type 'x'", "known here: charge, refund"),
        (("ledger", "history", "stripe", "refund", "re_9"), "no record names the stripe refund 're_9'", "write its id"),
    ],
)
def test_unknown(words: tuple[str, ...], error: str, hint: str, state: Path) -> None:
    """What is on record nowhere is an error, with what there is in its place."""
    with pytest.raises(StartRefused, match=error) as refused:
        run(*words, "--dir", str(state))
    assert refused.value.hint.startswith(hint)


@pytest.mark.parametrize("verb", [("task", "timeline", "x"), ("ledger", "history", "a", "b", "c"), ("ledger", "find")])
def test_no_ledger(verb: tuple[str, ...], tmp_path: Path) -> None:
    """A folder without a ledger is an error, and stays as it is."""
    with pytest.raises(StartRefused, match="there is no ledger in"):
        run(*verb, "--dir", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("--task", "another"), "call.intent call.outcome"),
        (("--kind", "log.opened"), "log.opened"),
        (("--open",), "call.intent call.intent"),
        (("--agent", "support_refund_agent", "--kind", "call.decision"), "call.decision"),
        (("--api", "stripe", "--operation", "charges.retrieve"), "call.look"),
        (("--since", "2026-11-21T13:01+01:00", "--task", TASK), "call.intent"),
        (("--since", "2999-01-01"), ""),
        (("--until", "2026-11-21T12:00:01", "--kind", "call.intent"), "call.intent call.intent"),
        (("--until", "2026-11-21"), ""),
        (("-n", "1"), "log.closed"),
        (("-n", "0"), ""),
    ],
)
def test_find(words: tuple[str, ...], kinds: str, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records are found by all that is given, and printed as the newest are."""
    assert run("ledger", "find", *words, "--dir", str(state)) == 0
    lines = said(capsys)
    assert lines[0].split() == ["INDEX", "TIME", "KIND", "CALL", "AGENT", "OPERATION", "RESULT"]
    assert [line.split()[2] for line in lines[1:]] == kinds.split()


def test_find_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, what is found are the records with their places."""
    run("ledger", "find", "--call", a_call(3).id, "--dir", str(state), "--json")
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["entry"]["k"], found["epoch"]) == ("call.decision", "000001")


def test_moments() -> None:
    """A moment is a time in any zone, a day, or how long ago; what is none is a fault of usage."""
    assert moment("2026-11-21") == "2026-11-21T00:00:00.000000Z"
    assert moment("2026-11-21T01:30:00.5+02:00") == "2026-11-20T23:30:00.500000Z"
    then = read_stamp(moment("3d"))
    assert timedelta(days=3) <= SystemClock().now() - then < timedelta(days=3, minutes=1)
    for text in ("yesterday", "3", "-1h", "0s", "2026-13-01", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="is no moment"):
            moment(text)


def test_odd_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read as a record is told as that, and everything else beside it."""
    from tests.ledger.forged_log import ForgedLog, intent

    World(disk=RealDisk(), folder=tmp_path, settings=ANY_ROOM).open()
    log = ForgedLog()
    log.batch(b"no JSON", intent("C1", TASK, moves={"micros": "1", "currency": "points"}), {"k": "new", "task": TASK})
    log.batch(
        {"k": "call.outcome", "task": TASK, "call": "C1", "intent": 1, "seen": "x"}, {**intent("C2", TASK), "act": 7}
    )
    log.batch({"k": "call.delivery", "task": TASK, "call": {}}, {"k": "kill.changed", "task": TASK})
    log.save(tmp_path / "ledger" / "000001")
    run("task", "timeline", TASK, "--dir", str(tmp_path))
    odd = "this entry is not one of ours: see `breakwater ledger verify`"
    assert list(blocks(said(capsys)))[1:] == [
        ("C1  stripe refunds.create", ["  moves 1 micro-units of points", f"  call.outcome  {odd}"]),
        ("new", []),
        ("C2  stripe refunds.create", ["  no outcome is on record: it is under way, or in doubt"]),
        ("cut off after ? bytes", []),
        (f"kill.changed  {odd}", []),
    ]
