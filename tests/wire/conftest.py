from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.stand import Stand, standing


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """
    Give one running Breakwater to a whole module.
    """
    with standing(tmp_path_factory.mktemp("wire")) as running:
        yield running
