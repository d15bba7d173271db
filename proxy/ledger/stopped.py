"""
A stop as the fields of its record, and read from them again.

What cannot be read in such a record is a stop: a mode that this program does not know is `stop-writes`. The words that
were said of it are not among the fields: they stand sealed beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakers.stops import CANARY, Mode, Stop
from proxy.ledger.drafts import present, read_stamp, stamp

CHANGED = "kill.changed"

AUTO = "auto:"
"""How the name of who orders begins where the program does by itself."""


def kind_of(stop: Stop) -> str:
    """
    Return as what kind of thing a stop is announced; a drill is not.
    """
    if stop.scope == CANARY:
        return ""
    is_glass = stop.until is not None and stop.mode is Mode.RUN
    return "auto-kill" if stop.actor.startswith(AUTO) else "break-glass" if is_glass else "stop"


def notice_of(stop: Stop) -> str:
    """
    Return the id under which a stop is announced.
    """
    return f"stop:{stop.scope}:{stop.epoch}"


def stop_fields(stop: Stop) -> dict[str, object]:
    """
    Return what the record of a stop says.
    """
    return present(
        {
            "scope": stop.scope,
            "mode": str(stop.mode),
            "epoch": stop.epoch,
            "by": stop.actor or None,
            "at": None if stop.at is None else stamp(stop.at),
            "until": None if stop.until is None else stamp(stop.until),
            "back": None if stop.until is None else str(stop.back),
            "aborts": stop.aborts or None,
            "reconciles": stop.reconciles or None,
        }
    )


def stop_from(entry: Mapping[str, Any]) -> Stop:
    """
    Return the stop that a record says.

    Raise `KeyError`, `TypeError` or `ValueError` where it has no scope or no epoch.
    """
    at, until = entry.get("at"), entry.get("until")
    return Stop(
        scope=str(entry["scope"]),
        mode=_mode(entry["mode"]),
        epoch=int(entry["epoch"]),
        actor=str(entry.get("by", "")),
        at=None if at is None else read_stamp(at),
        until=None if until is None else read_stamp(until),
        back=_mode(entry.get("back", Mode.STOP_WRITES)),
        aborts=bool(entry.get("aborts")),
        reconciles=bool(entry.get("reconciles")),
    )


def _mode(written: object) -> Mode:
    try:
        return Mode(str(written))
    except ValueError:
        return Mode.STOP_WRITES
