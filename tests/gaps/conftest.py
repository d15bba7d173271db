from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.crash.forked import Forker
from tests.crash.site import CAPS, SECRET, Site


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    with Forker() as made:
        yield made


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    async with StripeSandbox(secret=SECRET) as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, forker: Forker, sandbox: StripeSandbox) -> AsyncIterator[Site]:
    made = Site(tmp_path / "site", forker, sandbox, caps=CAPS)
    yield made
    if made.child is not None:
        await made.child.kill()
