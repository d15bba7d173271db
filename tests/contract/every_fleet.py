"""Every verb by which processes know of each other, and every verb of a start that has a record to tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakers.store.board import MINTED, REVOKED
from breakers.store.events import IntentEnded, SuggestionNoted
from breakers.store.fleet import FleetStore
from breakers.store.members import Known, Presence
from tests.contract.brakes import suggestion
from tests.contract.charges import month
from tests.contract.world import done, opened, read, taken


@dataclass(slots=True)
class Kept:
    """
    A record of the fleet that holds in memory, of the only replica.
    """

    known: Known

    async def joined(self) -> None:
        """
        Note that it belongs.
        """
        self.known = replace(self.known, names=self.known.names | {self.known.name})

    async def learned(self, names: frozenset[str]) -> None:
        """
        Note who belongs.
        """
        self.known = replace(self.known, names=self.known.names | names)

    async def heard_forgotten(self, names: frozenset[str]) -> None:
        """
        Note who was forgotten.
        """
        self.known = replace(self.known, names=self.known.names - names, forgotten=self.known.forgotten | names)

    async def returned(self) -> None:
        """
        Come back under another name.
        """
        self.known = Known(f"{self.known.name}'")


async def every_member(store: FleetStore) -> None:
    """
    Begin as a replica with a record, be heard of, send a letter, and use the board; `store` was not started yet.
    """
    carries = replace(opened("04A", key="k:9"), charges=(month(1, 2, alerts=(50,)),), suggestion="04S")
    noted = SuggestionNoted(replace(suggestion("04S")))
    await store.begin(roll=Kept(Known("one")))
    await store.start((noted, carries, IntentEnded("04A", done())), replica="one")
    assert await store.fault() is None
    await taken(store, read("04R"), month(1, 5))
    await store.beat(Presence("host", 7, "1", "c"))
    assert [member.name for member in store.members()] == ["one"]
    assert await store.forget("nobody", asks=True) is None
    await store.news()
    assert await store.mail.post("one", b"letter")
    assert await store.mail.take("one", 1) == b"letter"
    state, _ = await store.pins.changed("")
    assert await store.pins.pin("key", MINTED, b"sealed", state="one")
    assert await store.pins.pin("key", REVOKED, b"sealed", state="two")
    assert (await store.pins.changed(state))[1] == {"key": b"rsealed"}
    await store.fleet._wipe("another")
