"""
The search index: what a search can find, some time after it was written.

Each issue stands in the index as it was when it was written, from the moment at which that writing becomes visible;
until then the one before it stands, and before the first one nothing does. A deletion lags like everything else: its
issue is found, as it last was, until the lag has passed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtest.upstreams.jira.account import Issue


class Index:
    """
    The versions of every issue that can still be found; `lag_s` holds for what is written from now on.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._versions: dict[str, list[tuple[float, Issue | None]]] = {}
        self.lag_s = 0.0

    def __repr__(self) -> str:
        return f"<Index {len(self._versions)} issues, lag {self.lag_s} s>"

    def put(self, issue: Issue) -> None:
        """
        Let an issue be found as it is now, after the lag.
        """
        self._write(issue.id, copy.deepcopy(issue))

    def remove(self, issue: Issue) -> None:
        """
        Let an issue no longer be found, after the lag.
        """
        self._write(issue.id, None)

    def _write(self, id_: str, version: Issue | None) -> None:
        now = self._clock()
        versions = self._versions.setdefault(id_, [])
        # What is no longer the newest that is visible will never be seen again.
        while len(versions) > 1 and versions[1][0] <= now:
            del versions[0]
        # A shorter lag than before must not let an older writing appear last.
        versions[:] = [each for each in versions if each[0] <= now + self.lag_s]
        versions.append((now + self.lag_s, version))

    def visible(self) -> dict[str, Issue]:
        """
        Return what can be found now.
        """
        now = self._clock()
        found = {}
        for id_, versions in self._versions.items():
            newest = next((version for at, version in reversed(versions) if at <= now), None)
            if newest is not None:
                found[id_] = newest
        return found
