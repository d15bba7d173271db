"""
Failures on command: which requests they meet, what happens to them, and whether it was done first.

A fault meets the requests of its method and path, the next `times` of them or each with probability `rate`. `applied`
says on which side of the work it strikes: before it, so that nothing was done, or after it, so that it was done and
only the answer is lost or spoilt; a drip or a malformed answer spoils one that was made in either case. The first fault
that meets a request is the only one that it meets.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Status:
    """
    Answer with this error instead, in the shape that the vendor gives its own; not every vendor has a kind and a code.

    Under an idempotency key it is remembered where `stored` says so; unset, it is if the work was done first, as Stripe
    remembers a 500 from execution.
    """

    status: int
    message: str = "The sandbox was told to fail."
    kind: str = "api_error"
    code: str | None = None
    retry_after_s: int | None = None
    stored: bool | None = None

    @property
    def headers(self) -> dict[str, str]:
        """
        Return the headers that go with the error.
        """
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


@dataclass(frozen=True, slots=True)
class HangUp:
    """
    Close the connection without an answer; with `reset`, by RST.
    """

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Drip:
    """
    Send the answer's body `chunk` bytes at a time, pausing in between; with `head` its status line and headers, too.
    """

    chunk: int = 1
    pause_s: float = 0.01
    head: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """
    Send the answer as bytes that no server should: `manner` is a name in `malformed.MANNERS` or `.CONTENTS`.
    """

    manner: str


Act = Status | HangUp | Drip | Malformed | None


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One command. With `held`, the request stops at its side of the work until it is released; `delay_s` follows that.
    """

    act: Act = None
    applied: bool = False
    method: str = "*"
    path: str = "*"
    times: int | None = 1
    rate: float = 1.0
    delay_s: float = 0.0
    held: bool = False


class Faults:
    """
    The commands in force, in the order in which they were given.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left: list[tuple[Fault, int | None]] = []
        self._gate = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.met: list[Fault] = []
        # Set while a request is held, for whoever waits for that in another thread.
        self.holding = threading.Event()

    def __repr__(self) -> str:
        return f"<Faults {len(self._left)} in force, {len(self.met)} met, holding: {self.holding.is_set()}>"

    def add(self, *faults: Fault) -> None:
        """
        Put faults in force.
        """
        for fault in faults:
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        """
        Lift every fault and let go whatever is held.
        """
        self._left.clear()
        self.release()

    def draw(self, method: str, path: str) -> Fault | None:
        """
        Return the fault that meets this request, counting it down.
        """
        for position, (fault, times) in enumerate(self._left):
            if fault.method not in {"*", method} or not fnmatchcase(path, fault.path):
                continue
            if fault.rate < 1.0 and self._random.random() >= fault.rate:
                continue
            if times is not None:
                self._left[position : position + 1] = [(fault, times - 1)] if times > 1 else []
            self.met.append(fault)
            return fault
        return None

    async def stall(self, fault: Fault) -> None:
        """
        Keep a request waiting as its fault says.
        """
        if fault.held:
            self._loop = asyncio.get_running_loop()
            self.holding.set()
            await self._gate.wait()
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)

    def release(self) -> None:
        """
        Let go every request that is held now; may be called from any thread.
        """
        gate, self._gate = self._gate, asyncio.Event()
        self.holding.clear()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(gate.set)
