from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import breakwater as breakwater  # noqa: PLC0414 the fixture's name is what makes it one
from tests.harness import sdk_environment


@pytest.fixture(scope="session", autouse=True)
def _on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Keep the SDK in this process off the network's proxies and out of the user's home.
    """
    with sdk_environment(tmp_path_factory.mktemp("home")):
        yield
