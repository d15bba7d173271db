"""What a running Breakwater has put on record is told while it runs: a task's calls, and all that touched an object."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import ledger as ledger_command
from proxy.cli import task as task_command
from proxy.errors import StartRefused
from tests.proxy.road import SECRET, Road, call_of, charged, road, soon


def run(on: Road, *words: str) -> None:
    """Run a command on the configuration of a road."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=on.state.parent / "breakwater.yaml", json=False)
    commands = parser.add_subparsers()
    ledger_command.add(commands.add_parser("ledger"))
    task_command.add(commands.add_parser("task"))
    args = parser.parse_args(words)
    assert args.run(args) == 0


def told(capsys: pytest.CaptureFixture[str], on: Road, *words: str) -> dict[str, list[str]]:
    """Run a command; return the lines of each call that it told, by its id."""
    run(on, *words)
    _, *blocks = capsys.readouterr().out.rstrip("\n").split("\n\n")
    return {lines[0].split()[1]: lines[1:] for lines in (block.split("\n") for block in blocks)}


async def test_on_the_road(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A charge that was read, refunded and refused a refund is told by its task, and by its own id."""
    async with StripeSandbox(secret=SECRET) as sandbox, road(tmp_path, sandbox.url) as on:
        charge, other = charged(sandbox), charged(sandbox)
        answers = [
            await on.ask("GET", f"/v1/charges/{charge}"),
            await on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": 700}),
            await on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": 10_001}),
            await on.ask("GET", f"/v1/charges/{other}"),
        ]
        await soon(lambda: len(on.rooms.pending) == 0 == on.rooms.ledger.pending)
        (task,) = {record.entry["task"] for record in await on.on_record(call_of(answers[0]))}
        timeline = told(capsys, on, "task", "timeline", task)
        history = told(capsys, on, "ledger", "history", "stripe", "charge", charge)
        made = told(capsys, on, "ledger", "history", "stripe", "refund", answers[1].json["id"])
    look = "  our look at charges.retrieve: status 200, 0 ms"
    called = [call_of(answer) for answer in answers]
    assert list(timeline) == called
    assert timeline[called[1]][:4] == [look, "  moves 7.00 USD", "  applied, sent yes, status 200, 0 ms", look]
    assert "    ~ /amount_refunded  0 → 700  (expected)" in timeline[called[1]]
    assert timeline[called[2]] == [look, "  refused: limit-exceeded, status 403, by limits"]
    assert list(history) == called[:3]
    assert history[called[1]][0] == f"  agent support, task {task}"
    assert "  stripe charge changed: 2 expected" in history[called[1]]
    assert list(made) == [called[1]]
    assert [line for line in made[called[1]] if line.startswith("  stripe ")] == [
        "  stripe refund created: 1 requested"
    ]


async def test_unknown_type(tmp_path: Path) -> None:
    """With a configuration beside the record, the types are those of its catalogues, before any is on record."""
    async with road(tmp_path, "http://127.0.0.1:9") as on:
        with pytest.raises(StartRefused, match="stripe has no objects of the type 'invoce'") as refused:
            run(on, "ledger", "history", "stripe", "invoce", "in_1")
        assert refused.value.hint.startswith("did you mean `invoice`")
        with pytest.raises(StartRefused, match="no record names the stripe invoice 'in_1'"):
            run(on, "ledger", "history", "stripe", "invoice", "in_1")
