"""How a parent asks its workers: over the admin door that each has in its state folder, one call a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from proxy.control.merged import HEARD, UNHEARD

ANSWER_S = 60.0
"""A reload compiles thousands of cards, a stop waits for a disk; whoever asks hangs up when it likes."""

TOLD_S = 4.0
"""For what all are told or asked together: a command waits longer, and hears who was silent."""

STOPPED_S = 20.0
"""For a stop, which waits for a disk a moment; `breakwater kill` waits longer, and hears who did not answer."""

LIVES_S = 1.0
"""For a worker to say that it lives; where it does not by then, another one is asked."""

LOOK_S = 2.0
"""For what a worker answers from its memory: metrics, whether it is ready."""

KEPT_REQUEST = ("Authorization", "Content-Type")
KEPT_ANSWER = ("Content-Type", HEARD, UNHEARD)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A call as it came to the parent.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    async def of(cls, request: web.Request) -> Asked:
        """
        Read a request.
        """
        kept = {name: request.headers[name] for name in KEPT_REQUEST if name in request.headers}
        return cls(request.method, request.raw_path, kept, await request.read())

    def here(self) -> Asked:
        """
        Return the same call, of what a worker knows alone.
        """
        return Asked(self.method, f"{self.target}{'&' if '?' in self.target else '?'}here=1", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Answered:
    """
    What a worker answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """
        Tell whether it did what it was asked.
        """
        return self.status < 400  # the protocol's own bound

    def json(self) -> Any:
        """
        Return its body; None where it is no JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def passed_on(self) -> web.Response:
        """
        Return it as the parent's own answer.
        """
        return web.Response(status=self.status, headers=self.headers, body=self.body)


class Workers:
    """
    The admin doors of workers, by number.
    """

    def __init__(self, doors: Mapping[int, Path]) -> None:
        self._doors = doors
        self._sessions: dict[int, aiohttp.ClientSession] = {}

    def __repr__(self) -> str:
        return f"Workers({sorted(self._doors)})"

    async def ask(self, worker: int, asked: Asked, within_s: float = ANSWER_S) -> Answered | None:
        """
        Ask one; return None where it does not answer.
        """
        try:
            async with self._session(worker).request(
                asked.method,
                URL(f"http://localhost{asked.target}", encoded=True),
                headers=asked.headers,
                data=asked.body or None,
                timeout=aiohttp.ClientTimeout(total=within_s),
                allow_redirects=False,
            ) as answer:
                kept = {name: answer.headers[name] for name in KEPT_ANSWER if name in answer.headers}
                return Answered(answer.status, kept, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def ask_all(
        self, workers: Iterable[int], asked: Asked, within_s: float = ANSWER_S
    ) -> dict[int, Answered | None]:
        """
        Ask several at the same time.
        """
        numbers = list(workers)
        answers = await asyncio.gather(*(self.ask(number, asked, within_s) for number in numbers))
        return dict(zip(numbers, answers, strict=True))

    async def close(self) -> None:
        """
        Close what is open.
        """
        for session in self._sessions.values():
            await session.close()

    def _session(self, worker: int) -> aiohttp.ClientSession:
        if worker not in self._sessions:
            # One connection a call: a worker that is another process by now is never asked through an old one.
            connector = aiohttp.UnixConnector(str(self._doors[worker]), force_close=True)
            self._sessions[worker] = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._sessions[worker]
