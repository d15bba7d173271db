"""How long tasks may live, as it is written, and what a rule may say of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from config.policy import Rule
from config.tasks import TaskSettings


def test_defaults() -> None:
    """An hour where nobody says otherwise, and a day at most."""
    assert (TaskSettings().ttl_s, TaskSettings().max_ttl_s) == (3_600.0, 86_400.0)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"ttl": "25h"}, "a day at most"),
        ({"max_ttl": "2d"}, "a day at most"),
        ({"ttl": "2h", "max_ttl": "1h"}, "longer than `max_ttl`"),
        ({"max_ttl": "30m"}, "longer than `max_ttl`"),
        ({"ttl": 3600}, "not a duration"),
        ({"life": "1h"}, "Extra inputs"),
    ],
)
def test_bad(written: dict[str, object], why: str) -> None:
    """What is longer than a day, longer than the most, or no duration is refused."""
    with pytest.raises(ValidationError, match=why):
        TaskSettings.model_validate(written)


@pytest.mark.parametrize("written", [True, "yes", "optional", ""])
def test_bad_rule(written: object) -> None:
    """A rule says `task: required`, or nothing of tasks."""
    assert Rule.model_validate({"task": "required"}).task == "required"
    with pytest.raises(ValidationError):
        Rule.model_validate({"task": written})
