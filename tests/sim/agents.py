"""
Agents of a simulation: writes with keys and without, repeats at the other process, hang-ups, reads; and what each saw.

A write that is meant once has one name, however often it is sent: the name stands in its body, so that the upstream can
count. An agent sends the very same again where it heard nothing, or was told to come back, as SDKs do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.sim.loop import ProcessLoop
from tests.sim.messages import Client, Message, request
from tests.sim.process import Machine
from tests.sim.wire import Pipe, connected

NOTES, PAYOUTS = "/v1/notes", "/v1/money/payouts"

COMES_BACK = frozenset({409, 424, 429, 500, 502, 503, 504})
"""After which an agent's SDK, or the agent, sends the same again."""

HEARS_WITHIN_S = 6.0


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One answer: to which write (empty for a read), from whom, what it said, and the call that it is of.
    """

    at: float
    agent: str
    write: str
    process: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        """
        Return what it says of what happened.
        """
        return self.headers.get("breakwater-outcome", "")

    @property
    def call(self) -> str:
        """
        Return the call that it is of.
        """
        return self.headers.get("breakwater-call", "")

    @property
    def gate(self) -> str:
        """
        Return what decided it.
        """
        return self.headers.get("breakwater-decision", "").partition(":")[0]

    @property
    def reason(self) -> str:
        """
        Return why it was decided so.
        """
        return self.headers.get("breakwater-decision", "").partition(":")[2]


@dataclass(slots=True)
class Agent:
    """
    One agent at its two doors.
    """

    name: str
    key: str
    loop: ProcessLoop
    machines: tuple[Machine, ...]
    rng: Random
    told: Callable[..., None]
    pipes: list[Pipe]
    answers: list[Seen] = field(default_factory=list)
    meant: list[str] = field(default_factory=list)
    waiting: int = 0
    sent: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def works(self, count: int, until: float) -> None:
        """
        Do so many things, one after another.
        """
        for _ in range(count):
            await asyncio.sleep(self.rng.expovariate(2.2))
            if self.loop.scheduler.now > until:
                return
            draw = self.rng.random()
            if draw < 0.12:
                await self.reads()
            elif draw < 0.42 and self.sent:
                await self.repeats()
            elif draw < 0.7:
                await self.writes(NOTES, keyed=self.rng.random() < 0.5)
            else:
                await self.writes(PAYOUTS, keyed=self.rng.random() < 0.6)

    async def reads(self) -> Seen | None:
        """
        Read its own account.
        """
        return await self.asks(self.rng.choice(self.machines), "GET", f"/v1/accounts/{self.name}", {}, b"", "")

    async def repeats(self) -> None:
        """
        Send one of the last writes once more, under its key, at either door: a job that was started again.
        """
        path, write, headers, body = self.rng.choice(self.sent[-4:])
        await self.asks(self.rng.choice(self.machines), "POST", path, headers, body, write)

    async def writes(self, path: str, *, keyed: bool) -> None:
        """
        Mean one write, and send it until it is known how it ended, or patience ends.
        """
        write = f"{self.name}/{len(self.meant)}"
        self.meant.append(write)
        body = self.body(path, write)
        # Both agents count alike: the same key of two agents is two keys.
        headers = {"Idempotency-Key": f"key-{len(self.meant)}"} if keyed else {}
        if keyed:
            self.sent.append((path, write, headers, body))
        machine = self.rng.choice(self.machines)
        if keyed and self.rng.random() < 0.25:
            # Two of one at once, at both doors: a job that ran twice.
            both = [self.loop.create_task(self.asks(one, "POST", path, headers, body, write)) for one in self.machines]
            await asyncio.wait(both)
        for _ in range(self.rng.randint(1, 4)):
            hangs_up_s = self.rng.uniform(0.000_5, 0.06) if self.rng.random() < 0.2 else HEARS_WITHIN_S
            seen = await self.asks(machine, "POST", path, headers, body, write, hangs_up_s)
            if seen is not None and seen.status not in COMES_BACK:
                return
            await asyncio.sleep(self.rng.choice((0.05, 0.3, 1.0)))
            machine = self.rng.choice(self.machines)

    def body(self, path: str, write: str) -> bytes:
        """
        Return what a write says.
        """
        if path == NOTES:
            return json.dumps({"text": write}).encode()
        said = {"account": self.name, "amount": self.rng.randint(1, 12) * 100, "currency": "usd", "reference": write}
        return json.dumps(said).encode()

    async def asks(
        self,
        machine: Machine,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        write: str,
        within_s: float = HEARS_WITHIN_S,
    ) -> Seen | None:
        """
        Send one request on a connection of its own, and return its answer, where one came in time.
        """
        life = machine.life
        if life is None or life.serve is None:
            self.told(self.name, "refused-by", machine.name)
            return None
        protocol = Client(self.loop)
        pipe, _ = connected(self.loop, protocol, life.loop, life.serve, lambda: self.rng.uniform(0.000_1, 0.001))
        self.pipes.append(pipe)
        said = {"Host": f"{machine.name}.example", "Authorization": f"Bearer {self.key}", **headers}
        if body:
            said["Content-Type"] = "application/json"
        self.told(self.name, "asks", life.loop.name, method, target, write, len(headers))
        pipe.write(request(method, target, said, body))
        self.waiting += 1
        try:
            async with asyncio.timeout(within_s):
                answer = await protocol.answer
        except TimeoutError:
            answer = None
        finally:
            self.waiting -= 1
        pipe.close()
        return self._seen(answer, write, life.loop.name)

    def _seen(self, answer: Message | None, write: str, process: str) -> Seen | None:
        if answer is None:
            self.told(self.name, "hears-nothing", process, write)
            return None
        seen = Seen(
            self.loop.scheduler.now, self.name, write, process, int(answer.first[1]), answer.headers, answer.body
        )
        self.answers.append(seen)
        self.told(
            self.name, "hears", process, write, seen.status, seen.headers.get("breakwater-decision"), seen.outcome
        )
        return seen


def shown_of(answers: list[Seen]) -> list[Any]:
    """
    Return what answers show, as JSON where they are.
    """
    found = []
    for seen in answers:
        try:
            found.append(json.loads(seen.body))
        except ValueError:
            found.append(None)
    return found
