"""
What people have to be told of beside caps: a breaker that moved, a stop, a suggestion that waits, a drift.

Each is on record before it is announced; it is told at least once, under one id, to the log, a metric and the webhook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.logline import Log


class Announcer:
    """
    Tells people what happened.
    """

    def __init__(self, log: Log, count: Callable[[str], None]) -> None:
        self._log, self._count = log, count

    def __repr__(self) -> str:
        return "Announcer()"

    def say(self, kind: str, id_: str, fields: Mapping[str, object]) -> None:
        """
        Announce something that is on record: its kind, kebab-case, and the id under which it is told again.
        """
        self._count(kind)
        self._log.event(kind, id=id_, **fields)
