"""
Writers side by side, each with an agent's key and a kept connection: creates, updates, refunds, refusals, reads.

What a client saw counts from the moment the answer's head arrived. Every write goes out under a key of the client's
own, once, so that a write whose answer never came can still be found in the record.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

from tests.crash.site import Site

WRITERS = 20

# One process counts refusals instead of recording them past 60 a minute from one agent.
REFUSED_MAX = 50

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Seen:
    """
    One answer as its client saw it; `body` is None where it broke off.
    """

    sent: str
    call: str
    status: int
    outcome: str
    dispatched: str
    reason: str
    body: bytes | None = None


@dataclass(slots=True)
class Said:
    """
    Everything that clients sent and saw; `writes` are their own keys of every write that went out.
    """

    answers: list[Seen] = field(default_factory=list)
    writes: set[str] = field(default_factory=set)


class Load:
    """
    Writers against one site until it is gone or they are told to stop.
    """

    def __init__(self, site: Site, charge: str, said: Said, seed: int) -> None:
        self._site, self._charge, self._said, self._seed = site, charge, said, seed
        self._refused: dict[str, int] = dict.fromkeys(site.keys, 0)
        self._customers = [""] * WRITERS
        self._began = len(said.answers)
        self._reached: dict[int, asyncio.Event] = {}
        self._stopped = False

    def answered(self, count: int) -> asyncio.Event:
        """
        Return an event that is set once so many answers have begun.
        """
        return self._reached.setdefault(count, asyncio.Event())

    async def run(self) -> None:
        """
        Let every writer work until its connection breaks.
        """
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            await asyncio.gather(*(self._write(number, session) for number in range(WRITERS)))

    def stop(self) -> None:
        """
        Let every writer end with the request that it is at.
        """
        self._stopped = True

    async def _write(self, number: int, session: aiohttp.ClientSession) -> None:
        draw = random.Random(f"{self._seed}/{number}")
        key = self._site.keys[number % len(self._site.keys)]
        turn = 0
        while not self._stopped:
            turn += 1
            try:
                await self._one(draw.random(), number, f"{self._seed}.{number}.{turn}", key, session)
            except (aiohttp.ClientError, OSError):
                return

    async def _one(self, drawn: float, number: int, name: str, key: str, session: aiohttp.ClientSession) -> None:
        customer = self._customers[number]
        if drawn < 0.15 and self._refused[key] < REFUSED_MAX:
            self._refused[key] += 1
            path, form = ("/v1/refunds", self._refund("20000")) if drawn < 0.1 else ("/v1/prices", {"currency": "usd"})
            await self._send("refused", "POST", path, form, name, key, session)
        elif drawn < 0.35 and customer:
            await self._send("read", "GET", f"/v1/customers/{customer}", None, name, key, session)
        elif drawn < 0.45:
            await self._send("write", "POST", "/v1/refunds", self._refund("50"), name, key, session)
        elif drawn < 0.55 and customer:
            await self._send("write", "POST", f"/v1/customers/{customer}", {"name": name}, name, key, session)
        else:
            seen = await self._send("write", "POST", "/v1/customers", {"name": name}, name, key, session)
            if seen.status == 200 and seen.body is not None:
                self._customers[number] = seen.body.partition(b'"id": "')[2].partition(b'"')[0].decode()

    def _refund(self, amount: str) -> Mapping[str, str]:
        return {"charge": self._charge, "amount": amount}

    async def _send(
        self,
        sent: str,
        method: str,
        path: str,
        form: Mapping[str, str] | None,
        name: str,
        key: str,
        session: aiohttp.ClientSession,
    ) -> Seen:
        headers = {"Authorization": f"Bearer {key}"}
        if form is not None:
            headers |= {**FORM, "Idempotency-Key": name}
        if sent == "write":
            self._said.writes.add(name)
            # Some do not wait for what may take longer.
            headers |= {"Breakwater-Deadline-Ms": "5"} if name.endswith("3") else {}
        url = self._site.doors["stripe"] + path
        async with session.request(method, url, data=urlencode(form or {}) or None, headers=headers) as answer:
            ours = {n.lower().removeprefix("breakwater-"): v for n, v in answer.headers.items()}
            reason = ours["decision"].partition(":")[2]
            seen = Seen(sent, ours["call"], answer.status, ours["outcome"], ours["dispatched"], reason)
            self._said.answers.append(seen)
            self.answered(len(self._said.answers) - self._began).set()
            seen.body = await answer.read()
        return seen
