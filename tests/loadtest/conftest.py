from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.clients.sdk import ClientStyle, GlobalStyle, client_style, global_style
from tests.harness import in_thread, sdk_environment
from tests.loadtest.plain import SECRET


@pytest.fixture(scope="session", autouse=True)
def _on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Keep the SDK in this process off the network's proxies and out of the user's home.
    """
    with sdk_environment(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture
def upstream() -> Iterator[StripeSandbox]:
    with in_thread(StripeSandbox(secret=SECRET)) as sandbox:
        yield sandbox


@pytest.fixture
def sdk(upstream: StripeSandbox) -> Iterator[ClientStyle]:
    with client_style(upstream.url, upstream.url, SECRET) as style:
        yield style


@pytest.fixture
def patient(upstream: StripeSandbox) -> Iterator[GlobalStyle]:
    with global_style(upstream.url, upstream.url, SECRET) as style:
        yield style
