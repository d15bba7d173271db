"""A rule that asks for an opened task, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.decide import decide
from breakers.task import Task
from breakers.verdict import Forward, Reason, Refuse
from config.caps import NO_CAPS
from tests.breakers.world import AT, QUIET, call, policy

OPENED = Task("clerk/01M7YZDQY12XJKES0GC4ZSQHB4", "clerk", AT, AT + timedelta(hours=1), NO_CAPS)
NEEDED: dict[str, object] = {"task": "required"}

ROWS: tuple[tuple[dict[str, object], bool, Reason | None], ...] = (
    # the rules, opened, what comes of a read
    ({"charges.*": {}}, False, None),
    ({"charges.*": NEEDED}, False, Reason.TASK_REQUIRED),
    ({"charges.*": NEEDED}, True, None),
    ({"charges.*": {}, "charges.retrieve": NEEDED}, False, Reason.TASK_REQUIRED),
    ({"charges.*": NEEDED, "charges.retrieve": {}}, False, Reason.TASK_REQUIRED),
    ({"refunds.*": NEEDED}, True, Reason.NOT_ALLOWED),
    ({"refunds.*": NEEDED}, False, Reason.NOT_ALLOWED),
)


@pytest.mark.parametrize(("rules", "opened", "reason"), ROWS)
def test_required(rules: dict[str, object], opened: bool, reason: Reason | None) -> None:
    """What any matching entry wants done under an opened task only is not done under the task of the day."""
    asked = call("charges.retrieve", {"path.id": "ch_1"})
    asked = replace(asked, caller=replace(asked.caller, opened=OPENED if opened else None))
    verdict = decide(asked, policy(rules), QUIET)
    assert isinstance(verdict, Forward if reason is None else Refuse)
    assert reason is None or (isinstance(verdict, Refuse) and verdict.reason is reason)


def test_denied_first() -> None:
    """What is denied is denied with a task and without one."""
    verdict = decide(call("charges.retrieve"), policy({"charges.*": NEEDED}, deny=("charges.*",)), QUIET)
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.NOT_ALLOWED
