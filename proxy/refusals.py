"""
What an upstream refuses, as evidence: declines of one task, and refusals of our credential.

A decline (a card that is not good for it) says that the upstream works, and something about the task. The same
operation refused as unprocessable five times within ten minutes counts like five declines: one alone is a typing error.
A 401 is a refusal of our credential. A 403 may be one of what was asked, so it counts only from two agents, or on an
operation that passed within the hour.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from breakers.call import Applied, Health, Outcome
from breakers.evidence import DECLINED
from breakers.thresholds import OF_TASK

REMEMBERED_MAX = 10_000
"""Operations of tasks, and of accounts, that are remembered: far more than are in use within the hour."""

PASSED_S = 3600.0
"""For how long an operation that passed proves that the credential was good for it."""

UNPROCESSABLE, UNAUTHORIZED, FORBIDDEN = 422, 401, 403

Key = TypeVar("Key")
Value = TypeVar("Value")


class Refusals:
    """
    What was refused lately; times are monotonic.
    """

    def __init__(self) -> None:
        # By task and operation: how often it was unprocessable in a row, and since when.
        self._odd: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        self._passed: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._agents: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"Refusals({len(self._odd)} operations of tasks, {len(self._passed)} that passed)"

    def declined(self, task: str, operation: str, outcome: Outcome, now: float) -> int:
        """
        Return how many declines of a task a result is.
        """
        if outcome.applied is not Applied.NOT_APPLIED or outcome.status is None or outcome.status < 400:  # the field's
            return 0
        if outcome.health is Health.OK:
            return 1
        if outcome.status != UNPROCESSABLE:
            return 0
        count, since = self._odd.pop((task, operation), (0, now))
        if now - since > OF_TASK.over_s:
            count, since = 0, now
        _keep(self._odd, (task, operation), (count + 1, since))
        # Until there are as many as count, they may be anything.
        return 0 if count + 1 < DECLINED else DECLINED if count + 1 == DECLINED else 1

    def passed(self, api: str, operation: str, now: float) -> None:
        """
        Note that an operation passed: the credential is good for it.
        """
        self._agents.pop(api, None)
        _keep(self._passed, (api, operation), now)

    def of_credential(self, api: str, agent: str, operation: str, outcome: Outcome, now: float) -> bool | None:
        """
        Tell what a result says of an account's credential: that it is good, that it is not, or nothing.
        """
        if outcome.status is not None and outcome.status < 300 and outcome.health is Health.OK:  # the protocol's own
            self.passed(api, operation, now)
            return True
        if outcome.status == UNAUTHORIZED:
            return False
        if outcome.status != FORBIDDEN or outcome.health is not Health.IGNORE:
            return None
        agents = self._agents.setdefault(api, set())
        agents.add(agent)
        passed = self._passed.get((api, operation))
        return False if len(agents) > 1 or (passed is not None and now - passed <= PASSED_S) else None


def _keep(into: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    into[key] = value
    into.move_to_end(key)
    if len(into) > REMEMBERED_MAX:
        into.popitem(last=False)
