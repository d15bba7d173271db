"""Workers under a parent as whoever runs them sees them: started, asked at the parent's door, and each at its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.installation import Breakwater, agent, stripe_api
from loadtest.upstreams.stripe import StripeSandbox
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.unbroken import unbroken

SECRET = secret("workers")

CARD = agent({"stripe": {"customers.*": {}, "payment_intents.create": {}}}, loops=False)

# How full the disk is that a test happens to run on is not what these tests ask.
LEDGER: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}

# A machine that does everything else at once may need long for a start.
WITHIN_S = 60.0
_STEP_S = 0.1

LATE = ("store-unavailable", "unsettled-state", "idempotency-in-flight")

# Of traffic: what is tested is that it goes on, not how much of it a machine can do.
PAUSE_S = 0.2

Session = aiohttp.ClientSession


@dataclass
class Workers:
    """
    A running parent, its upstream, and an agent's key.
    """

    breakwater: Breakwater
    upstream: StripeSandbox
    session: Session
    key: str = ""
    sent: int = 0
    made: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """
        Return its state folder.
        """
        return self.breakwater.state

    @property
    def run(self) -> dict[str, Any]:
        """
        Return what it says of itself.
        """
        said: dict[str, Any] = json.loads((self.state / "run.json").read_text())
        return said

    def pids(self) -> list[int]:
        """
        Return the workers' processes.
        """
        return [int(row["pid"] or 0) for row in self.run["workers"]]

    async def admin(self, method: str, path: str, body: object = None, at: str = "") -> tuple[int, Any]:
        """
        Ask the parent's admin door, or the one of a worker.
        """
        token = (self.state / "admin.token").read_text().strip()
        door = at or self.breakwater.doors["admin"]
        async with contextlib.AsyncExitStack() as stack:
            session = self.session
            if door.startswith("unix:"):
                connector = aiohttp.UnixConnector(door.removeprefix("unix:"))
                session, door = await stack.enter_async_context(Session(connector=connector)), "http://localhost"
            shown = {"Authorization": f"Bearer {token}"}
            answer = await stack.enter_async_context(session.request(method, door + path, json=body, headers=shown))
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type else text

    async def mint(self) -> None:
        """
        Have a key made, and wait until every worker takes it.
        """
        _, made = await self.admin("POST", "/v1/keys", {"agent": "support"})
        self.key = made["key"]
        await until(self._everywhere)

    async def _everywhere(self) -> bool:
        said = [await self.admin("GET", "/v1/keys", at=row["admin"]) for row in self.run["workers"]]
        return all(rows for _, rows in said)

    async def sound(self) -> bool:
        """
        Tell whether every worker is ready.
        """
        return all(row["ready"] for row in (await self.admin("GET", "/readyz"))[1]["workers"])

    async def read(self, session: Session | None = None) -> int:
        """
        Read a customer; return the status.
        """
        shown = {"Authorization": f"Bearer {self.key}"}
        async with (session or self.session).get(f"{self._door}/v1/customers", headers=shown) as answer:
            said = await answer.text()
            self.sent += 1
            if answer.status != 200:
                self.refusals.append(said)
            return answer.status

    async def write(self, name: str, session: Session | None = None) -> int:
        """
        Make a customer of a name, under a key of the same; return the status.

        On a machine that does everything else at once a store, or a write's turn, may be over before it leaves, and the
        end of one may not have come round to the other worker: it may be asked for again, as the answer says.
        """
        while True:
            status = await self._written(name, session)
            if status == 200 or not any(reason in self.refusals[-1] for reason in LATE):
                return status
            await asyncio.sleep(_STEP_S)

    async def _written(self, name: str, session: Session | None) -> int:
        shown = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": name.replace(" ", "-")}
        data = {"name": name}
        async with (session or self.session).post(f"{self._door}/v1/customers", data=data, headers=shown) as answer:
            said = await answer.text()
            self.sent += 1
            if answer.status == 200:
                self.made.add(name)
            else:
                self.refusals.append(said)
            return answer.status

    def once(self) -> bool:
        """
        Tell whether everything that was made was made once, as the upstream counts it.
        """
        return self.upstream.effects.total() == len(self.made)

    @property
    def _door(self) -> str:
        return self.breakwater.doors["stripe"]

    async def served(self) -> list[float]:
        """
        Return how many calls each worker has counted.
        """
        texts = [(await self.admin("GET", "/metrics", at=row["admin"]))[1] for row in self.run["workers"]]
        return [calls(text) for text in texts]


def calls(metrics: str) -> float:
    """
    Return how many calls of agents are counted.
    """
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("breakwater_calls_total{"))


@asynccontextmanager
async def workers(folder: Path, store: str, *arguments: str) -> AsyncIterator[Workers]:
    """
    Run a parent in front of a sandbox.
    """
    document = {
        "admin": "127.0.0.1:0",
        "store": store,
        "ledger": LEDGER,
        "agents": {"support": CARD},
    }
    async with StripeSandbox(secret=SECRET) as upstream, aiohttp.ClientSession() as session:
        apis = {"apis": {"stripe": stripe_api(upstream.url)}}
        breakwater = Breakwater(folder, unbroken({**document, **apis}), {"STRIPE_SECRET": SECRET})
        try:
            await asyncio.to_thread(breakwater.start, *arguments)
            watch.follow(breakwater.doors, breakwater.state)
            running = Workers(breakwater, upstream, session)
            await running.mint()
            await until(running.sound)
            yield running
        finally:
            await asyncio.to_thread(breakwater.terminate)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """
    Wait until something holds; fail where it does not in time.
    """
    ends = time.monotonic() + WITHIN_S
    while not await holds():
        assert time.monotonic() < ends, "it does not come to hold"
        await asyncio.sleep(_STEP_S)


def lives(pid: int) -> bool:
    """
    Tell whether a process that is not ours to wait for runs.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One whose parent is gone may be left to nobody who waits for it.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
