"""A call that nobody sends us now: the execution of what was parked, as the road sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from breakers.policy import Policy
from breakers.store.events import IntentOpened
from breakers.verdict import Forward, Refuse
from proxy.noticing import Watch
from proxy.trail import Trail


@dataclass(slots=True)
class Errand:
    """
    What stands for the request of a call that nobody waits for; `check` says why one that may pass must not all the
    same, and `judged` is how it was found that it may pass. The other fields are as an inbound request's.
    """

    trail: Trail
    policy: Policy
    watch: Watch
    check: Callable[[Forward], Refuse | None]
    left: bool = False
    unheard: bool = False
    opened: IntentOpened | None = None
    judged: Forward | None = None

    @property
    def waits(self) -> bool:
        """
        Tell that nobody waits for its answer: whoever asked for it is given it when it asks again.
        """
        return False

    def binds(self, go: Forward) -> Refuse | None:
        """
        Return why a call that may pass must not, or None.
        """
        self.judged = go
        return self.check(go)
