"""How people read what calls take of their caps, and what became of tasks, tokens and caps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakers.call import Applied
from breakers.spend import CALLS, Charge
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.task import Task
from config.caps import Caps
from proxy.ledger.chargelines import charge_lines, charge_summary, spell_amount
from proxy.ledger.read import Payloads, find_call
from proxy.ledger.show import lines, result
from proxy.ledger.timeline import block, calls
from tests.ledger.world import FOLDER, START, Answered, World, delivered, outcome, read, wire, write

CHARGES = (
    Charge("task:a/1", "life", CALLS, 1),
    Charge("agent:a", "2026-11", "moved:USD", 12_000_000),
    Charge("team:t", "2026-11-21", "moved:USD", 12_000_000),
)

TASK = Task("a/1", "a", START, START, Caps(), record="ticket:7", model="model-7")


def charged(held: Any) -> Any:
    """A reservation of a call under an opened task and caps."""
    call = held.go.call
    call = replace(call, caller=replace(call.caller, opened=TASK))
    return type(held)(replace(held.go, call=call, charges=CHARGES))


async def shown(world: World, call: str) -> tuple[list[str], list[str]]:
    """How a call is shown, and how its block of a timeline is."""
    payloads, records = Payloads(world.disk, FOLDER), find_call(world.disk, FOLDER / "ledger", call)
    try:
        (told,) = calls(records)
        return list(lines(records, payloads)), list(block(told, payloads))
    finally:
        payloads.close()


@pytest.mark.parametrize(
    ("applied", "spent", "took", "summary"),
    [
        (
            Applied.APPLIED,
            (1, 11_500_000, 11_500_000),
            ["took 1 (calls) of task:a/1", "took 11.50 USD (moved) of agent:a in 2026-11",
             "took 11.50 USD (moved) of team:t in 2026-11-21"],
            "took of its caps: calls 1, moved 11.50 USD",
        ),
        (Applied.UNKNOWN, (), [], "holds of its caps: calls 1, moved 12.00 USD"),
    ],
)  # fmt: skip
async def test_write(applied: Applied, spent: tuple[int, ...], took: list[str], summary: str) -> None:
    """A call is shown with what it may take of each cap and what it took, a timeline says it in one line."""
    world = World()
    ledger = world.started()
    held: HeldWrite = charged(write())
    await ledger.conclude(await ledger.intend(held, wire()), outcome(applied), Answered(), spent)
    await ledger.close("stopped")
    whole, told = await shown(world, held.go.call.id)
    assert "  model      model-7" in whole
    assert "  rec        ticket:7" in whole
    assert "  may take 12.00 USD (moved) of agent:a in 2026-11" in whole
    assert [line.strip() for line in whole if "took" in line] == took
    assert f"  {summary}" in told


async def test_read() -> None:
    """A read that was cut by a crash is shown as held, and still holds what it may have taken."""
    world = World()
    ledger = world.started()
    held: HeldRead = charged(read())
    await ledger.charged_reads.held(held)
    whole, told = await shown(world, held.go.call.id)
    assert any(line.endswith("call.held  a read, charged before it may be sent") for line in whole)
    assert told[1:] == ["  holds of its caps: calls 1, moved 12.00 USD"]
    await ledger.charged_reads.ended(held, outcome(), delivered(), (1, 0, 0))
    await ledger.close("stopped")
    _, told = await shown(world, held.go.call.id)
    assert told[1:] == ["  read: status 200, 0 ms, 14 bytes", "  took of its caps: calls 1, moved 0.00 USD"]


def test_odd() -> None:
    """What is beyond any amount is spelled in micro-units, and an entry that says less is told as far as it goes."""
    assert spell_amount("moved:USD", str(2**53 + 1)) == "9007199254740993 micro-units of USD"
    assert list(charge_lines({"spent": ["1"]}, [])) == []
    assert charge_summary([{"k": "call.outcome"}]) == ""


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"k": "task.opened", "task": "a/1", "exp": "T"}, "a/1 until T"),
        ({"k": "task.opened", "task": "a/1", "exp": "T", "record": "ticket:7"}, "a/1 until T, for ticket:7"),
        ({"k": "task.closed", "task": "a/1", "why": "expired"}, "a/1 expired"),
        ({"k": "token.minted", "task": "a/1", "tid": "t1"}, "t1 for a/1"),
        ({"k": "token.revoked", "tid": "t1"}, "t1"),
        (
            {"k": "budget.alerted", "kind": "reached", "node": "agent:a", "period": "2026-11", "measure": "moved:USD",
             "threshold": 50, "cap": "100000000", "settled": "51000000"},
            "agent:a 2026-11 moved: 50 % reached, 51.00 USD of 100.00 USD",
        ),
        (
            {"k": "budget.alerted", "kind": "denied", "node": "task:a/1", "period": "life", "measure": "calls",
             "threshold": 0, "cap": "6", "settled": "6"},
            "task:a/1 life calls: denied, 6 of 6",
        ),
        ({"k": "budget.told", "alert": "x1"}, "x1"),
        ({"k": "config.applied", "hash": "0123456789abcdef"}, "0123456789ab"),
    ],
)  # fmt: skip
def test_words(entry: dict[str, Any], words: str) -> None:
    """A record of a task, a token, a cap or a configuration comes to a few words."""
    assert result(entry) == words
