"""Single calls at one replica, timed, and the money and the calls of tasks that have caps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode

import aiohttp

from tests.chaos.crowd import Crowd
from tests.chaos.fleet import HEALS_S, PAYER, READER, Fleet
from tests.crash.load import Said, Seen
from tests.crash.mixes import Asked
from tests.crash.waiting import until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

EXECUTED = "executed"

# Of a task's money and calls: what is spent before a fault, and at most in all.
CENTS, MOVES_MAX, CAP_CENTS = 100, 4, 490
READS_BEFORE, READS_MAX = 2, 6

# Nobody here is answered later than that: a store's deadline is a quarter of a second, a caller's two.
GIVE_UP_S = 20.0

# Numbers of writers that no crowd has.
_PROBE, _PAYER = 900, 901


@dataclass(frozen=True, slots=True)
class Told:
    """
    What one call was answered, as a word, and after how long.
    """

    word: str
    took_s: float


@dataclass(eq=False)
class Asker(Crowd):
    """
    Calls at whichever replica `at` names.
    """

    def __init__(self, fleet: Fleet, said: Said) -> None:
        super().__init__(fleet, said, 0)
        self.at, self._names = 0, itertools.count()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Each call over a connection of its own: whichever worker takes it answers.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    def _at(self, asked: Asked) -> tuple[str, str]:
        return self._fleet.door(self.at, asked.path), self._fleet.key(self.at, asked.agent)

    async def ask(self, at: int, asked: Asked) -> Told:
        """
        Ask a replica, and return what it said: `executed`, or the reason.
        """
        assert self._http is not None
        self.at, began = at, time.monotonic()
        seen: Seen | None = None
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                seen = await self._send(asked, self._http)
        return Told(_word(seen), time.monotonic() - began)

    def _named(self, row: int, who: int) -> str:
        return f"write-{row}-{who}-{next(self._names)}"

    async def write(self, at: int, row: int, agent: str = "agent_1") -> Told:
        """
        Make a customer, under a key.
        """
        name = self._named(row, _PROBE)
        body = urlencode({"name": name}).encode()
        return await self.ask(at, Asked(name, agent, "POST", "/v1/customers", body, {**FORM, "Idempotency-Key": name}))

    async def read(self, at: int, path: str, agent: str = "agent_1", **headers: str) -> Told:
        """
        Read something.
        """
        return await self.ask(at, Asked("", agent, "GET", path, None, headers))

    async def no_operation(self, at: int) -> Told:
        """
        Ask for what no API offers: refused before anything is asked of a store, so it takes what the machine takes.
        """
        return await self.ask(at, Asked("", "agent_1", "GET", "/v1/nothing"))


def _word(seen: Seen | None) -> str:
    if seen is None:
        return "broken"
    return EXECUTED if seen.outcome == "executed" and seen.status < 400 else seen.reason or str(seen.status)


@dataclass(eq=False, slots=True)
class Purse:
    """
    Two tasks, opened for one row: one may move so much money, one may read so often. `row` says of which customer.
    """

    row: int
    fleet: Fleet
    asker: Asker
    path: str = ""
    tasks: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)

    async def open(self, at: int) -> None:
        """
        Open both, and make what is to be read.
        """
        caps = {PAYER: {"moved": f"{CAP_CENTS / 100:.2f} USD"}, READER: {"calls": READS_MAX}}
        for agent, capped in caps.items():
            order = {"agent": agent, "caps": capped}

            async def opened(agent: str = agent, order: dict[str, object] = order) -> bool:
                said = await self.fleet.sites[at].admin("POST", "/v1/tasks", json=order)
                self.tasks[agent] = said.get("task", "")
                return bool(self.tasks[agent])

            await until(opened, HEALS_S)
        self.path = f"/v1/customers/{self.fleet.customers[self.row]}"

    async def pay(self, at: int) -> str:
        """
        Try to move some money.
        """
        name = self.asker._named(self.row, _PAYER)
        # No two alike, or the second would be suspected of being the first.
        amount = CENTS + sum(count for said, count in self.told.items() if said.startswith("pay "))
        form = {"charge": self.fleet.charges[self.row], "amount": str(amount), "metadata[name]": name}
        headers = {**FORM, "Idempotency-Key": name, "Breakwater-Task": self.tasks[PAYER]}
        said = await self.asker.ask(at, Asked(name, PAYER, "POST", "/v1/refunds", urlencode(form).encode(), headers))
        self.told[f"pay {said.word}"] += 1
        return said.word

    async def read(self, at: int) -> str:
        """
        Try to read.
        """
        said = await self.asker.read(at, self.path, READER, **{"Breakwater-Task": self.tasks[READER]})
        self.told[f"read {said.word}"] += 1
        return said.word

    async def begin(self) -> None:
        """
        Spend half of both, at every replica in turn.
        """
        places = itertools.cycle(range(len(self.fleet.sites)))
        for _ in range(MOVES_MAX // 2):
            await self.pay(next(places))
        for _ in range(READS_BEFORE):
            await self.read(next(places))

    async def end(self) -> None:
        """
        Spend until both are refused, at every replica.
        """
        for verb, most in ((self.pay, MOVES_MAX), (self.read, READS_MAX)):
            for at in range(len(self.fleet.sites)):
                for _ in range(most + 1):
                    if await verb(at) == "budget-exhausted":
                        break

    def hold(self) -> Counter[str]:
        """
        The upstream moved and answered no more than the caps say; return whether they were reached.
        """
        moved = self.fleet.mix.refunded(f"write-{self.row}-{_PAYER}-")
        reads = self.fleet.mix.reads(self.path)
        assert moved <= CAP_CENTS, f"{moved} cents were moved under a cap of {CAP_CENTS}: {self.told}"
        assert reads <= READS_MAX, f"{reads} reads under a cap of {READS_MAX}: {self.told}"
        ended = self.told["pay budget-exhausted"], self.told["read budget-exhausted"]
        return Counter({"caps of money reached": min(ended[0], 1), "caps of calls reached": min(ended[1], 1)})
