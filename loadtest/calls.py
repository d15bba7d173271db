"""
Calls as agents make them: their bytes, and callers that ask again as SDKs do.

A call that gets no answer, or one that says "not now", goes out again unchanged, under its key, until it is told how
the write ended or its caller gives up. Nothing here waits for anything but the call: who begins it when is another's.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator

from loadtest.diary import Diary
from loadtest.effects import AMOUNT
from loadtest.lines import PATIENCE_S, Lines, Told
from loadtest.scenario import OPERATIONS, READ, request

# An SDK's pause between two attempts, cut short: each is twice the one before, up to a bound.
PAUSE_S, PAUSE_MAX_S = 0.1, 1.6


class Agent:
    """
    One agent: its key, the calls that it makes, and what it was told. `prefix` begins every order of its writes.

    While it has no door its calls wait, as those of a client do that is told nothing listens.
    """

    def __init__(self, key: str, diary: Diary, prefix: str, most: int) -> None:
        self.diary, self.prefix = diary, prefix
        self._key, self._most = key, most
        self._numbers: Iterator[int] = itertools.count()
        self._calls = 0
        self.under_way = 0
        self._lines: Lines | None = None
        self._reachable = asyncio.Event()
        self.acknowledged: dict[str, str] = {}
        self.open: set[str] = set()
        self.refused: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Agent {self.prefix} {len(self.acknowledged)} acknowledged, {len(self.open)} open>"

    def at(self, door: str) -> None:
        """
        Call at this door from here on.
        """
        self.close()
        self._lines = Lines(door, self._most)
        self._reachable.set()

    def away(self) -> None:
        """
        Begin no call until a door is named; those that are under way are left alone.
        """
        self._reachable.clear()
        if self._lines is not None:
            self._lines.leave()

    def close(self) -> None:
        """
        Close every connection.
        """
        if self._lines is not None:
            self._lines.close()

    def order(self) -> str:
        """
        Return the order of a write that nobody has made yet.
        """
        return f"{self.prefix}-{next(self._numbers):06d}"

    async def read(self, since: float | None = None, within_s: float = PATIENCE_S) -> Told | None:
        """
        Read once; the latency counts from `since`. Return None where no answer came.
        """
        return await self.once(lambda host: read(host, self._key), since, within_s)

    async def create(self, order: str, since: float | None = None, within_s: float = PATIENCE_S) -> Told | None:
        """
        Write once; what was not told how it ended stays open.
        """
        fresh = order not in self.open
        self.open.add(order)
        self.refused.pop(order, None)
        told = await self.once(lambda host: write(order, host, self._key), since, within_s)
        if told is None:
            return None
        if told.made:
            self.acknowledged[order] = told.intent or told.call
        elif told.ends or (fresh and told.dispatched == "no"):
            self.refused[order] = told.verdict
        if order in self.acknowledged or order in self.refused:
            self.open.discard(order)
        return told

    async def insist(self, order: str, until: Callable[[], bool], since: float | None = None) -> Told | None:
        """
        Write until it is told how that ended, as long as `until` does not say that it is enough.
        """
        pause_s = PAUSE_S
        while True:
            told = await self.create(order, since)
            if told is not None and told.ends:
                return told
            if until():
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def either(self, writes_each: int, since: float | None = None) -> Told | None:
        """
        Make the next of a mixture of calls: of so many one is a write, the others read.
        """
        self._calls += 1
        return await (self.read(since) if self._calls % writes_each else self.create(self.order(), since))

    async def may_not(self) -> Told | None:
        """
        Ask for what no card of a scene allows.
        """
        body = f"charge=ch_load&amount={AMOUNT}"
        return await self.once(lambda host: posted("/v1/refunds", body, host, self._key))

    async def once(
        self, data: Callable[[str], bytes], since: float | None = None, within_s: float = PATIENCE_S
    ) -> Told | None:
        """
        Make one call, whose bytes follow from the door's address, and write down what came of it.
        """
        began = time.monotonic() if since is None else since
        await self._reachable.wait()
        assert self._lines is not None
        self.under_way += 1
        try:
            told = await self._lines.call(data(self._lines.host), within_s)
        except TimeoutError:
            self.diary.note("no answer in time")
        except OSError:
            self.diary.note("no answer")
        else:
            self.diary.note(told.verdict, time.monotonic() - began)
            return told
        finally:
            self.under_way -= 1
        return None


def read(host: str, key: str) -> bytes:
    """
    Return the bytes of one read.
    """
    return request(OPERATIONS[READ], host, key).at(0)


def write(order: str, host: str, key: str) -> bytes:
    """
    Return the bytes of one keyed create, whose key is its order.
    """
    body = f"amount={AMOUNT}&currency=usd&customer=cus_{order}&metadata%5Border%5D={order}"
    return posted("/v1/payment_intents", body, host, key, f"Idempotency-Key: {order}")


def posted(target: str, body: str, host: str, key: str, *fields: str) -> bytes:
    """
    Return the bytes of one POST of a form.
    """
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {key}",
        "Accept: application/json",
        "Content-Type: application/x-www-form-urlencoded",
        *fields,
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*lines, "", body]).encode()
