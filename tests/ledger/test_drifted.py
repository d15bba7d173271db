"""Alarms over drift on record: which stand at a start, what a new epoch takes over, and what is told again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from breakers.baseline import Kind
from breakers.drift import Alarm
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.drifted import Drifted
from proxy.ledger.drifts import alarm_draft
from proxy.ledger.read import last_records
from tests.ledger.world import START, World, commit_now

ONE = Drifted("clerk", "01ALARM", START, Alarm(Kind.PAIRS, "shop/refund", "shop/order", 400_000, 29, 36))
OTHER = replace(ONE, agent="porter", id="01OTHER")


def reset(agent: str) -> Callable[[Ledger], object]:
    """An operator has looked."""
    return lambda ledger: commit_now(ledger, system("drift.reset", agent=agent, alarm="01", by="ada", learn=False))


def alarmed(one: Drifted) -> Callable[[Ledger], object]:
    """An agent's calls differ."""
    return lambda ledger: commit_now(ledger, alarm_draft(one))


@pytest.mark.parametrize(
    ("acts", "standing"),
    [
        ([], []),
        ([alarmed(ONE)], ["clerk"]),
        ([alarmed(ONE), alarmed(OTHER)], ["clerk", "porter"]),
        ([alarmed(ONE), reset("clerk")], []),
        ([alarmed(ONE), reset("porter")], ["clerk"]),
        ([alarmed(ONE), reset("clerk"), alarmed(ONE)], ["clerk"]),
    ],
)
@pytest.mark.parametrize("new_epoch", [None, "moved"])
def test_standing(acts: list[Callable[[Ledger], object]], standing: list[str], new_epoch: str | None) -> None:
    """What was alarmed over and not looked at stands at the next start, in a new log as well, just as it was."""
    world = World()
    ledger = world.open()
    for act in acts:
        act(ledger)
    ledger._state.close(ledger._disk)
    again = world.open(new_epoch=new_epoch)
    assert sorted(again.drift.standing) == standing
    assert all(one.alarm == ONE.alarm for one in again.drift.standing.values())


def test_told_once() -> None:
    """A record that only carries an alarm over is not announced."""
    assert "notice" in alarm_draft(ONE).fields
    assert "notice" not in alarm_draft(ONE, told=False).fields


async def test_reset_on_record() -> None:
    """Who looked, and whether its days are learned anew, stands in the entry; the reason is sealed."""
    world = World()
    ledger = world.started()
    await ledger.drift.alarmed(ONE)
    await ledger.drift.reset("clerk", ONE.id, "ada", "It was asked to.", learn=True)
    await ledger.close("stopped")
    entry = next(one.entry for one in last_records(world.disk, world.folder / "ledger", 9) if one.kind == "drift.reset")
    assert (entry["agent"], entry["alarm"], entry["by"], entry["learn"]) == ("clerk", ONE.id, "ada", True)
    assert "It was asked to." not in str(entry)
    assert [blob["p"] for blob in entry["blobs"]] == ["reason"]
