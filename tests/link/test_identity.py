"""Every new connection says who answers before anything is asked, and none but the trusted server is asked anything."""

from __future__ import annotations

import asyncio
import time

import pytest

from breakers.store import pool, redis
from breakers.store.connection import Connection
from breakers.store.link import Purpose
from breakers.store.protocol import StoreUnavailable
from breakers.store.redis import Access
from tests.link.fake import ID, Fake, closed, faking, info, linked, until

OTHER = "b" * 40


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts; a case that is about that sets it back.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"run_id": OTHER}, "another Redis answers"),
        ({"role": "slave"}, "a replica"),
        ({"loading": "1"}, "loading"),
        ({"run_id": OTHER, "role": "slave"}, "a replica"),
    ],
)
async def test_moved(fake_peer: Fake, said: dict[str, str], why: str) -> None:
    """Where another answers than the trusted one, nothing is asked of anybody until one is trusted again."""
    link = fake_peer.link()
    assert await link.server() == ID
    link.trust(ID)
    assert (await link.ask("GET", "a"), link.moved) == (b"a", False)
    fake_peer.told = lambda: info(**said)
    (connection,) = link._pools[Purpose.DECISIONS]._idle
    fake_peer.hang_up()
    await closed(connection)
    with pytest.raises(StoreUnavailable, match=why):
        await link.ask("GET", "b")
    assert link.moved
    fake_peer.told = info
    with pytest.raises(StoreUnavailable, match="another Redis answers"):
        await link.ask("GET", "c")
    assert await link.server() == ID
    link.trust(ID)
    assert (await link.ask("GET", "d"), link.moved) == (b"d", False)
    assert [words[-1] for words in fake_peer.seen] == [b"a", b"d"]
    await link.close()


async def test_trust_drops(fake_peer: Fake) -> None:
    """No connection that was made before a server was trusted is used after, not even one that is in use."""
    link = fake_peer.link()
    await link.ask("GET", "a")
    fake_peer.says = lambda _: None
    asking = asyncio.create_task(link.ask("GET", "slow"))
    await until(lambda: len(fake_peer.seen) >= 2)
    link.trust(OTHER)
    (writer,) = fake_peer.writers
    writer.write(b"+late\r\n")
    assert await asking == b"late"
    fake_peer.told = lambda: info(run_id=OTHER)
    fake_peer.says = lambda _: b"+fresh\r\n"
    assert await link.ask("GET", "b") == b"fresh"
    assert fake_peer.dialled == 2
    await link.close()


async def test_trusted_while_dialling(fake_peer: Fake) -> None:
    """A connection that was being made while another server came to be trusted is asked nothing, at whatever turn."""
    link = fake_peer.link()
    for turns in range(12):
        link.trust(ID)
        asking = asyncio.create_task(link.ask("GET", "a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        lent = bool(link._pools[Purpose.DECISIONS]._lent)
        link.trust(OTHER)
        await asyncio.wait({asking})
        assert lent or isinstance(asking.exception(), StoreUnavailable)
    await link.close()


async def test_trusted_at_hand_over(fake_peer: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose server is no more trusted when its asker wakes up is asked nothing."""
    link = fake_peer.link()
    link.trust(ID)
    decisions = link._pools[Purpose.DECISIONS]
    offer = decisions._offer

    def offered(connection: Connection) -> None:
        offer(connection)
        link.trust(OTHER)

    with monkeypatch.context() as patch:
        patch.setattr(decisions, "_offer", offered)
        with pytest.raises(StoreUnavailable, match="another Redis answers"):
            await link.ask("GET", "a")
    assert fake_peer.seen == []
    await link.close()


async def test_given_up_at_hand_over(fake_peer: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that comes in the turn in which its asker gives up is kept for the next."""
    link = fake_peer.link()
    decisions = link._pools[Purpose.DECISIONS]
    offer = decisions._offer
    asking = asyncio.create_task(link.ask("GET", "a"))

    def offered(connection: Connection) -> None:
        offer(connection)
        asking.cancel()

    with monkeypatch.context() as patch:
        patch.setattr(decisions, "_offer", offered)
        await asyncio.wait({asking})
    assert (asking.cancelled(), len(decisions._lent), len(decisions._idle)) == (True, 0, 1)
    assert (await link.ask("GET", "b"), fake_peer.dialled) == (b"b", 1)
    await link.close()


async def test_login(fake_peer: Fake) -> None:
    """Nothing that was configured shows in what a link, its access or its connections say of themselves."""
    fake_peer.says = lambda _: b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    access = Access("upstream-secret-canary")
    async with linked(fake_peer, access) as link:
        with pytest.raises(StoreUnavailable, match="`store_password`") as caught:
            await link.ask("GET", "a")
        assert "canary" not in f"{caught.value} {link!r} {access!r} {link._at._login!r}"
    assert [words[0] for words in fake_peer.seen] == [b"AUTH"]


async def test_comes_back_gently(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand who wait for a server that is away dial it a few times, ever less often, and never more at once."""
    monkeypatch.setattr(pool, "PAUSE_S", 0.05)
    pauses: list[float] = []
    chances = iter([0.0, 1.0] * 50)

    def drawn() -> float:
        pauses.append(next(chances))
        return pauses[-1]

    async with faking() as fake:
        fake.told = fake.hung_up
        async with linked(fake, Access(chance=drawn)) as link:
            monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 0.4)
            began = time.monotonic()
            while time.monotonic() - began < 0.4:
                said = await asyncio.gather(*(link.ask("GET", "a") for _ in range(1000)), return_exceptions=True)
                assert all(isinstance(error, StoreUnavailable) for error in said)
            # Two at once, and then after 25, 100, 100, 400 ms: the waits double, each halved or not by chance.
            assert 2 <= fake.dialled <= 10
            assert len(pauses) == fake.dialled
            fake.told = info
            monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
            began_with = fake.dialled
            assert set(await asyncio.gather(*(link.ask("GET", "a") for _ in range(1000)))) == {b"a"}
            assert fake.dialled - began_with <= redis.CONNECTIONS


async def test_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks while the next attempt lies beyond its time is told at once why the last one failed."""
    monkeypatch.setattr(pool, "PAUSE_S", 1000.0)
    monkeypatch.setattr(pool, "PAUSE_MAX_S", 1000.0)
    async with faking(told=lambda: info(role="slave")) as fake, linked(fake) as link:
        for _ in range(50):
            with pytest.raises(StoreUnavailable, match="a replica"):
                await link.ask("GET", "a")
        assert fake.dialled == 1


async def test_flapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes connections and hangs up on every command is not dialled for each of them."""
    monkeypatch.setattr(pool, "PAUSE_S", 1000.0)
    monkeypatch.setattr(pool, "PAUSE_MAX_S", 1000.0)
    async with faking(lambda _: fake.hung_up()) as fake, linked(fake) as link:
        for _ in range(50):
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                await link.ask("GET", "a")
        assert fake.dialled == 1
