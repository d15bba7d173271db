"""Lines of equal calls: one after the other, whoever leaves, and never longer than a caller waits."""

from __future__ import annotations

import asyncio

import pytest

from breakers.known import Names
from proxy.judging import Judging
from tests.proxy.road import soon

LONG_S = 30.0
KEYED = Names(("f1:a",), key="k:1")
OTHER_KEY = Names(("f1:a",), key="k:2")
KEYLESS = Names(("f1:a",))


class Line:
    """Calls that stand in line, each judged until it is told to go."""

    def __init__(self) -> None:
        self.judging = Judging()
        self.came: list[str] = []
        self.go: dict[str, asyncio.Event] = {}

    def stand(self, name: str, names: Names | None, within_s: float = LONG_S) -> asyncio.Task[None]:
        """
        Let a call stand in line.
        """
        self.go[name] = asyncio.Event()

        async def judged() -> None:
            async with self.judging.turn(names, within_s):
                self.came.append(name)
                await self.go[name].wait()

        return asyncio.ensure_future(judged())

    async def left(self, name: str, task: asyncio.Task[None]) -> None:
        """
        Let a call's judgement end.
        """
        self.go[name].set()
        await task
        await settled()


async def settled() -> None:
    """
    Let everything run that is ready.
    """
    for _ in range(8):
        await asyncio.sleep(0)


@pytest.mark.parametrize("names", [KEYED, KEYLESS], ids=["key", "keyless"])
async def test_one_by_one(names: Names) -> None:
    """Equal calls are judged in the order in which they came, and nothing is left once all have gone."""
    line = Line()
    tasks = {name: line.stand(name, names) for name in "abc"}
    for number, name in enumerate("abc", 1):
        await settled()
        assert line.came == list("abc"[:number])
        await line.left(name, tasks[name])
    assert repr(line.judging) == "Judging(0 calls in 0 lines)"


async def test_others_pass() -> None:
    """Another key, and a read, wait for nobody."""
    line = Line()
    for name, names in (("a", KEYED), ("b", OTHER_KEY), ("read", None)):
        line.stand(name, names)
    await settled()
    assert line.came == ["a", "b", "read"]
    assert repr(line.judging) == "Judging(2 calls in 2 lines)"


async def test_leaving_the_line() -> None:
    """A call that is cancelled while it waits, or while it is judged, holds nobody up, and lets nobody pass early."""
    line = Line()
    tasks = {name: line.stand(name, KEYED) for name in "abc"}
    await settled()
    tasks["b"].cancel()
    await settled()
    assert line.came == ["a"]
    tasks["a"].cancel()
    await settled()
    assert line.came == ["a", "c"]
    await line.left("c", tasks["c"])
    assert repr(line.judging) == "Judging(0 calls in 0 lines)"


async def test_impatient() -> None:
    """A call that has waited as long as its caller does is judged all the same, and the rest keep their order."""
    line = Line()
    first, hasty = line.stand("a", KEYED), line.stand("b", KEYED, within_s=0.0)
    last = line.stand("c", KEYED)
    await soon(lambda: line.came == ["a", "b"])
    await line.left("b", hasty)
    assert line.came == ["a", "b"]
    await line.left("a", first)
    assert line.came == ["a", "b", "c"]
    await line.left("c", last)
