"""The line of an ACL in the docs: every verb works under it, and it allows nothing that no verb needs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakers.store import pool, redis
from breakers.store.protocol import StoreUnavailable
from breakers.store.redis import Access, redis_store
from config.store import RedisAddress
from tests.breakers.world import AT
from tests.canary.forms import secret
from tests.contract.every import every_verb
from tests.contract.every_fleet import every_member
from tests.contract.world import BRIEF_S, KEPT
from tests.link.verbs import Made, asked_in_python, called_in_lua, verbs_of
from tests.redis_server import RedisServer

DOCS = Path(__file__).parents[2] / "docs" / "FLEET.md"
USER, DEPLOYMENT = "breakwater", "breakwater"

# What the link makes by itself, and what it asks of a node of a cluster.
OF_THE_LINK = frozenset({"EVALSHA", "EVAL", "INFO", "SELECT", "CLUSTER|SLOTS"})


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


def line() -> list[str]:
    """
    Return the line of the docs, as words; it may be broken.
    """
    found = re.search(r"```\n(ACL SETUSER [^`]+)```", DOCS.read_text("utf-8"))
    assert found is not None
    return found[1].replace("\\\n", " ").split()


def test_exactly() -> None:
    """Its commands are those that scripts and the store make, no less and no more, and its keys the deployment's."""
    words = line()
    commands = {word[1:].upper() for word in words if word.startswith("+")}
    assert commands == called_in_lua() | asked_in_python() | OF_THE_LINK
    assert words[:5] == ["ACL", "SETUSER", USER, "on", ">PASSWORD"]
    assert [word for word in words[5:] if not word.startswith("+")] == [
        *("resetkeys", f"~bw:{{{DEPLOYMENT}}}:*", "resetchannels", "-@all"),
    ]


@pytest.fixture
def password(fresh_redis: RedisServer) -> Iterator[str]:
    """
    Return the password of a user that the line was said for.
    """
    given = secret("store-password")
    with contextlib.closing(fresh_redis.operator()) as operator:
        operator.execute_command(*(word.replace("PASSWORD", given) for word in line()))  # type: ignore[no-untyped-call]
        yield given
        operator.acl_deluser(USER)


def address(server: RedisServer, database: int = 0) -> RedisAddress:
    """
    Return where a Redis is, for that user.
    """
    return RedisAddress("127.0.0.1", server.port, database, user=USER)


async def test_every_verb(fresh_redis: RedisServer, password: str) -> None:
    """Every verb works under it."""
    made = Made()
    for works, database in ((every_verb, 0), (every_member, 1)):
        where, access = address(fresh_redis, database), Access(password)
        store = redis_store(where, access, DEPLOYMENT, lambda: AT, KEPT, BRIEF_S)
        try:
            with verbs_of(store, made):
                if works is every_verb:
                    await store.start(())
                await works(store)
        finally:
            await store.close()
    made.is_all()


async def test_no_other_keys(fresh_redis: RedisServer, password: str) -> None:
    """Under it another deployment in the same Redis is out of reach, and it is said what forbids it."""
    store = redis_store(address(fresh_redis), Access(password), "shop", lambda: AT)
    with pytest.raises(StoreUnavailable, match=r"docs/FLEET\.md"):
        await store.start(())
    await store.close()
