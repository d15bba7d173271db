"""`breakwater ledger`: what it prints and how it exits."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from breakers.call import Applied
from proxy.cli import ledger as command
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk
from tests.ledger.world import ANY_ROOM, Answered, World, declined, delivered, one_write, outcome, read, wire, write
from tests.ledger.world import call as a_call


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    world = World(disk=RealDisk(), folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.started()
    await one_write(ledger, 1)
    await ledger.decline(declined(2))
    await ledger.read_done(read(3), outcome(body=b""), delivered())
    held = write(4, pairs=(("note", "\x1b[31mred"),), idempotency_key="agents-key")
    await ledger.conclude(await ledger.intend(held, wire()), outcome(Applied.UNKNOWN), Answered(424, body=b"unknown"))
    await ledger.close("stopped")
    return world.folder


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=None, json="--json" in words)
    command.add(parser.add_subparsers().add_parser("ledger"))
    args = parser.parse_args(["ledger", *(word for word in words if word != "--json")])
    return int(args.run(args))


def test_verify(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole ledger is ok, with its size and root."""
    assert run("verify", "--dir", str(state)) == 0
    printed = capsys.readouterr().out
    assert "breakwater.invalid/local/0/1: 9 entries and 10 payloads in 1 segments" in printed
    assert printed.endswith("ok\n")
    assert run("verify", "--dir", str(state), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["finding"], said["epochs"][0]["size"]) == (True, None, 9)


def test_verify_damage(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped byte exits 1, names the finding, and where it is."""
    segment = next(state.glob("ledger/000001/*.bwl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    assert run("verify", "--dir", str(state)) == 1
    assert f"error: tampered: epoch 000001, {segment.name}, byte " in capsys.readouterr().err
    assert run("verify", "--dir", str(state), "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["finding"], said["findings"][0]["segment"]) == ("tampered", segment.name)


def test_show(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A call is printed whole: who, what, how it was judged, what was sent and what came back."""
    assert run("show", a_call(1).id, "--dir", str(state)) == 0
    printed = capsys.readouterr().out
    for said in (
        f"call {a_call(1).id}",
        "agent      support_refund_agent",
        "operation  refunds.create",
        "call.intent  may be sent from here on",
        "call.outcome  applied, sent yes, status 200, 0 ms",
        "judged by stripe.refunds.create under policy-1",
        '"form":[["charge","ch_1"],["amount","1"]]',
        'upstream\'s answer: {"id": "re_1"}',
        "the upstream calls it req_1",
    ):
        assert said in printed
    assert run("show", a_call(2).id, "--dir", str(state)) == 0
    assert "refused: limit-exceeded, status 403" in capsys.readouterr().out


def test_show_is_safe_and_whole(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What an agent wrote cannot steer the terminal; the JSON has it as it was."""
    run("show", a_call(4).id, "--dir", str(state))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "shown to the agent: unknown" in printed
    run("show", a_call(4).id, "--dir", str(state), "--json")
    (intent, ended) = json.loads(capsys.readouterr().out)
    assert json.loads(intent["payloads"]["req"]["text"])["body"] == {"form": [["note", "\x1b[31mred"]]}
    head = {"text": '[["content-type","application/json"]]'}
    assert ended["payloads"] == {"head": head, "resp": {"text": '{"id": "re_1"}'}, "seen": {"text": "unknown"}}
    assert (intent["segment"], intent["entry"]["k"]) == ("seg-00000000000000000000.bwl", "call.intent")


def test_show_without_payloads(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where keys or payloads are gone, the record is printed and says so."""
    next(state.glob("ledger/000001/*.bwb")).unlink()
    run("show", a_call(1).id, "--dir", str(state))
    assert "request: cannot be opened: its file is missing" in capsys.readouterr().out


def test_show_erased(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the data key was destroyed, the record is printed and says so."""
    (state / "keys.db").unlink()
    run("show", a_call(1).id, "--dir", str(state))
    assert "request: cannot be opened: its key was destroyed" in capsys.readouterr().out


def test_show_unknown(state: Path) -> None:
    """A call that is not on record is an error with its hint."""
    with pytest.raises(StartRefused, match="no record names the call nothing"):
        run("show", "nothing", "--dir", str(state))


def test_tail(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest records are printed, oldest first, as many as were asked for."""
    run("tail", "-n", "3", "--dir", str(state))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["INDEX", "TIME", "KIND", "CALL", "AGENT", "OPERATION", "RESULT"]
    assert [line.split()[2] for line in lines[1:]] == ["call.intent", "call.outcome", "log.closed"]
    run("tail", "-n", "0", "--dir", str(state))
    assert len(capsys.readouterr().out.splitlines()) == 1
    run("tail", "-n", "99", "--dir", str(state), "--json")
    assert [record["entry"]["i"] for record in json.loads(capsys.readouterr().out)] == list(range(9))


def test_no_ledger(tmp_path: Path) -> None:
    """A folder without a ledger is an error, and stays as it is."""
    for verb in (("verify",), ("show", "x"), ("tail",)):
        with pytest.raises(StartRefused, match="there is no ledger in"):
            run(*verb, "--dir", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
