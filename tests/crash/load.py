"""
Writers side by side, each with an agent's key and a kept connection: creates, updates, refunds, refusals, reads.

They repeat as SDKs do: a write that is answered with a conflict, a failure or a doubt, or whose connection broke, goes
out again unchanged, some times at once and, where the process was killed, against the next one. Some writes bear a key,
some none; now and then a key is used for another write. What a client saw counts from the moment the answer's head
arrived.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.crash.mixes import Asked, Mix
from tests.crash.site import Site

WRITERS = 20

# One process counts refusals instead of recording them past 60 a minute from one agent.
REFUSED_MAX = 50

# As often as the most stubborn SDK asks by default, but for PyGithub.
ATTEMPTS = 4

# An SDK's pause, cut short.
PAUSE_S = 0.01

# On which statuses one SDK or another asks again: octokit's plugin on nearly all.
AGAIN = frozenset({409, 424, 429, *range(500, 600)})


@dataclass(slots=True)
class Seen:
    """
    One answer as its client saw it; `body` is None where it broke off.
    """

    asked: Asked
    call: str
    status: int
    outcome: str
    dispatched: str
    reason: str
    intent: str | None = None
    body: bytes | None = None

    @property
    def repeats(self) -> bool:
        """
        Tell whether it is answered from another call.
        """
        return self.intent is not None and self.intent != self.call


@dataclass(slots=True)
class Said:
    """
    Everything that clients sent and saw; `broken` are by writer the writes that are to be asked again, `left` tells by
    a write's name how often its client hung up on it.
    """

    answers: list[Seen] = field(default_factory=list)
    writes: dict[str, Asked] = field(default_factory=dict)
    broken: defaultdict[int, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    left: Counter[str] = field(default_factory=Counter)


class Load:
    """
    Writers against one site until it is gone or they are told to stop; each waits for `pause_s` between two calls.
    """

    def __init__(
        self, site: Site, mix: Mix, said: Said, seed: int, *, writers: int = WRITERS, pause_s: float = 0.0
    ) -> None:
        self._site, self._mix, self._said, self._seed = site, mix, said, seed
        self._writers, self._pause_s = writers, pause_s
        self._agents: Sequence[str] = site.keys
        self._refused = Counter[str]()
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
        async with self._session() as session:
            await asyncio.gather(*(self._write(number, session) for number in range(self._writers)))

    async def finish(self) -> None:
        """
        Ask again whatever broke off, and nothing else.
        """
        self._stopped = True
        await self.run()

    def _at(self, asked: Asked) -> tuple[str, str]:
        """
        Return where it is sent, and the key that is shown there.
        """
        return self._site.doors[self._mix.api] + asked.path, asked.agent

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def _write(self, number: int, session: aiohttp.ClientSession) -> None:
        draw = random.Random(f"{self._seed}/{number}")
        agent = self._agents[number % len(self._agents)]
        turn, last = 0, None
        asked: Asked | None = None
        try:
            for asked in self._said.broken.pop(number, []):
                await self._until_told(number, asked, session)
            while not self._stopped:
                turn += 1
                name = f"write-{self._seed}-{number}-{turn}"
                asked = self._mix.drawn(draw, name, agent, last, refuse=self._refused[agent] < REFUSED_MAX)
                self._refused[agent] += asked.refused
                last = asked if asked.method == "POST" and not asked.refused else last
                await self._until_told(number, asked, session)
                await asyncio.sleep(self._pause_s)
        except (aiohttp.ClientError, OSError):
            if asked is not None and asked.writes:
                self._said.broken[number].append(asked)

    async def _until_told(self, number: int, asked: Asked, session: aiohttp.ClientSession) -> None:
        for _ in range(ATTEMPTS):
            seen = await self._send(asked, session)
            if not asked.writes or seen.status not in AGAIN:
                return
            await asyncio.sleep(PAUSE_S)
        self._said.broken[number].append(asked)

    async def _send(self, asked: Asked, session: aiohttp.ClientSession) -> Seen:
        url, key = self._at(asked)
        headers = {"Authorization": f"Bearer {key}", **asked.headers}
        if asked.writes:
            self._said.writes[asked.name] = asked
        async with session.request(asked.method, url, data=asked.body, headers=headers) as answer:
            ours = _ours(answer.headers)
            reason = ours["decision"].partition(":")[2]
            seen = Seen(
                asked, ours["call"], answer.status, ours["outcome"], ours["dispatched"], reason, ours.get("intent")
            )
            self._said.answers.append(seen)
            self.answered(len(self._said.answers) - self._began).set()
            seen.body = await answer.read()
        self._mix.note(asked, seen.status, seen.body)
        return seen


def _ours(headers: Mapping[str, str]) -> dict[str, str]:
    return {n.lower().removeprefix("breakwater-"): v for n, v in headers.items()}
