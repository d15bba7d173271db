"""
Reviews on record: that somebody is to look at a write that was made (`review.asked`), and what he or she said of it
(`review.decided`), both under the call that it was made by. What a person wrote is sealed beside it.

The queue is nowhere but here: what was asked for and not decided waits, whatever has been restarted meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from breakers.store.events import IntentOpened
from proxy.ledger.blobs import Kept
from proxy.ledger.drafts import Draft, Part
from proxy.ledger.index import Index, Wanted
from proxy.ledger.pen import Pen
from proxy.ledger.read import Record
from proxy.ledger.writer import Rank

ASKED, DECIDED = "review.asked", "review.decided"

SCORES = range(1, 6)
"""From "not at all" to "entirely"."""


@dataclass(frozen=True, slots=True)
class Review:
    """
    One write that somebody is to look at; `ok` is None until somebody has, `scores` are the answers to the rubric.
    """

    call: str
    agent: str
    task: str
    api: str
    operation: str
    at: str
    ok: bool | None = None
    by: str = ""
    decided_at: str = ""
    scores: Mapping[str, int] | None = None

    @property
    def state(self) -> str:
        """
        Return how it stands.
        """
        return "waits" if self.ok is None else "ok" if self.ok else "wrong"


def reviews(index: Index, agent: str | None = None, call: str | None = None) -> list[Review]:
    """
    Return the reviews that are on record, the oldest first: all, an agent's, a call's.
    """
    found: dict[str, Review] = {}
    for record in index.find(Wanted(kind=ASKED, agent=agent, call=call)):
        if (asked := _asked(record)) is not None:
            found.setdefault(asked.call, asked)
    for record in index.find(Wanted(kind=DECIDED, agent=agent, call=call)):
        entry = record.entry
        known = found.get(str(entry.get("call")))
        # The first word counts: there is no second one but by a race that was lost.
        if known is not None and known.ok is None and isinstance(entry.get("ok"), bool):
            found[known.call] = decided(known, entry)
    return list(found.values())


def _asked(record: Record) -> Review | None:
    entry = record.entry
    said = (entry.get("call"), (entry.get("act") or {}).get("agent"), entry["task"], entry.get("prov"), entry.get("op"))
    if not all(isinstance(one, str) for one in said):
        return None
    call, agent, task, api, operation = map(str, said)
    return Review(call, agent, task, api, operation, at=str(entry["ts"]))


def decided(review: Review, entry: Mapping[str, Any]) -> Review:
    """
    Return a review with what a record says of it.
    """
    given = entry.get("scores")
    scores = {str(name): one for name, one in given.items() if type(one) is int} if isinstance(given, dict) else {}
    by, at = str(entry.get("by", "")), str(entry["ts"])
    return replace(review, ok=bool(entry["ok"]), by=by, decided_at=at, scores=scores)


class ReviewRecords:
    """
    The record's verbs for reviews.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"ReviewRecords({self._pen!r})"

    def asked(self, opened: IntentOpened, ppm: int) -> None:
        """
        Record that somebody is to look at a write; `ppm` is the share that it was drawn by.
        """
        fields = {"prov": opened.api, "op": opened.operation, "ppm": ppm}
        self._pen.note(Draft(ASKED, opened.task, fields, opened.intent, {"agent": opened.agent}))

    async def decided(self, review: Review, by: str, note: str, scores: Mapping[str, int], *, ok: bool) -> None:
        """
        Record what somebody said of a write.
        """
        fields = {"prov": review.api, "op": review.operation, "by": by, "ok": ok, "scores": dict(scores)}
        parts = (Part("note", Kept(note.encode())),) if note else ()
        draft = Draft(DECIDED, review.task, fields, review.call, {"agent": review.agent}, parts=parts)
        await self._pen.durable(draft, Rank.END)
