"""
The whole road in one process: the real rooms, a real ledger in a folder, real sockets on free ports.

The clock of records stands still and the log is kept; everything else is what `serve` builds. When a road ends, no
answer may have shown the real credential, and nothing unforeseen may have been logged.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from prometheus_client import generate_latest

from breakers.allowlist import policy_of
from breakers.store.protocol import Store
from config.load import Configuration, load
from loadtest.installation import agent, stripe_api
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Charge
from proxy import app, server, sockets
from proxy.beating import presence_of
from proxy.clock import system_randomness
from proxy.keys import make_key
from proxy.ledger.disk import Disk, RealDisk
from proxy.ledger.read import Payloads, Record, find_call, last_records, ledger_in
from proxy.ledger.show import as_json
from proxy.opening import open_ledger
from proxy.reloading import Reloading
from proxy.rooms import Rooms
from proxy.server import Program
from tests.canary.forms import secret as canary
from tests.canary.plugin import watch
from tests.ledger.world import StillClock
from tests.unbroken import unbroken
from tests.wire.client import Answer, Connection, address

SECRET = canary("road")
JIRA_USER = "operations@example.com"

# How full the disk is that a test happens to run on is not what these tests ask.
LEDGER: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}

# Far longer than anything here takes; what is not so by then never will be.
SOON_S = 10.0
_STEP_S = 0.001

# Longer than an upstream that throttles, and does not say for how long, is left alone.
THROTTLED_S = 61.0

# What these two do is a table of calls that have nothing to do with one another.
SUPPORT = agent(
    {
        "stripe": {
            "charges.retrieve": {},
            "customers.*": {},
            "files.create": {},
            "payment_intents.create": {"limit": {"amount": "0.50..100 USD"}},
            "products.create": {"only": {"name": ["widget", "gadget"]}},
            "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
        }
    },
    deny={"stripe": ["customers.delete"]},
    loops=False,
)
PLATFORM = agent(
    {"stripe": {"customers.*": {}, "refunds.*": {}}}, headers={"Stripe-Account": ["acct_listed"]}, loops=False
)

Headers = Sequence[tuple[str, str]]


@dataclass
class Lines:
    """A log that keeps its lines."""

    lines: list[dict[str, object]] = field(default_factory=list)

    def write(self, line: dict[str, object]) -> None:
        self.lines.append(line)

    def event(self, event: str, **fields: object) -> None:
        self.write({"event": event, **fields})

    def failure(self, call: str, error: BaseException) -> None:
        self.event("failure", call=call, error=repr(error))

    def of(self, event: str) -> list[dict[str, object]]:
        """
        Return the lines of one event.
        """
        return [line for line in self.lines if line["event"] == event]


@dataclass(repr=False)
class Road:
    """
    A running Breakwater in this process, with a key for each agent.
    """

    rooms: Rooms
    program: Program
    clock: StillClock
    log: Lines
    keys: dict[str, str]
    state: Path
    foreseen: bool = True

    async def ask(
        self,
        method: str,
        target: str,
        *,
        door: str = "stripe",
        agent: str = "support",
        headers: Headers = (),
        key: str | None = None,
        form: Mapping[str, object] | None = None,
        body: bytes = b"",
        media: str | None = None,
    ) -> Answer:
        """
        Make one call on a connection of its own and return its whole answer.
        """
        if form is not None:
            body, media = urlencode(form).encode(), "application/x-www-form-urlencoded"
        shown = [("Authorization", f"Bearer {self.keys[agent]}")] if key is None else []
        head = self.head(method, target, [*shown, *headers], len(body) if body or method != "GET" else None, media)
        connection = await self.connect(door)
        try:
            await connection.send(head + body)
            answer = await connection.answer(head=method == "HEAD")
            assert answer is not None, "the connection ended without an answer"
            self.check(answer.raw)
            return answer
        finally:
            await connection.end()

    def head(
        self, method: str, target: str, headers: Headers, length: int | None = None, media: str | None = None
    ) -> bytes:
        """
        Return a request's head as bytes.
        """
        lines = [f"{method} {target} HTTP/1.1", "Host: breakwater.example", *(f"{n}: {v}" for n, v in headers)]
        lines += [f"Content-Type: {media}"] if media else []
        lines += [f"Content-Length: {length}"] if length is not None else []
        return "\r\n".join([*lines, "", ""]).encode()

    async def connect(self, door: str = "stripe") -> Connection:
        """
        Connect to a door.
        """
        where = self.rooms.addresses[door]
        if where.startswith("unix:"):
            return Connection(*await asyncio.open_unix_connection(where.removeprefix("unix:")))
        return await Connection.to(address(where))

    async def admin(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Answer:
        """
        Make one call at the admin door, with the operator's token unless another is given.
        """
        shown = (self.state / "admin.token").read_text().strip() if token is None else token
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [("Authorization", f"Bearer {shown}")] if shown else []
        return await self.ask_admin(self.head(method, path, headers, len(data)) + data)

    async def ask_admin(self, raw: bytes) -> Answer:
        """
        Send bytes to the admin door and return the answer.
        """
        connection = await self.connect("admin")
        try:
            await connection.send(raw)
            answer = await connection.answer()
            assert answer is not None, "the admin door did not answer"
            return answer
        finally:
            await connection.end()

    def check(self, shown: bytes) -> None:
        """
        Fail if the real credential stands in what an agent was shown.
        """
        assert SECRET.encode() not in shown, "an answer shows the real credential"

    async def on_record(self, call: str) -> list[Record]:
        """
        Return the records of a call, once nothing waits to become durable.
        """
        await soon(lambda: len(self.rooms.pending) == 0 == self.rooms.ledger.pending)
        disk = RealDisk()
        return find_call(disk, ledger_in(disk, self.state), call)

    async def kinds(self, call: str) -> list[str]:
        """
        Return what kinds of records a call has.
        """
        return [record.kind for record in await self.on_record(call)]

    async def opened(self, call: str) -> list[dict[str, Any]]:
        """
        Return the records of a call as JSON, with their payloads.
        """
        payloads = Payloads(RealDisk(), self.state)
        try:
            return [as_json(record, payloads) for record in await self.on_record(call)]
        finally:
            payloads.close()

    async def newest(self, count: int = 20) -> list[Record]:
        """
        Return the newest records of all.
        """
        await soon(lambda: len(self.rooms.pending) == 0 == self.rooms.ledger.pending)
        disk = RealDisk()
        return last_records(disk, ledger_in(disk, self.state), count)

    async def mint(self, agent: str) -> str:
        """
        Give an agent a key.
        """
        key, text = make_key(agent, system_randomness)
        await self.rooms.ledger.access.key_minted(key.agent, key.kid, key.digest)
        self.rooms.keys.minted(key)
        watch.minted(text)
        return text


# The programs that run in this process, the oldest first.
_RUNNING: list[Road] = []


async def soon(true: Callable[[], object]) -> None:
    """
    Wait until something is so.
    """
    async with asyncio.timeout(SOON_S):
        while not true():  # noqa: ASYNC110 what is waited for is a fact, and nobody sets an event for it
            await asyncio.sleep(_STEP_S)


async def joined(new: Road) -> None:
    """
    Have a program that is new to its fleet known to all others that run here, without a second's wait for that.
    """
    if new.rooms.standing.fault is not None and "is new here" in new.rooms.standing.fault:
        for on in (*_RUNNING, new):
            await on.rooms.standing.beat(presence_of(on.rooms))
        await new.rooms.standing.look()


async def _no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def _nobody_looks() -> None:
    await asyncio.Event().wait()


def call_of(answer: Answer) -> str:
    """
    Return the id of the call that was answered.
    """
    return answer.header("Breakwater-Call") or ""


def marks(answer: Answer) -> tuple[int, str | None, str | None, str | None]:
    """
    Return an answer's status and what our headers say of it.
    """
    said = (answer.header(f"Breakwater-{name}") for name in ("Outcome", "Dispatched", "Decision"))
    return (answer.status, *said)  # type: ignore[return-value] # three headers, in this order


def first_sentence(message: str) -> str:
    """
    Return a message up to its first full stop.
    """
    return message.partition(". ")[0].removesuffix(".") + "."


def closed_port() -> int:
    """
    Return a port on which nobody listens.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, document: Mapping[str, object]) -> Configuration:
    """
    Write a configuration into a folder, with what a test should not have to say, and load it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "breakwater.yaml"
    ours = {"state": str(folder / "state"), "admin": "127.0.0.1:0", "ledger": LEDGER}
    written.write_text(json.dumps({**ours, **unbroken(document)}))
    return load(written)


@asynccontextmanager
async def road(
    folder: Path,
    upstream: str,
    *,
    apis: Mapping[str, object] | None = None,
    agents: Mapping[str, object] | None = None,
    secret: str = SECRET,
    disk: Disk | None = None,
    doubts: bool = False,
    store: Store | str = "memory",
    decision_s: float = 10.0,
    **settings: object,
) -> AsyncIterator[Road]:
    """
    Give a running Breakwater whose API `stripe`, and all of `apis`, lead to the upstream.

    What is in doubt is looked for only with `doubts`, or where a test says so. `store` is as in a configuration, or one
    that does as a test says. `decision_s` is how long a call waits for it in all: long, on a busy machine.
    """
    cards = {"support": SUPPORT, "platform": PLATFORM} if agents is None else dict(agents)
    apis = {"stripe": stripe_api(upstream), **(apis or {})}
    named = {"store": store} if isinstance(store, str) else {}
    configuration = configured(folder, {"apis": apis, "agents": cards, **named, **settings})
    clock, log = StillClock(), Lines()
    accounts = app.open_accounts(configuration, {"STRIPE_SECRET": secret})
    ledger, keys = open_ledger(configuration, clock=clock, disk=disk)
    doors = app.declared_doors(configuration)
    listeners = sockets.bind(configuration, doors)
    taken = [listener.address for listener in listeners]
    given = None if isinstance(store, str) else store
    rooms = app.build(configuration, accounts, ledger, keys, doors, taken, clock=clock, log=log, store=given)
    rooms.addresses = {listener.name: listener.url for listener in listeners}
    ledger.start(asyncio.get_running_loop())
    program = Program(rooms, [], configuration.settings.state, asyncio.Event())
    program.reloading = Reloading(configuration, rooms, partial(load, folder / "breakwater.yaml"), policy_of)
    # What is sent again is sent again, but nobody waits for that.
    rooms.forward._retries.sleep = _no_pause
    if not doubts:
        program.doubts.watch = _nobody_looks  # type: ignore[method-assign] # until the test says so
    await server.open_doors(program, listeners)
    running = Road(rooms, program, clock, log, {}, configuration.settings.state)
    _RUNNING.append(running)
    await joined(running)
    watch.follow(rooms.addresses, configuration.settings.state)
    for name in cards:
        running.keys[name] = await running.mint(name)
    try:
        with mock.patch("proxy.patience.DECISION_S", decision_s):
            yield running
    finally:
        _RUNNING.remove(running)
        if not rooms.stopping:
            await program.shutdown()
        watch.leave(rooms.addresses)
    watch.shown("the log", str(log.lines))
    watch.shown("the metrics", generate_latest(rooms.metrics.registry).decode())
    for line in log.lines:
        assert secret not in str(line), "the log shows the real credential"
        assert not any(key in str(line) for key in running.keys.values()), "the log shows an agent's key"
    assert not running.foreseen or not log.of("failure"), log.of("failure")


def charged(sandbox: StripeSandbox, amount: int = 5000, currency: str = "usd", refunded: int = 0) -> str:
    """
    Put a charge into the sandbox's account and return its id.
    """
    account = sandbox.account
    thing = Charge(account.mint("ch_"), account.now(), amount=amount, amount_captured=amount, currency=currency)
    thing.amount_refunded = refunded
    account.add(thing, "charge.seeded")
    return thing.id
