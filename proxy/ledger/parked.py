"""
Suggestions on record, folded: how each stands, and the events that tell a store of it.

What is over is known for a day, so that whoever repeats a write that was not approved is told so. A write that was sent
for a suggestion is on record by its intent, whether or not its end is: such a suggestion is never carried out again.
Where a part of a log is lost, the end of one may be lost with it, or the word of an approver: then all of them are
void.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from breakers.store.events import Event, SuggestionNoted
from breakers.suggestion import LIVE, Stage, Suggested
from proxy.ledger.drafts import read_stamp

KINDS = frozenset({"approval.requested", "approval.decided", "approval.ended"})

OVER_AFTER = timedelta(days=1)
"""For how long what is over is known."""

LOST = "lost"
"""Why those are void of which a part of the record is lost."""

APPROVED, REJECTED, EDITED = "approved", "rejected", "edited"
"""What an approver can say."""

Entry = Mapping[str, Any]


def suggested_from(entry: Entry, place: str) -> Suggested:
    """
    Return the suggestion that a record shows, as it stands from then on.
    """
    idem, at = entry["idem"], read_stamp(entry["ts"])
    return Suggested(
        id=entry["call"],
        agent=entry["act"]["agent"],
        task=entry["task"],
        api=entry["prov"],
        operation=entry["op"],
        fingerprint=idem["f"],
        at=read_stamp(entry["at"]),
        expires=read_stamp(entry["exp"]),
        digest=entry["dig"],
        answers=tuple(entry["ans"]),
        key=idem.get("k"),
        roles=tuple(entry["roles"]),
        version=entry["ver"],
        changed_at=at,
        place=place,
        waits=bool(entry.get("waits")),
        shadow=bool(entry.get("shadow")),
    )


@dataclass(slots=True, repr=False)
class Parked:
    """
    The fold over these records, oldest first, carried from segment to segment.
    """

    known: dict[str, Suggested] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Parked({sum(one.stage in LIVE for one in self.known.values())} live)"

    def see(self, entry: Entry, place: str) -> None:
        """
        Take the next entry.

        Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
        """
        match entry["k"]:
            case "approval.requested":
                self._forget(read_stamp(entry["ts"]))
                self._shown(suggested_from(entry, place))
            case "approval.decided" if entry["verdict"] == EDITED:
                self._shown(suggested_from(entry, place))
            case "approval.decided":
                stage = Stage.APPROVED if entry["verdict"] == APPROVED else Stage.REJECTED
                self._move(entry, stage, by=entry["by"])
            case "approval.ended":
                self._move(entry, Stage(entry["end"]), why=entry.get("why", ""), intent=entry.get("into", ""))
            case _:
                pass

    def sent(self, entry: Entry) -> None:
        """
        Take an intent that carries a suggestion out.
        """
        if (known := self.known.get(entry["sug"])) is not None:
            at, version = read_stamp(entry["ts"]), known.version + 1
            after = replace(known, stage=Stage.EXECUTING, intent=entry["call"], version=version, changed_at=at)
            self.known[known.id] = after

    def lost(self, at: datetime) -> None:
        """
        Take it that records are lost, of which nobody knows what they said.
        """
        for id_, known in self.known.items():
            if known.stage in LIVE:
                version = known.version + 1
                self.known[id_] = replace(known, stage=Stage.VOID, why=LOST, version=version, changed_at=at)

    def rest(self, at: datetime) -> Iterator[Event]:
        """
        Yield how all of them stand, as of this moment.
        """
        yield from (SuggestionNoted(one) for one in self.known.values() if not _is_past(one, at))

    def _shown(self, shown: Suggested) -> None:
        known = self.known.get(shown.id)
        # One that is over is not opened again, whatever stands behind it.
        if known is None or known.stage in LIVE:
            self.known[shown.id] = shown

    def _move(self, entry: Entry, stage: Stage, *, by: str = "", why: str = "", intent: str = "") -> None:
        known = self.known.get(entry["call"])
        if known is not None and known.stage in LIVE:
            # One that was sent is not approved again.
            stage = known.stage if known.stage is Stage.EXECUTING and stage is Stage.APPROVED else stage
            version, at = max(known.version + 1, entry["ver"]), read_stamp(entry["ts"])
            after = replace(known, stage=stage, version=version, changed_at=at, why=why)
            self.known[known.id] = replace(after, by=by or known.by, intent=intent or known.intent)

    def _forget(self, at: datetime) -> None:
        """
        Give up what is over, so that those of a long log are not all held: the oldest first.
        """
        while self.known and _is_past(oldest := next(iter(self.known.values())), at):
            del self.known[oldest.id]


def _is_past(one: Suggested, at: datetime) -> bool:
    return one.stage not in LIVE and (one.changed_at or one.at) + OVER_AFTER <= at
