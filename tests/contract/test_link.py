"""The wire to a Redis: nothing is sent twice, every key is declared, and a fault is a sentence without secrets."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from breakers.known import State as Of
from breakers.stops import ALL
from breakers.store.fleet import FleetStore
from breakers.store.protocol import HeldWrite, Permit, StoreUnavailable
from breakers.store.redis import CONNECTIONS, Access, redis_store
from breakers.store.scripts import SCRIPTS
from config.store import RedisAddress
from tests.breakers.world import AT
from tests.canary.forms import secret
from tests.conftest import Figure
from tests.contract.cutter import Cutter
from tests.contract.every import every_verb
from tests.contract.world import (
    BRIEF_S,
    dispatched,
    done,
    judged,
    made,
    nothing_done,
    opened,
    reserved,
    shown,
    standing,
    unknown,
    write,
)
from tests.redis_server import RedisServer, running_redis

_SLOTS = 16_384


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[FleetStore]:
    """
    Return a store that has begun.
    """
    store = redis_server.store()
    await store.start(())
    yield store
    await store.close()


async def test_lost_answers(fragile: FleetStore, cutter: Cutter) -> None:
    """A verb whose answer was lost ran once, and says the same when it is made again."""
    go = await judged(fragile, write())
    steps = (
        ("reserve", lambda: fragile.reserve(go), HeldWrite(go)),
        ("dispatch", lambda: fragile.dispatch(HeldWrite(go), opened()), Permit.GRANTED),
        ("move", lambda: fragile.resolve(opened(), done()), True),
    )
    for verb, step, said in steps:
        # Redis knows the script, so that it is asked for it by its digest once, and once only.
        await fragile._link.run("facts", ["bw:{x}:a", "bw:{x}:b"], "")
        with cutter.losing(), pytest.raises(StoreUnavailable, match="Redis"):
            await step()
        sent = [data for data in cutter.asked if SCRIPTS[verb].sha.encode() in data or b"EVAL\r\n" in data]
        assert len(sent) <= 1, verb
        assert await step() == said
    assert await standing(fragile) == [("01A", Of.COMPLETED)]


async def test_lost_settle(fragile: FleetStore, cutter: Cutter) -> None:
    """An end whose answer was lost is nobody's fault, and is noted again as soon as Redis answers."""
    first = await dispatched(fragile, write())
    second = await dispatched(fragile, write("01B", "k:2", "f1:2", "e:2"))
    with cutter.losing():
        await fragile.settle(first, unknown())
        await fragile.settle(second, done())
        assert "Redis" in (await fragile.fault() or "")
    assert len(cutter.asked) == 3
    assert await fragile.fault() is None
    assert await shown(fragile) == [("01A", True, False)]
    assert await standing(fragile, "k:2") == [("01B", Of.COMPLETED)]


async def test_unsent_settle(redis_server: RedisServer, cutter: Cutter, fragile: FleetStore) -> None:
    """An end that never arrived is noted before anything else is judged; until then others find it in flight."""
    held = await dispatched(fragile, write())
    cutter.upstream, real = 1, cutter.upstream
    for task in list(cutter.running):
        task.cancel()
    await asyncio.sleep(0)
    await fragile.settle(held, done(), b"sealed")
    other = redis_server.store(f"cut-{cutter.port}")
    await other.start(())
    assert await standing(other) == [("01A", Of.DISPATCHED)]
    cutter.upstream = real
    assert await standing(fragile) == await standing(other) == [("01A", Of.COMPLETED)]
    assert await other.answer("01A") == b"sealed"
    await other.close()


async def test_scripts_forgotten(redis_server: RedisServer, store: FleetStore) -> None:
    """A Redis that was restarted or told to forget its scripts learns them again on the way."""
    with contextlib.closing(redis_server.operator()) as operator:
        operator.script_flush()
    await made(store, write(), done())
    assert await standing(store) == [("01A", Of.COMPLETED)]


