"""
One state folder, its configuration and its agents, with Breakwater forked onto it as often as a test kills it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.installation import START_S, agent, environment, stripe_api
from loadtest.upstreams.sandbox import Sandbox
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.crash.forked import Child, Forker, Hook
from tests.crash.record import read_log
from tests.crash.totals import Sums, in_micros, spent_on_record
from tests.crash.waiting import until
from tests.unbroken import unbroken

SECRET = secret("site")

CARD: Mapping[str, object] = {
    "customers.*": {},
    "charges.retrieve": {},
    "payment_intents.create": {},
    "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
}

# Far more than anything here takes, at nodes of every kind: what is asked is that their totals are true.
CAPS: Mapping[str, object] = {
    "task": {"calls": 10**6, "writes": 10**6, "moved": "1000000000 USD"},
    "day": {"calls": 10**6},
    "month": {"moved": "1000000000 USD"},
}

# How full the disk is that a test happens to run on is not what these tests ask.
LEDGER: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": "1MiB"}}

_STEP_S = 0.005

# Longer than anything takes between its record and the store.
ADDS_UP_S = 5.0


class Site:
    """
    An installation in a folder; `child` is the process that serves it now, `hook` what the next one does to itself.
    """

    starts_within_s = START_S

    def __init__(
        self,
        folder: Path,
        forker: Forker,
        sandbox: Sandbox,
        *,
        apis: Mapping[str, object] | None = None,
        allow: Mapping[str, Mapping[str, object]] | None = None,
        secrets: Mapping[str, str] | None = None,
        agents: int = 1,
        called: Sequence[str] = (),
        ledger: Mapping[str, object] | None = None,
        timeouts: Mapping[str, object] | None = None,
        hook: Hook | None = None,
        store: str = "memory",
        caps: Mapping[str, object] | None = None,
        card: Mapping[str, object] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.state, self.log = folder / "state", folder / "serve.log"
        self._forker, self._folder, self._config = forker, folder, folder / "breakwater.yaml"
        self._environ = environment(folder, secrets or {"STRIPE_SECRET": SECRET})
        self.names = [*(f"agent_{number}" for number in range(agents)), *called]
        document = {
            "state": str(self.state),
            "admin": "127.0.0.1:0",
            "apis": apis or {"stripe": stripe_api(sandbox.url)},
            "agents": {
                name: agent(allow or {"stripe": CARD}, **{"caps": caps or {}, "loops": False, **(card or {})})
                for name in self.names
            },
            "ledger": {**LEDGER, **(ledger or {})},
            "timeouts": dict(timeouts or {}),
            "store": store,
            **(more or {}),
        }
        self._config.write_text(json.dumps(unbroken(document)))
        self._log_from = 0
        self.keys: list[str] = []
        self.doors: Mapping[str, str] = {}
        self.child: Child | None = None
        self.hook = hook

    @property
    def states(self) -> list[Path]:
        """
        Return the folder of each process that keeps a ledger here.
        """
        return [self.state, *sorted(self.state.glob("workers/*"))]

    async def launch(self) -> Child:
        """
        Fork `serve`, without waiting for anything.
        """
        argv = ["--config", str(self._config), "serve"]
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        self.child = await self._forker.fork(argv, self._environ, self.log, self.hook)
        return self.child

    async def start(self) -> Child:
        """
        Serve, wait until it is ready, and mint the agents' keys where that was never done.
        """
        child = await self.launch()
        run, until = self.state / "run.json", time.monotonic() + self.starts_within_s
        while time.monotonic() < until and await child.runs():
            with contextlib.suppress(OSError, ValueError):
                written = json.loads(run.read_text())
                if written["pid"] == child.pid:
                    self.doors = written["doors"]
                    watch.follow(self.doors, self.state)
                    await self._mint()
                    return child
            await asyncio.sleep(_STEP_S)
        raise AssertionError(f"serve is not ready ({await child.kill()}):\n{self.log.read_text()}")

    async def _mint(self) -> None:
        for name in self.names[len(self.keys) :]:
            made = await self.admin("POST", "/v1/keys", json={"agent": name})
            self.keys.append(made["key"])

    async def stop(self) -> int:
        """
        Ask it to stop and return its exit code.
        """
        assert self.child is not None
        self.child.send(signal.SIGTERM)
        return await self.child.ended()

    async def admin(self, method: str, path: str, **more: Any) -> Any:
        """
        Ask the admin door as an operator and return its JSON.
        """
        token = (self.state / "admin.token").read_text().strip()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.request(method, self.doors["admin"] + path, **more) as answer,
        ):
            return await answer.json()

    async def totals(self) -> Sums:
        """
        Return what it says was taken and is held at every cap.
        """
        rows = await self.admin("GET", "/v1/spend")
        assert isinstance(rows, list), rows
        found = {
            f"{row['node']}|{row['period']}|{row['measure']}": (in_micros(row["settled"]), in_micros(row["held"]))
            for row in rows
        }
        return {key: sum_ for key, sum_ in found.items() if sum_ != (0, 0)}

    async def adds_up(self) -> Sums:
        """
        Return what was taken and is held, as soon as it is what follows from the record alone.
        """
        found: list[Sums] = []

        async def holds() -> bool:
            before = spent_on_record(read_log(self.state).entries)
            found[:] = [await self.totals(), before, spent_on_record(read_log(self.state).entries)]
            return found[0] in found[1:]

        try:
            await until(holds, ADDS_UP_S)
        except AssertionError:
            raise AssertionError(f"the store says {found[0]}, the record {found[2]}") from None
        return found[0]

    async def ready(self) -> bool:
        """
        Tell what `/readyz` says.
        """
        async with aiohttp.ClientSession() as session, session.get(self.doors["admin"] + "/readyz") as answer:
            return answer.status == 200

    async def away(self) -> bool:
        """
        Tell whether it serves, and says that it should get no traffic.
        """
        return not await self.ready()

    async def metric(self, name: str) -> float:
        """
        Return a metric without labels.
        """
        async with aiohttp.ClientSession() as session, session.get(self.doors["admin"] + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.split()[0] == name)

    async def verified(self) -> int:
        """
        Return the exit code of `breakwater ledger verify`, the worst where several keep ledgers.
        """
        codes = []
        for state in self.states:
            argv = ["ledger", "verify", "--dir", str(state)]
            child = await self._forker.fork(argv, self._environ, self._folder / "verify.log")
            codes.append(await child.ended())
        return max(codes)

    def events(self, name: str) -> list[dict[str, Any]]:
        """
        Return the newest process's log lines of one event.
        """
        found = []
        for line in self.log.read_bytes()[self._log_from :].splitlines():
            # A kill may cut the last line.
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if line.get("event") == name]
