"""
Stage 7, the only room that calls an upstream: an `Intent`, a `Redo` or a `Look` in, an `Outcome` out.

The dispatch mark and the kill re-check happen inside, after the connection stands and before the first byte, and again
before each re-send; what is sent again, and when, is `retrying`'s. Whatever breaks becomes an outcome: forwarding never
raises.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from breakers.call import Applied, Call, Fault, Health, Outcome, Retry, Sent
from breakers.noun import noun
from breakers.results import judge_result
from breakers.retries import joined, key_holds
from breakers.store.protocol import Permit, Store
from config.catalog import OperationSpec
from config.dialect import Dialect
from config.settings import Timeouts
from config.store import MEMORY
from proxy.account import Account
from proxy.clock import Clock
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate
from proxy.flights import Flight
from proxy.killing import KillSwitch
from proxy.ledger.book import Intent
from proxy.passes import Look, Redo
from proxy.patience import Marking, Patience
from proxy.pool import Pool
from proxy.reading import Reading
from proxy.retrying import BODY_BYTES_MAX, LOOK_RESENDS_MAX, RESENDS_MAX, Bounds, Retries, Tries
from proxy.sampler import Sampler
from proxy.sampling import Admitted
from proxy.shown import Headers, Scrubber, shown_headers
from proxy.wire import Wire

WRITE_IDLE_S = 2.0
"""A connection idle for longer may have outlived the upstream's keep-alive: 40 % false doubts, measured."""

READ_IDLE_S = 15.0

ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""Of a write's answer, which is read whole before a byte of it is passed on: many times what any vendor sends."""


@noun
class _Write:
    """
    What of a write `_write` needs to know, whichever pass it came with; `told` is until when its caller waits, `waits`
    whether its permit may have to be waited for.
    """

    api: str
    base: str
    spec: OperationSpec
    since: datetime
    permit: Callable[[], Awaitable[Permit]]
    wire: Wire
    told: Callable[[], float]
    admitted: Admitted
    flight: Flight
    waits: bool = True


