"""
The gaps of a write: between two steps of its way, where the process stops, and what is true then and after a start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.upstreams.stripe import Fault, HangUp

INTENT, OUTCOME, NAMED, CHANGED = "call.intent", "call.outcome", "recovery.opened", "change.recorded"


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Where the process stops, and what is true then: how many requests the upstream was sent and whether it did the
    write; and after the next start: which records the write has, whether it is in doubt, whether a torn end was put
    aside.
    """

    hook: Mapping[str, Any]
    requests: int
    effects: int
    records: tuple[str, ...]
    doubt: bool
    torn: bool = False
    fault: Fault | None = None

    @property
    def told(self) -> tuple[int, str]:
        """
        Return what a repeat under the same key is told after the next start.
        """
        if self.doubt:
            return 424, "unknown"
        return (200, "replayed") if self.records else (200, "executed")


def room(name: str, verb: str, when: str) -> dict[str, str]:
    """
    Return a stop before or after a room's verb.
    """
    return {"room": name, "verb": verb, "when": when}


def disk(verb: str, step: str, nth: int, act: str) -> dict[str, Any]:
    """
    Return a stop at a step of the disk, after a verb of the ledger.
    """
    return {"verb": verb, "step": step, "nth": nth, "act": act}


LOST = Fault(HangUp(), applied=True, method="POST", times=None)

# The first of it, and the two re-sends under its key.
TRIES = 3

# The steps of one batch on disk: blobs appended and synced, then entries with their COMMIT appended and synced.
GAPS = {
    # Claimed at most, nothing sent, nothing on record: the claim is gone with the process.
    "not claimed": Gap(room("store", "reserve", "before"), 0, 0, (), doubt=False),
    "claimed": Gap(room("store", "reserve", "after"), 0, 0, (), doubt=False),
    "reserved": Gap(room("ledger", "intend", "before"), 0, 0, (), doubt=False),
    "intent, blobs torn": Gap(disk("intend", "append", 1, "tear"), 0, 0, (), doubt=False),
    "intent, blobs written": Gap(disk("intend", "sync", 1, "die"), 0, 0, (), doubt=False),
    "intent, entry torn": Gap(disk("intend", "append", 2, "tear"), 0, 0, (), doubt=False, torn=True),
    # On record, and it may have been sent.
    "intent, not synced": Gap(disk("intend", "sync", 2, "die"), 0, 0, (INTENT, NAMED), doubt=True),
    "intent durable": Gap(room("ledger", "intend", "after"), 0, 0, (INTENT, NAMED), doubt=True),
    "not marked": Gap(room("store", "dispatch", "before"), 0, 0, (INTENT, NAMED), doubt=True),
    "marked, not sent": Gap(room("store", "dispatch", "after"), 0, 0, (INTENT, NAMED), doubt=True),
    "answered upstream": Gap(room("forward", "write", "after"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, not begun": Gap(room("ledger", "conclude", "before"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, blobs torn": Gap(disk("conclude", "append", 1, "tear"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, blobs written": Gap(disk("conclude", "sync", 1, "die"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, entry torn": Gap(disk("conclude", "append", 2, "tear"), 1, 1, (INTENT, NAMED), doubt=True, torn=True),
    # Known and on record.
    "outcome, not synced": Gap(disk("conclude", "sync", 2, "die"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "outcome durable": Gap(room("ledger", "conclude", "after"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "not settled": Gap(room("store", "settle", "before"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "settled, not answered": Gap(room("store", "settle", "after"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    # On record as unknown: in doubt by its outcome.
    "unknown, on record": Gap(
        room("ledger", "conclude", "after"), TRIES, 1, (INTENT, OUTCOME, NAMED), doubt=True, fault=LOST
    ),
    "unknown, settled": Gap(
        room("store", "settle", "after"), TRIES, 1, (INTENT, OUTCOME, NAMED), doubt=True, fault=LOST
    ),
}
