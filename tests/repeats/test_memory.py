from __future__ import annotations

from hypothesis import settings

from tests.repeats.backings import Alone
from tests.repeats.machine import Machine


class OneProcess(Machine):
    backing = Alone()


OneProcess.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestOne = OneProcess.TestCase
