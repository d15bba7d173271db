"""The fleet on record: whom a replica knows of at the next start, in a new log, and in a folder from before fleets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from breakers.store.members import Known
from breakers.store.protocol import StoreUnavailable
from proxy.errors import LedgerUnavailable
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.fleet import next_name
from proxy.ledger.read import last_records
from tests.contract.world import opened
from tests.ledger.world import World, commit_now

JOINED, LEARNED, FORGOT, RETURNED = "joined", "learned", "forgot", "returned"

Said = dict[str, object]


def changed(how: str, *names: str, **said: str) -> Said:
    """Return what such a record says."""
    return {"how": how, "names": list(names), **said}


def begun(world: World, new_epoch: str | None) -> Ledger:
    """Start anew, on a new log where there is a reason for one."""
    ledger = world.open(new_epoch=new_epoch)
    ledger.start(asyncio.get_running_loop())
    return ledger


def own(ledger: Ledger) -> str:
    """Return the id of the replica whose folder it is."""
    return ledger.replica


@pytest.mark.parametrize(
    ("records", "names", "forgotten"),
    [
        ([], set(), set()),
        ([changed(LEARNED, "b", "c")], {"b", "c"}, set()),
        ([changed(LEARNED, "b", "c"), changed(FORGOT, "b")], {"c"}, {"b"}),
        ([changed(FORGOT, "b"), changed(LEARNED, "b", "b.1")], {"b.1"}, {"b"}),
        ([changed(LEARNED, "b"), changed(FORGOT, "b", by="ada"), changed(FORGOT, "b")], set(), {"b"}),
        ([changed("lost", why="server"), changed("of a later version", "d")], set(), set()),
    ],
)
@pytest.mark.parametrize("new_epoch", [None, "moved"])
def test_known(records: list[Said], names: set[str], forgotten: set[str], new_epoch: str | None) -> None:
    """Who was learned of belongs to it, who was forgotten does not, for good; and so it stands at the next start."""
    world = World()
    ledger = world.open()
    for said in records:
        commit_now(ledger, system("fleet.changed", **said))
    ledger._state.close(ledger._disk)
    again = world.open(new_epoch=new_epoch)
    assert again.fleet.known == Known(own(again), frozenset(names), frozenset(forgotten))
    assert again.fleet.ordered == ({"b"} if any("by" in said for said in records) else set())


@pytest.mark.parametrize("new_epoch", [None, "moved"])
async def test_own_name(new_epoch: str | None) -> None:
    """A replica belongs to the fleet by its id, and under another name once it was forgotten and came back."""
    world = World()
    ledger = world.started()
    record, id_ = ledger.fleet, ledger.replica
    assert record.known == Known(id_)
    await record.joined()
    assert record.known.joined
    await record.learned(frozenset({"b"}))
    await record.returned()
    assert record.known == Known(f"{id_}.1", frozenset({"b"}), frozenset({id_}))
    await ledger.close("stopped")
    ledger = begun(world, new_epoch)
    assert ledger.fleet.known == record.known
    await ledger.fleet.joined()
    assert ledger.fleet.known.joined
    await ledger.close("stopped")
    ledger = begun(world, "once more" if new_epoch else None)
    assert (ledger.fleet.known.name, ledger.fleet.known.joined) == (f"{id_}.1", True)
    await ledger.fleet.returned()
    assert ledger.fleet.known.name == f"{id_}.2" == next_name(f"{id_}.1")
    await ledger.close("stopped")


async def test_reason_is_sealed() -> None:
    """By whom a replica was forgotten stands in the entry, and is announced; why, in a person's words, is sealed."""
    world = World()
    ledger = world.started()
    await ledger.fleet.learned(frozenset({"b"}))
    await ledger.fleet.forgot("b", "ada", "Its disk is lost.")
    await ledger.close("stopped")
    (entry,) = (one.entry for one in last_records(world.disk, world.folder / "ledger", 9) if "by" in one.entry)
    assert (entry["how"], entry["names"], entry["by"]) == ("forgot", ["b"], "ada")
    assert entry["notice"] == {"kind": "replica-forgotten", "id": "replica-forgotten:b"}
    assert "disk" not in str(entry)
    assert [blob["p"] for blob in entry["blobs"]] == ["reason"]


async def test_unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be recorded nobody is known anew, and whoever asks is told so in the store's words."""
    world = World()
    ledger = world.started()

    async def full(*_: object) -> None:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._pen, "durable", full)
        with pytest.raises(StoreUnavailable, match="cannot be recorded: the disk is full"):
            await ledger.fleet.learned(frozenset({"b"}))
    assert ledger.fleet.known.names == frozenset()
    await ledger.close("stopped")


@pytest.mark.parametrize("place", ["log/0#0/7/8/9", ""])
async def test_written_off(place: str) -> None:
    """A write of a forgotten replica is in doubt at the next start, parked, once, whatever place its intent has."""
    world = World()
    ledger = world.started()
    for name in ("b", "c"):
        one = replace(opened(f"01{name}"), place=place, replica=name)
        for _ in range(2):
            await ledger.fleet.wrote_off(one)
    await ledger.close("stopped")
    again = world.open()
    assert sorted(one.intent for one in again.recovered.open_intents) == ["01b", "01c"]
    assert again.recovered.parked == {"01b", "01c"}
    assert {one.place for one in again.recovered.open_intents} == {""}
