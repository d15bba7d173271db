"""
Breakers on record: `breaker.changed` says how one stands, once for each of its generations.

An entry has the rule that moved it, its numbers and its times; what an operator said stands beside it, sealed. Of the
permit that was out nothing is on record: after a start it is free. What one process keeps back for itself alone
(`here`) is told of and never replayed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from breakers.breaker import Breaker, State
from proxy.ledger.drafts import present, read_stamp, stamp

CHANGED = "breaker.changed"

FORGOTTEN_AFTER = timedelta(days=2)
"""A breaker that passes, or one of a task, is over by then: no call of an older generation is still under way."""

SWEPT = 4
"""How many breakers each entry looks at to forget them: more than it adds."""

# The rule that moved it, as far as it is a word; the sentence is sealed.
_RULE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")

Entry = Mapping[str, Any]


def moved_fields(before: Breaker | None, after: Breaker, *, here: bool = False) -> dict[str, object]:
    """
    Return what an entry says of a breaker that moved.
    """
    return present(
        {
            "breaker": after.key,
            "was": str(State.PASSING if before is None else before.state),
            "state": str(after.state),
            "gen": after.gen,
            "round": after.round,
            "since": _spelled(after.since),
            "until": _spelled(after.until),
            "trips": after.trips,
            "oks": after.oks,
            "step": after.step,
            "rate": after.rate,
            "next": _spelled(after.next_at),
            "prior": str(after.before),
            "rule": rule_of(after.why),
            "by": after.by or None,
            "here": here or None,
        }
    )


def rule_of(why: str) -> str:
    """
    Return the word that a reason begins with.
    """
    found = _RULE.match(why)
    return found[0] if found is not None else "none"


def breaker_from(entry: Entry) -> Breaker:
    """
    Return the breaker that an entry tells of.
    """
    return Breaker(
        key=entry["breaker"],
        state=State(entry["state"]),
        gen=entry["gen"],
        round=entry["round"],
        since=_read(entry.get("since")),
        until=_read(entry.get("until")),
        trips=entry["trips"],
        oks=entry["oks"],
        step=entry["step"],
        rate=entry["rate"],
        next_at=_read(entry.get("next")),
        why=entry["rule"],
        by=entry.get("by", ""),
        before=State(entry["prior"]),
    )


def note_moved(breakers: dict[str, Breaker], entry: Entry) -> None:
    """
    Take an entry into the newest records of all breakers, and give up what is over.

    Raise `KeyError`, `TypeError` or `ValueError` where it is not what its kind says.
    """
    breaker = breaker_from(entry)
    known = breakers.get(breaker.key)
    if entry.get("here") or (known is not None and known.gen > breaker.gen):
        return
    breakers.pop(breaker.key, None)
    breakers[breaker.key] = breaker
    _forget(breakers, read_stamp(entry["ts"]) - FORGOTTEN_AFTER)


def _forget(breakers: dict[str, Breaker], before: datetime) -> None:
    for _ in range(min(SWEPT, len(breakers))):
        oldest = next(iter(breakers.values()))
        may_go = oldest.state is State.PASSING or oldest.key.startswith(("task:", "kill:task:"))
        if may_go and (oldest.since is None or oldest.since > before):
            return
        del breakers[oldest.key]
        if not may_go:
            # What stays does not stand before what may go.
            breakers[oldest.key] = oldest


def _spelled(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _read(text: str | None) -> datetime | None:
    return None if text is None else read_stamp(text)
