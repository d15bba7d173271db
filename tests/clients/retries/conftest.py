from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.retries.stand import Stand, stand


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """
    Run the sandboxes, Breakwater and node once for a file of tests.
    """
    with stand(tmp_path_factory.mktemp("retries")) as made:
        yield made
