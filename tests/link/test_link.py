"""The link under cancellation, silence and garbage: an answer reaches who asked for it, or nobody."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

import pytest

from breakers.store import pool, redis
from breakers.store.link import Purpose
from breakers.store.protocol import StoreUnavailable
from breakers.store.refusals import GARBAGE
from tests.link.fake import Fake, Words, bulk, closed, echo, faking, info, linked, until


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts; a case that is about that sets it back.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


@pytest.mark.parametrize("is_warm", [False, True])
async def test_cancelled_anywhere(is_warm: bool) -> None:
    """Wherever an asker is told to end, it ends, and what comes after it is answered with its own words."""
    async with faking() as fake, linked(fake) as link:
        for turns in itertools.count():
            if is_warm:
                await link.ask("ECHO", "warm")
            asking = asyncio.create_task(link.ask("ECHO", f"first-{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0)
            was_done = asking.done()
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled() is not was_done
            said = await asyncio.gather(*(link.ask("ECHO", f"next-{turns}-{n}") for n in range(3)))
            assert said == [b"next-%d-%d" % (turns, n) for n in range(3)]
            if was_done and turns > 3:
                return
            if not is_warm:
                fake.hang_up()
                link._drop_all()


async def test_cancelled_in_time() -> None:
    """An answer that arrives in the very turn in which its asker gives up is nobody's."""
    async with faking() as fake, linked(fake) as link:
        await link.ask("ECHO", "warm")
        (connection,) = link._pools[Purpose.DECISIONS]._idle
        asking = asyncio.create_task(link.ask("ECHO", "first"))
        await asyncio.sleep(0)
        assert connection._wire._reader is not None
        connection._wire._reader.feed_data(bulk(b"first"))
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert not connection.open
        assert await link.ask("ECHO", "next") == b"next"


async def test_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered after its asker's time is never read by another, and costs the connection."""
    held: list[bytes] = []

    def slow(words: Words) -> bytes | None:
        if words[-1] == b"slow":
            held.append(words[-1])
            return None
        return b"".join(map(bulk, held)) + bulk(words[-1]) if fake.dialled == 1 else bulk(words[-1])

    async with faking(slow) as fake, linked(fake) as link:
        await link.ask("ECHO", "warm")
        monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 0.05)
        with pytest.raises(StoreUnavailable, match="50 ms"):
            await link.ask("ECHO", "slow")
        monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
        assert await link.ask("ECHO", "next") == b"next"
        assert fake.dialled == 2


async def test_unasked() -> None:
    """What a server says while nobody asks, and what it says beside an answer, costs the connection."""
    async with faking() as fake, linked(fake) as link:
        for n in range(3):
            assert await link.ask("ECHO", f"{n}") == b"%d" % n
            (writer,) = fake.writers
            (connection,) = link._pools[Purpose.DECISIONS]._idle
            writer.write(bulk(b"stale"))
            await closed(connection)
        fake.says = lambda words: bulk(words[-1]) + bulk(b"stale")
        assert [await link.ask("ECHO", f"{n}") for n in range(3)] == [b"0", b"1", b"2"]


LATE = "Redis (did not answer|made no connection) within"

# What is garbage is told as that; what may still become an answer has its time, and no memory but for what has arrived.
GARBLED = {
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n\r\n", GARBAGE),
    "bytes": (b"\x00\x01\x02\r\n", GARBAGE),
    "a text of 512 MB": (b"$536870912\r\n" + b"x" * 1000, GARBAGE),
    "a list without end": (b"*1000000000\r\n:1\r\n", GARBAGE),
    "a text that may come": (b"$1000\r\nx", LATE),
    "lists in lists": (b"*1\r\n" * 10_000, GARBAGE),
}


@pytest.mark.parametrize("what", GARBLED)
@pytest.mark.parametrize("at_once", [False, True])
async def test_garbled(what: str, at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage is told in a sentence and ends the connection, and a server that speaks again is used again."""
    said, why = GARBLED[what]
    async with faking(told=lambda: said if at_once else info()) as fake, linked(fake) as link:
        fake.says = lambda _: said
        with monkeypatch.context() as patch:
            if why is LATE:
                patch.setattr(redis, "ANSWERS_WITHIN_S", 0.1)
            with pytest.raises(StoreUnavailable, match=why):
                await link.ask("GET", "a")
        fake.says, fake.told = echo, info
        # A connection that is still being made outlives whoever asked for it, and its failure is everybody's who waits.
        await until(lambda: not link._pools[Purpose.DECISIONS]._dialling)
        assert await link.ask("GET", "a") == b"a"
        assert fake.dialled == 2


async def test_purposes() -> None:
    """Commands of one purpose that get no answer leave the connections of the others alone."""
    async with faking(lambda words: None if words[-1] == b"hang" else echo(words)) as fake, linked(fake) as link:
        hanging = [
            asyncio.create_task(link.ask("BLPOP", "hang", purpose=purpose, within_s=30))
            for purpose in (Purpose.BEHIND, Purpose.LETTERS)
            for _ in range(12)
        ]
        await until(lambda: len(fake.seen) >= redis.MOST[Purpose.BEHIND] + redis.MOST[Purpose.LETTERS])
        assert await link.ask("GET", "a") == b"a"
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)


async def test_starved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers costs each asker its time and no more, however many ask."""
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 0.1)
    async with faking(lambda _: None) as fake, linked(fake) as link:
        began = time.monotonic()
        said = await asyncio.gather(*(link.ask("GET", f"{n}") for n in range(200)), return_exceptions=True)
        assert {str(error) for error in said} == {"Redis did not answer within 100 ms"}
        assert time.monotonic() - began < 5
        assert len(fake.seen) <= redis.CONNECTIONS
        fake.says = echo
        monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
        assert await link.ask("GET", "a") == b"a"


async def test_queue_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would be one too many in the queue is told so at once."""
    monkeypatch.setattr(pool, "WAITING_MAX", 8)
    async with faking() as fake, linked(fake) as link:
        said = await asyncio.gather(*(link.ask("GET", f"{n}") for n in range(40)), return_exceptions=True)
        assert sum(isinstance(one, bytes) for one in said) == 8
        assert {str(one) for one in said if not isinstance(one, bytes)} == {pool.TOO_MANY}


async def test_hung_up_idle() -> None:
    """A connection that ended while nobody used it costs nobody an answer."""
    async with faking() as fake, linked(fake) as link:
        for n in range(3):
            await link.ask("GET", "a")
            (connection,) = link._pools[Purpose.DECISIONS]._idle
            fake.hang_up()
            await closed(connection)
            assert fake.dialled == n + 1


async def test_leaves_nothing() -> None:
    """A link that was closed has ended what it began, and every connection."""
    before = asyncio.all_tasks()
    async with faking() as fake:
        async with linked(fake) as link:
            asking = [asyncio.create_task(link.ask("GET", f"{n}")) for n in range(5)]
            for _ in range(3):
                await asyncio.sleep(0)
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(*asking)
        await until(lambda: not fake.writers)
        assert asyncio.all_tasks() <= before | fake.readers


async def test_sent_once(fake_peer: Fake) -> None:
    """A command that the server hangs up on arrives once, over a fresh connection and over a used one."""
    link = fake_peer.link()
    for word in ("fresh", "kept", "reused"):
        fake_peer.says = echo if word == "kept" else fake_peer.hung_up
        with contextlib.suppress(StoreUnavailable):
            await link.ask("ECHO", word)
    assert [words[-1] for words in fake_peer.seen] == [b"fresh", b"kept", b"reused"]
    await link.close()
