"""A server that a test scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.link.fake import Fake, faking
from tests.redis_server import fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]


@pytest.fixture
async def fake_peer() -> AsyncIterator[Fake]:
    """
    Return such a server.
    """
    async with faking() as fake:
        yield fake