class Forwarder:
    """
    Sends what was judged and recorded, and says how it ended.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        dialer: Dialer,
        timeouts: Timeouts,
        clock: Clock,
        store: Store,
        on_echo: Callable[[str], None],
        retries: Retries,
        sampler: Sampler,
        killswitch: KillSwitch,
    ) -> None:
        self._accounts, self._dialer, self._timeouts = accounts, dialer, timeouts
        self._clock, self._store, self._on_echo, self._retries = clock, store, on_echo, retries
        self._sampler, self._killswitch = sampler, killswitch
        self._budget = partial(Budget, timeouts.connect_s, timeouts.first_byte_s, timeouts.idle_s)
        self._pools: dict[tuple[str, str, bool], Pool] = {}
        self._written: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Forwarder({len(self._pools)} pools)"

    def start(self) -> None:
        """
        Open one pool of connections for reads and one for writes to each origin.
        """
        for account in self._accounts.values():
            for base, origin in account.origins.items():
                for writes in (False, True):
                    idle_s = WRITE_IDLE_S if writes else READ_IDLE_S
                    pool = self._dialer.pool(origin, account.sockets.get(base), idle_s=idle_s)
                    self._pools[account.name, base, writes] = pool

    async def close(self) -> None:
        """
        Close every pool.
        """
        for pool in self._pools.values():
            await pool.close()

    def written(self, api: str) -> int:
        """
        Return a number that grows whenever a write to an account begins or ends: what was seen there before is old.
        """
        return self._written[api]

    async def write(self, intent: Intent, patience: Patience | None = None) -> Outcome:
        """
        Send one write, read its answer whole, and say how it ended; `patience` is what its first mark may take.

        A stop that cuts it short after its first byte leaves `unknown`, which is an outcome like any other.
        """
        call = intent.held.go.call
        permit = Marking(self._store, intent.held, intent.opened, patience)
        spec, base = call.operation.spec, call.request.base
        admitted = self._sampler.admitted(call, intent.held.go.facts)
        told, flight = partial(self._told, call), self._killswitch.flights.begin(call)
        waits = self._store.kind != MEMORY
        write = _Write(call.api, base, spec, call.at, permit, intent.wire, told, admitted, flight, waits)
        return await self._write(write)

    async def resend(self, redo: Redo, wire: Wire) -> Outcome:
        """
        Send a write in doubt again, the bytes that are on record under their own key, and say what is known of it now.

        Only an answer that tells about every earlier attempt too ends the doubt; past the key's time nothing is sent.
        """
        if not wire.keyed or not key_holds(redo.since, redo.spec.key_kept_s, self._clock.now()):
            return IN_DOUBT
        admitted = self._sampler.resent(redo.call)
        flight = self._killswitch.flights.begin(redo.call)
        write = _Write(redo.api, redo.base, redo.spec, redo.since, redo.permit, wire, _for_ever, admitted, flight)
        return await self._write(write, IN_DOUBT)

    async def _write(self, write: _Write, ended: Outcome | None = None) -> Outcome:
        self._written[write.api] += 1
        try:
            with write.flight:
                known = await self._attempted(write, ended)
            self._sampler.over(write.admitted, known)
            return known
        finally:
            self._written[write.api] += 1

    async def _attempted(self, write: _Write, ended: Outcome | None) -> Outcome:
        began, wire = self._clock.monotonic(), write.wire
        bounds = Bounds(
            ends=began + self._timeouts.write_total_s,
            told=write.told,
            connect_s=self._timeouts.connect_s,
            since=write.since if wire.keyed and len(wire.body) <= BODY_BYTES_MAX else None,
            kept_s=write.spec.key_kept_s,
            resets=self._accounts[write.api].dialect.resets,
        )
        tries = self._retries.begin(write.api, bounds)
        while True:
            last, exchange = await self._attempt(write, tries, began)
            ended = last if ended is None else joined(ended, last)
            delay_s = tries.write(ended, last, exchange.fields)
            if delay_s is None:
                return ended
            try:
                await write.flight.rest(self._retries.sleep(delay_s))
            except asyncio.CancelledError:
                return ended
            if self._sampler.holds_back(write.admitted):
                return ended

    async def _attempt(self, write: _Write, tries: Tries, began: float) -> tuple[Outcome, Exchange]:
        account = self._accounts[write.api]
        flight, still = write.flight, partial(self._killswitch.permit, write.flight.call)
        permit = partial(flight.permitted, write.permit, still)
        gate = Gate(permit, self._clock.monotonic, still, waits=write.waits)
        budget, pool = self._budget(tries.left_s), self._pools[write.api, write.base, True]
        exchange = Exchange(pool, write.wire, budget, gate)
        flight.stop = exchange.abort
        sample = self._sampler.begin(write.admitted)
        try:
            fault, raw = await _read_whole(exchange)
        finally:
            left_at = self._sampler.left(sample)
        scrubber, dialect = account.scrubber, account.dialect
        body, (shown, echoed) = scrubber.clean(raw), _shown(exchange, dialect, scrubber)
        if echoed or body is not raw:
            self._on_echo(account.name)
        took_s, size = left_at - began, exchange.size
        outcome = self._conclude(write.spec, dialect, exchange, shown, fault=fault, body=body, size=size, took_s=took_s)
        self._sampler.ended(sample, outcome)
        return outcome, exchange

    async def read(self, look: Look) -> Reading:
        """
        Send one read and return its answer as it begins.
        """
        account, began = self._accounts[look.api], self._clock.monotonic()
        scrubber, dialect = account.scrubber, account.dialect
        ends = began + (look.total_s or self._timeouts.read_total_s)
        bounds = Bounds(
            ends=ends,
            told=_for_ever if look.total_s else partial(self._told, look.call),
            resends_max=LOOK_RESENDS_MAX if look.total_s else RESENDS_MAX,
            resets=dialect.resets,
        )
        tries, ended = self._retries.begin(look.api, bounds), None
        admitted = self._sampler.read(look.call, look.spec, look.facts)
        pool = self._pools[look.api, look.base, False]
        still = partial(self._killswitch.here.read_permit, look.call, reconciling=look.reconciles)
        while True:
            exchange = Exchange(pool, look.wire, self._budget(tries.left_s), Gate(still=still, left=look.left))
            sample = self._sampler.begin(admitted)
            fault: Fault | None = None
            try:
                await exchange.open()
            except Broken as broken:
                fault = broken.fault
            finally:
                left_at = self._sampler.left(sample)
            (shown, echoed), took_s, size = _shown(exchange, dialect, scrubber), left_at - began, exchange.arrived
            last = self._conclude(look.spec, dialect, exchange, shown, fault=fault, size=size, took_s=took_s)
            self._sampler.headed(sample, last)
            ended = last if ended is None else joined(ended, last)
            delay_s = tries.read(last, exchange.fields)
            if delay_s is None or self._sampler.holds_back(admitted):
                concluded = partial(self._read_ended, look.spec, account, exchange, shown, echoed, began)
                return Reading(ended, exchange, scrubber, concluded, partial(self._sampler.closed, sample))
            exchange.close()
            await self._retries.sleep(delay_s)

    def _told(self, call: Call) -> float:
        """
        Return until when, in monotonic time, the caller of a call waits for its answer.
        """
        waited_s = max(0.0, (self._clock.now() - call.at).total_seconds())
        return self._clock.monotonic() + call.deadline_ms / 1000 - waited_s

    def _read_ended(
        self,
        spec: OperationSpec,
        account: Account,
        exchange: Exchange,
        shown: Headers,
        echoed_before: bool,  # noqa: FBT001 half of what a body's own is, which comes last
        began: float,
        begun: Outcome,
        fault: Fault | None,
        echoed: bool,  # noqa: FBT001 a callback's own shape
    ) -> Outcome:
        """
        Say how a read ended whose answer had begun.
        """
        if echoed or echoed_before:
            self._on_echo(account.name)
        if exchange.finished and exchange.size == begun.body_bytes:
            # All of it was there when it began: nothing more is known.
            return begun
        took_s = self._clock.monotonic() - began
        ended = self._conclude(spec, account.dialect, exchange, shown, fault=fault, size=exchange.size, took_s=took_s)
        return replace(ended, attempts=begun.attempts)

    def _conclude(
        self,
        spec: OperationSpec,
        dialect: Dialect,
        exchange: Exchange,
        shown: Headers,
        *,
        fault: Fault | None,
        body: bytes = b"",
        size: int = 0,
        took_s: float = 0.0,
    ) -> Outcome:
        sent = Sent.YES if exchange.gate.passed else Sent.NO
        by_name = dict(shown)
        applied, health, retry = judge_result(
            spec.effect,
            sent=sent,
            status=exchange.status,
            fault=fault,
            headers=by_name,
            body=body,
            dialect=dialect,
            honours_key=spec.honours_key,
        )
        return Outcome(
            applied,
            health,
            retry,
            sent,
            status=exchange.status,
            headers=shown,
            body=body,
            body_bytes=size,
            upstream_us=round(took_s * 1_000_000),
            request_id=by_name.get(dialect.request_id_header or ""),
            fault=fault,
        )


def _for_ever() -> float:
    return float("inf")


def _shown(exchange: Exchange, dialect: Dialect, scrubber: Scrubber) -> tuple[Headers, bool]:
    """
    Return the headers of an answer as they may be shown, and whether our credential stood in them.
    """
    shown = shown_headers(exchange.fields, dialect.shown_headers)
    clean = scrubber.clean_headers(shown)
    return clean, clean is not shown


IN_DOUBT = Outcome(Applied.UNKNOWN, Health.IGNORE, Retry.SAME_KEY_ONLY, Sent.YES, attempts=0)
"""What is known of a write that may have been sent, before it is sent again."""


async def _read_whole(exchange: Exchange) -> tuple[Fault | None, bytes]:
    """
    Carry one exchange to its end: how it broke if it did, and the body.
    """
    pieces: list[bytes] = []
    try:
        await exchange.open()
        fault = None if await exchange.rest(pieces, ANSWER_BYTES_MAX) else Fault.TOO_LARGE
    except Broken as broken:
        fault = broken.fault
    except asyncio.CancelledError:
        fault = Fault.ABANDONED
    finally:
        with contextlib.suppress(Exception):
            exchange.close()
    return fault, b"".join(pieces) if fault is None else b""
