"""
Alarms over drift as the record says them: that an agent's calls came to differ from what they were (`drift.alarmed`),
until an operator has looked at that (`drift.reset`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakers.baseline import Kind
from breakers.drift import Alarm
from proxy.ledger.drafts import read_stamp

ALARMED, RESET = "drift.alarmed", "drift.reset"


@dataclass(frozen=True, slots=True)
class Drifted:
    """
    An alarm that stands: whose calls differ, since when, how, and under which id it is told.
    """

    agent: str
    id: str
    at: datetime
    alarm: Alarm


def drifted_from(entry: Mapping[str, Any]) -> Drifted:
    """
    Return the alarm that a record says was raised.
    """
    alarm = Alarm(
        Kind(entry["what"]), entry["differs"], entry.get("after", ""), entry["was"], entry["hits"], entry["of"]
    )
    return Drifted(entry["agent"], entry["alarm"], read_stamp(entry["ts"]), alarm)
