"""Turns with objects: who waits for whom, how long, and what is left when all is over."""

from __future__ import annotations

import asyncio

from proxy.pending import Pending, Touched

ONE: Touched = ("stripe", "charge", "ch_1")
OTHER: Touched = ("stripe", "charge", "ch_2")
LONG_S = 30.0


async def came(pending: Pending, call: str) -> bool:
    """
    Tell whether a call's turn has come, as far as everything else that is ready has run.
    """
    waiting = asyncio.ensure_future(pending.come(call, LONG_S))
    for _ in range(5):
        await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    return done


async def test_in_order() -> None:
    """A call waits for those that came before it with one of its objects, and never for those that came after it."""
    pending = Pending()
    with pending.turn("a", [ONE]):
        with pending.turn("b", [ONE, OTHER]), pending.turn("c", [OTHER]):
            assert await came(pending, "a")
            assert not await came(pending, "b")
            assert not await came(pending, "c")
        with pending.turn("d", [OTHER]):
            assert await came(pending, "d")


async def test_kept() -> None:
    """A turn lasts until the work that was begun in it has ended, whoever has left."""
    pending, written, seen = Pending(), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await written.wait()
        pending.start("a", look())

    async def look() -> None:
        await seen.wait()

    with pending.turn("a", [ONE]):
        task = asyncio.ensure_future(write())
        pending.keep("a", task)
    with pending.turn("b", [ONE]):
        assert not await came(pending, "b")
        written.set()
        await task
        assert not await came(pending, "b")
        assert len(pending) == 1
        seen.set()
        assert await came(pending, "b")


async def test_no_longer_than() -> None:
    """Whoever has waited as long as it likes goes on."""
    pending = Pending()
    with pending.turn("a", [ONE]), pending.turn("b", [ONE]):
        await pending.come("b", 0.0)


async def test_nothing_left() -> None:
    """A turn that failed is over, and what is over takes no room."""
    pending = Pending()
    for number in range(3):
        try:
            with pending.turn(f"call {number}", [ONE, OTHER]):
                pending.start(f"call {number}", asyncio.sleep(0))
                raise KeyError
        except KeyError:
            pass
    await pending.drain(LONG_S)
    await asyncio.sleep(0)
    assert repr(pending) == "Pending(0 after 0 turns on 0 objects)"


async def test_without_objects() -> None:
    """A call that names no object waits for nobody, and its work runs all the same."""
    pending, ran = Pending(), asyncio.Event()

    async def work() -> None:
        ran.set()

    with pending.turn("a", []), pending.turn("b", []):
        await pending.come("b", LONG_S)
        pending.start("b", work())
    await pending.drain(LONG_S)
    assert ran.is_set()