_KEY = re.compile(r'"(bw:\{[^"]*)"')


async def test_keys_declared(redis_server: RedisServer) -> None:
    """No script touches a key that was not declared to it, and every key has the deployment's hash tag."""
    reader, writer = await asyncio.open_connection("127.0.0.1", redis_server.port)
    writer.write(b"MONITOR\r\n")
    assert await reader.readline() == b"+OK\r\n"
    store = redis_server.store("declared", lease_s=BRIEF_S)
    await store.start(())
    await every_verb(store)
    await store.close()
    writer.write(b"ECHO that-was-all\r\n")
    declared: set[str] = set()
    scripts = touched = 0
    while "that-was-all" not in (line := (await reader.readline()).decode()):
        keys = set(_KEY.findall(line))
        if " lua] " in line:
            touched += len(keys)
            assert keys <= declared, line
        elif '"EVAL' in line:
            scripts += 1
            declared = keys
        assert all(key.startswith("bw:{declared}:") for key in keys), line
    writer.close()
    await writer.wait_closed()
    assert scripts > 50
    assert touched > 400


@pytest.mark.slow
async def test_cluster(tmp_path: Path) -> None:
    """On a cluster, which refuses scripts over several slots, every verb works."""
    config = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    with running_redis(tmp_path, *config) as server, contextlib.closing(server.operator()) as operator:
        # The client's own method is untyped.
        command: Callable[..., Any] = operator.execute_command
        command("CLUSTER ADDSLOTS", *range(_SLOTS))
        # It is another process that gets ready, in its own two seconds.
        while command("CLUSTER INFO")["cluster_state"] != "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        store = server.store(lease_s=BRIEF_S)
        await store.start(())
        await every_verb(store)
        await store.close()


