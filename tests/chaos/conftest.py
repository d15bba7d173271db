from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.forked import Forker


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    with Forker() as made:
        yield made
