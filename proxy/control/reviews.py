"""
Reviews over the admin door: what waits to be looked at, and what somebody says of it, once.

Which there are stands in the record and nowhere else: it is read there, in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from config.faults import did_you_mean
from proxy.control import merged
from proxy.control.asking import Asked, Asking
from proxy.control.reply import refuse, reply
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import index_in
from proxy.ledger.reviewed import SCORES, Review, reviews
from proxy.rooms import Rooms

KIND = "review"

BODY_HINT = 'send {"ok": true, "scores": {NAME: 1 to 5}, "note": TEXT}, or false'

NOTE_CHARS_MAX = 2000
"""Of a reviewer's words: a few sentences and where to read on."""


@dataclass(frozen=True, slots=True)
class Word:
    """
    What somebody says of a write that was made.
    """

    ok: bool
    scores: Mapping[str, int]
    note: str


def add_reviews(asking: Asking, rooms: Rooms) -> None:
    """
    Add what `breakwater reviews` asks of a running process.
    """

    async def listed(asked: Asked) -> web.Response:
        found = await asyncio.to_thread(_found, rooms.settings.state, asked.query.get("agent"), None)
        every = asked.query.get("all") == "1"
        return reply([row(one) for one in found if one.ok is None or every])

    async def owns(call: str) -> bool:
        return bool(await asyncio.to_thread(_found, rooms.settings.state, None, call))

    async def mark(asked: Asked) -> web.Response:
        call = asked.match["id"]
        try:
            word = read_word(asked.body, rooms.settings.reviews.rubric)
        except StartRefused as no:
            return refuse(400, no.error, no.hint)
        # One after the other: who comes second is told so.
        async with rooms.reviewing.turn:
            found = await asyncio.to_thread(_found, rooms.settings.state, None, call)
            if not found:
                return refuse(404, "no review of that call was asked for", "`breakwater reviews list` prints them")
            (one,) = found
            if one.ok is not None:
                return refuse(409, f"it was marked already, as {one.state}, by {one.by}", "the first word counts")
            by = asked.who.name
            await rooms.reviewing.records.decided(one, by, word.note, word.scores, ok=word.ok)
        rooms.reviewing.metrics.reviews.labels(one.agent, "ok" if word.ok else "wrong").inc()
        return reply({**row(one), "state": "ok" if word.ok else "wrong", "by": by, "scores": dict(word.scores)})

    asking.owns(KIND, owns)
    asking.look("/v1/reviews", listed, merged.reviews, reads=True)
    asking.act("POST", "/v1/reviews/{id}", mark, KIND)


def _found(state: Path, agent: str | None, call: str | None) -> list[Review]:
    with closing(index_in(RealDisk(), state)) as index:
        return reviews(index, agent, call)


def row(one: Review) -> dict[str, Any]:
    """
    Return a review as people and programs read it.
    """
    return {
        "call": one.call,
        "agent": one.agent,
        "task": one.task,
        "api": one.api,
        "operation": one.operation,
        "at": one.at,
        "state": one.state,
        "by": one.by or None,
        "scores": None if one.scores is None else dict(one.scores),
    }


def read_word(data: bytes, rubric: Mapping[str, str]) -> Word:
    """
    Return what somebody says of a write; raise `StartRefused` where it says nothing, or answers what is not asked.
    """
    try:
        body = orjson.loads(data)
        ok, scores, note = body["ok"], body.get("scores", {}), body.get("note", "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise StartRefused("the body is not a word on a write that was made", BODY_HINT) from None
    if not isinstance(ok, bool) or not isinstance(scores, dict) or not isinstance(note, str):
        raise StartRefused("the body is not a word on a write that was made", BODY_HINT)
    for name, score in scores.items():
        if name not in rubric:
            hint = did_you_mean(str(name), rubric) or f"the rubric asks for {', '.join(rubric)}"
            raise StartRefused(f"the rubric asks for no `{str(name)[:80]}`", hint)
        if type(score) is not int or score not in SCORES:
            raise StartRefused(f"`{name}` is answered with 1 (not at all) to 5 (entirely)", f"write `{name}=4`")
    if len(note) > NOTE_CHARS_MAX:
        raise StartRefused(f"the note has more than {NOTE_CHARS_MAX} characters", "say where the rest of it stands")
    return Word(ok, scores, note.strip())
