"""Points in time and spans of work, as Jira writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from loadtest.upstreams.jira.errors import Wrong

# Jira's defaults: a day of work has eight hours, a week five days.
_UNITS = (("w", 144_000), ("d", 28_800), ("h", 3600), ("m", 60))
_SPAN = re.compile(r"\s*(\d+)\s*([wdhm])\s*")
_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


def stamp(seconds: float) -> str:
    """
    Return a moment in UTC, to the millisecond.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def span(seconds: int) -> str:
    """
    Return a span of work in weeks, days, hours and minutes.
    """
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0m"


def read_span(value: object) -> int:
    """
    Return the seconds in a span of work such as `1d 2h`.
    """
    text = value if isinstance(value, str) else ""
    total, position = 0, 0
    while found := _SPAN.match(text, position):
        total, position = total + int(found[1]) * dict(_UNITS)[found[2]], found.end()
    if position != len(text) or total == 0:
        raise Wrong("Invalid time duration entered.")
    return total


def read_started(value: object) -> str:
    """
    Return the moment at which work began, which Jira takes in its own form only.
    """
    if not isinstance(value, str) or not _STARTED.fullmatch(value):
        raise Wrong(f"Unexpected character in the date '{value}': it is to look like 2021-01-17T12:34:00.000+0000.")
    return value
