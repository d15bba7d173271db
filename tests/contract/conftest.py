"""Every store that the contract is run on; a new one joins by a line here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from breakers.store.memory import MemoryStore
from breakers.store.protocol import Store

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def memory() -> Store:
    """
    Return an empty store of one process whose clock stands still.
    """
    return MemoryStore(lambda: AT)


@pytest.fixture(params=[memory], ids=lambda made: made.__name__)
def fresh(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """
    Return what makes one empty store of the kind under test.
    """
    made: Callable[[], Store] = request.param
    return made


@pytest.fixture
def store(fresh: Callable[[], Store]) -> Store:
    """
    Return one empty store of the kind under test.
    """
    return fresh()
