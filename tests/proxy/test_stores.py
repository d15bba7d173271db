"""From the configuration to the store: which one, under which name, with which password."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from breakers.store.fleet import FleetStore
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Store
from config.load import load
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.stores import open_store
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.redis_server import RedisServer, fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]


def opened(folder: Path, text: str, **environ: str) -> Store:
    """
    Return the store of a configuration.
    """
    (folder / "breakwater.yaml").write_text(text, encoding="utf-8")
    return open_store(load(folder / "breakwater.yaml"), environ, SystemClock())


def test_memory(tmp_path: Path) -> None:
    """Without a word, and by its name, the store is this process's memory, which keeps what the settings say."""
    assert isinstance(opened(tmp_path, "{}\n"), MemoryStore)
    store = opened(tmp_path, "store: memory\nidempotency: {answers: 3d, outcomes: 1d}\n")
    assert isinstance(store, MemoryStore)
    assert (store._retention.answers_s, store._retention.outcomes_s) == (3 * 86_400, 86_400)


async def test_redis(tmp_path: Path, fresh_redis: RedisServer) -> None:
    """A URL leads to a Redis, where every key stands under the deployment's name."""
    store = opened(tmp_path, f"store: {fresh_redis.url}/3\ndeployment: shop-2\n")
    assert isinstance(store, FleetStore)
    await store.start(())
    assert await store.fault() is None
    await store.close()
    with contextlib.closing(fresh_redis.operator()) as operator:
        assert operator.dbsize() == 0
        operator.execute_command("SELECT", 3)  # type: ignore[no-untyped-call]
        assert all(str(key).startswith("bw:{shop-2}:") for key in operator.keys("*"))
        assert operator.dbsize() > 0


@pytest.mark.parametrize("place", ["{env: STORE_PASSWORD}", "{file: password}"])
async def test_password(tmp_path: Path, fresh_redis: RedisServer, place: str) -> None:
    """The password is read where the configuration says, relative to its folder, and opens the door."""
    password = secret("store-password")
    (tmp_path / "password").write_text(f"{password}\n")
    watch.may_hold(tmp_path / "password")
    with contextlib.closing(fresh_redis.operator()) as operator:
        operator.acl_setuser("app", enabled=True, passwords=[f"+{password}"], keys=["*"], commands=["+@all"])
        text = f"store: redis://app@127.0.0.1:{fresh_redis.port}\nstore_password: {place}\n"
        store = opened(tmp_path, text, STORE_PASSWORD=password)
        await store.start(())
        await store.close()
        operator.acl_deluser("app")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("{env: STORE_PASSWORD}", "the store's password is empty: environment variable STORE_PASSWORD"),
        ("{file: nowhere}", "the store's password is unreadable: file "),
    ],
)
def test_no_password(tmp_path: Path, place: str, error: str) -> None:
    """A password that cannot be read ends the start, in words that name its place."""
    with pytest.raises(StartRefused) as caught:
        opened(tmp_path, f"store: redis://127.0.0.1\nstore_password: {place}\n")
    assert caught.value.error.startswith(error)
