"""The record's verbs for the fleet: who belongs to it, who was forgotten, and what became of the shared state."""

from __future__ import annotations

from collections.abc import Mapping

from breakers.store.events import IntentOpened
from breakers.store.members import Known, id_of
from breakers.store.protocol import StoreUnavailable
from proxy.errors import LedgerUnavailable
from proxy.ledger.blobs import Kept
from proxy.ledger.doubts import Doubts
from proxy.ledger.drafts import Draft, Part, system
from proxy.ledger.fleet import CHANGED, How, Stands, known_by, next_name, note_fleet
from proxy.ledger.noticed import noticed
from proxy.ledger.pen import Pen
from proxy.ledger.writer import Rank

LOST, REBUILT, FORGOTTEN = "store-lost", "store-rebuilt", "replica-forgotten"
"""As what these are announced."""


def fleet_drafts(fleet: Mapping[str, Stands]) -> tuple[Draft, ...]:
    """
    Return the records that carry all of it over into a new log.
    """
    gone = {stands: sorted(name for name in fleet if fleet[name] is stands) for stands in Stands}
    drafts = [system(CHANGED, how=How.LEARNED, names=gone[Stands.IN])] if gone[Stands.IN] else []
    if gone[Stands.OUT]:
        drafts.append(system(CHANGED, how=How.FORGOT, names=gone[Stands.OUT]))
    if gone[Stands.ORDERED]:
        drafts.append(system(CHANGED, how=How.FORGOT, names=gone[Stands.ORDERED], by="log"))
    drafts += (system(CHANGED, how=How.RETURNED, names=[name], was=_before(name)) for name in gone[Stands.BACK])
    drafts += (system(CHANGED, how=How.JOINED, names=[name]) for name in gone[Stands.OWN])
    return tuple(drafts)


class FleetRecords:
    """
    A replica's record of its fleet (`Roll`), and the verbs for what people are told of.
    """

    def __init__(self, pen: Pen, replica: str, fleet: Mapping[str, Stands], doubts: Doubts) -> None:
        self._pen, self._replica, self._fleet, self._doubts = pen, replica, dict(fleet), doubts

    def __repr__(self) -> str:
        return f"FleetRecords({self._replica}, {len(self._fleet)} known)"

    @property
    def known(self) -> Known:
        """
        Return whom it has on record.
        """
        return known_by(self._fleet, self._replica)

    @property
    def ordered(self) -> frozenset[str]:
        """
        Return the names that were forgotten by an order given here: what they left is looked after here.
        """
        return frozenset(name for name, stands in self._fleet.items() if stands is Stands.ORDERED)

    def name_of(self, replica: str) -> str | None:
        """
        Return the name by which a replica belongs to the fleet, or None.
        """
        return next((name for name in self.known.names if id_of(name) == replica), None)

    async def joined(self) -> None:
        """
        Record that this replica belongs to the fleet.
        """
        await self._roll(How.JOINED, frozenset({self.known.name}))

    async def learned(self, names: frozenset[str]) -> None:
        """
        Record that these belong to the fleet, or are about to.
        """
        await self._roll(How.LEARNED, names)

    async def heard_forgotten(self, names: frozenset[str]) -> None:
        """
        Record that these were forgotten, by whoever that was.
        """
        await self._roll(How.FORGOT, names)

    async def returned(self) -> None:
        """
        Record that this replica was forgotten, and comes back under a name of its own.
        """
        was = self.known.name
        await self._roll(How.RETURNED, frozenset({next_name(was)}), was=was)

    async def forgot(self, name: str, by: str, reason: str) -> None:
        """
        Record that somebody ordered a replica to be forgotten, and announce it.
        """
        part = Part("reason", Kept(reason.encode()))
        await self._write(How.FORGOT, [name], (part,), by=by, **noticed(FORGOTTEN, f"{FORGOTTEN}:{name}"))

    async def wrote_off(self, opened: IntentOpened) -> None:
        """
        Record that nobody knows how a write of a forgotten replica ended, and that a person is to say; once.
        """
        await self._doubts.adopted(opened, opened.replica)

    async def lost(self, why: str, notice: str) -> None:
        """
        Record that the shared state lost something, and under which id that is announced.
        """
        await self._write(How.LOST, [], (), why=why, **noticed(LOST, notice))

    async def rebuilt(self, notice: str) -> None:
        """
        Record that it holds what everyone knows, and under which id that is announced.
        """
        await self._write(How.REBUILT, [], (), **noticed(REBUILT, notice))

    async def _roll(self, how: How, names: frozenset[str], **fields: object) -> None:
        try:
            await self._write(how, sorted(names), (), **fields)
        except LedgerUnavailable as error:
            raise StoreUnavailable(f"who belongs to the fleet cannot be recorded: {error}") from error

    async def _write(self, how: How, names: list[str], parts: tuple[Part, ...], **fields: object) -> None:
        draft = system(CHANGED, how=str(how), names=names or None, **fields)
        await self._pen.durable(Draft(draft.kind, draft.task, draft.fields, parts=parts), Rank.END)
        note_fleet(self._fleet, draft.fields)


def _before(name: str) -> str:
    id_, _, times = name.partition(".")
    return id_ if int(times or 0) <= 1 else f"{id_}.{int(times) - 1}"