async def test_connections_bounded(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once, the connections stay within their bound, and whoever may wait gets one."""
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 10.0)
    store = redis_server.store()
    await store.start(())
    with contextlib.closing(redis_server.operator()) as operator:
        before = len(operator.client_list())
        await asyncio.gather(*(store.facts(write(f"{n}")) for n in range(300)))
        assert len(operator.client_list()) - before <= CONNECTIONS
    await store.close()


async def test_speed(store: FleetStore, figure: Figure) -> None:
    """What a fleet's store carries in a second is printed: whole writes, and replays looked up, many at once."""
    asked = [write(f"{n:03}", f"k:{n}", f"f1:{n}", f"e:{n}") for n in range(256)]
    began = time.perf_counter()
    for first in range(0, len(asked), CONNECTIONS):
        await asyncio.gather(*(made(store, each, done()) for each in asked[first : first + CONNECTIONS]))
    middle = time.perf_counter()
    for first in range(0, len(asked), CONNECTIONS):
        found = await asyncio.gather(*(store.facts(each) for each in asked[first : first + CONNECTIONS]))
        assert all(facts.known.under for facts in found)
    ended = time.perf_counter()
    figure("redis store, writes a second (facts, reserve, dispatch, settle)", round(len(asked) / (middle - began)))
    figure("redis store, replays a second (facts)", round(len(asked) / (ended - middle)))


async def test_cancelled(store: FleetStore) -> None:
    """An asker that gives up in the middle leaves no half answer for the next."""
    await made(store, write(), done())
    for n in range(40):
        task = asyncio.create_task(store.facts(write("01B")))
        for _ in range(n % 8):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert (await store.stops()).by_scope.keys() == {ALL}
    assert await standing(store) == [("01A", Of.COMPLETED)]


async def test_policy(redis_server: RedisServer, store: FleetStore) -> None:
    """A Redis that may throw away what it holds is at fault, in words that say what to set."""
    with contextlib.closing(redis_server.operator()) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
        try:
            said = await store.fault() or ""
        finally:
            operator.config_set("maxmemory-policy", "noeviction")
    assert "`allkeys-lru`" in said
    assert "`noeviction`" in said
    assert await store.fault() is None


async def test_config_refused(redis_server: RedisServer) -> None:
    """Where `CONFIG` is refused, the policy is read among what every client is told."""
    password = secret("store-password")
    with contextlib.closing(redis_server.operator()) as operator:
        operator.acl_setuser("app", enabled=True, passwords=[f"+{password}"], keys=["*"], commands=["+@all", "-config"])
        address = RedisAddress("127.0.0.1", redis_server.port, user="app")
        store = redis_store(address, Access(password), "refused", lambda: AT)
        await store.start(())
        assert await store.fault() is None
        operator.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "`allkeys-lru`" in (await store.fault() or "")
        finally:
            operator.config_set("maxmemory-policy", "noeviction")
            operator.acl_deluser("app")
        await store.close()


async def test_password_refused(redis_server: RedisServer) -> None:
    """A password that Redis refuses is told without the password, and so is one that is missing."""
    password = secret("store-password")
    with contextlib.closing(redis_server.operator()) as operator:
        operator.acl_setuser("app", enabled=True, passwords=["+another"], keys=["*"], commands=["+@all"])
        store = redis_store(RedisAddress("127.0.0.1", redis_server.port, user="app"), Access(password), "x", lambda: AT)
        with pytest.raises(StoreUnavailable, match="password") as caught:
            await store.start(())
        operator.acl_deluser("app")
    assert password not in str(caught.value)
    assert caught.value.__cause__ is None
    await store.close()


async def test_nobody_there(tmp_path: Path) -> None:
    """A Redis that is not there is said so at once by every verb, and at start."""
    with running_redis(tmp_path) as server:
        store = server.store()
        await store.start(())
        held = await reserved(store, write())
    for refused in (store.facts(write()), store.dispatch(held, opened()), store.stops(), store.open_intents()):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await refused
    assert "cannot be reached" in (await store.fault() or "")
    await store.settle(held, nothing_done())
    await store.close()


async def test_no_answer(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that does not answer is given up after a quarter of a second."""
    monkeypatch.setattr("breakers.store.redis.ANSWERS_WITHIN_S", 0.25)
    store = redis_server.store()
    with contextlib.closing(redis_server.operator()) as operator:
        operator.client_pause(400)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="250 ms"):
            await store.facts(write())
        assert time.monotonic() - began < 2
        operator.ping()
    await store.close()


async def test_not_started(redis_server: RedisServer) -> None:
    """Nothing is held before the ledger was replayed."""
    store = redis_server.store()
    with pytest.raises(StoreUnavailable):
        await store.facts(write())
    assert "replayed first" in (await store.fault() or "")
    await store.close()


@pytest.mark.parametrize("junk", ["", "x", "d 0 0 0 0\n[]\n", "d 0 0 0 0\n{\n", "q 0 0 0 0\n[1]\n", "d 0 0\n\n\n\n"])
async def test_junk(redis_server: RedisServer, junk: str) -> None:
    """What nobody of ours wrote is a sentence, never a record."""
    store = redis_server.store("junk")
    await store.start(())
    with contextlib.closing(redis_server.operator()) as operator:
        operator.set("bw:{junk}:intent:01A", junk)
        operator.hset("bw:{junk}:name:k:1", "01A", junk)
        operator.hset("bw:{junk}:open", "01A", junk)
        asked = [store.facts(write("01B")), store.open_intents(), store.earlier("01A"), store.wait("01A", 1)]
        for refused in asked:
            with contextlib.suppress(StoreUnavailable):
                assert not await refused or junk == ""
        for key in operator.keys("bw:{junk}:*"):
            operator.delete(key)
    await store.close()


def test_shows_state(redis_server: RedisServer) -> None:
    """Its one line says whose it is, what this process carries and owes, and whether it may hold anything."""
    assert repr(redis_server.store("shop")) == "<FleetStore bw:{shop}: carried=0 owed=0 emptied=True>"
