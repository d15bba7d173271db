from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.stage import Stage, stage
from tests.clients.ways import loopback
from tests.harness import breakwater as breakwater  # noqa: PLC0414 the fixture's name is what makes it one
from tests.harness import sdk_environment


@pytest.fixture(scope="session", autouse=True)
def _on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Keep the SDK in this process off the network's proxies and out of the user's home.
    """
    with sdk_environment(tmp_path_factory.mktemp("home")), pytest.MonkeyPatch.context() as patch, loopback():
        patch.setenv("NO_PROXY", "127.0.0.1,localhost,.localhost")
        yield


@pytest.fixture(scope="module")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """
    Start both upstreams and Breakwater once for a file of tests.
    """
    with stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def on(whole_stage: Stage) -> Stage:
    """
    Give the stage with both upstreams as new.
    """
    whole_stage.reset()
    return whole_stage
