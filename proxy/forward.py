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
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import aiohttp

from breakers.call import Applied, Call, Fault, Health, Outcome, Retry, Sent
from breakers.results import judge_result
from breakers.retries import joined, key_holds
from breakers.store.protocol import Permit, Store
from config.catalog import OperationSpec
from config.settings import Timeouts
from proxy.account import Account
from proxy.clock import Clock
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate, open_session
from proxy.flights import Flight
from proxy.killing import KillSwitch
from proxy.ledger.book import Intent
from proxy.passes import Look, Redo
from proxy.patience import Marking, Patience
from proxy.retrying import BODY_BYTES_MAX, LOOK_RESENDS_MAX, RESENDS_MAX, Bounds, Retries, Tries
from proxy.sampler import Sampler
from proxy.sampling import Admitted
from proxy.shown import shown_headers
from proxy.wire import Wire

WRITE_IDLE_S = 2.0
"""A connection idle for longer may have outlived the upstream's keep-alive: 40 % false doubts, measured."""

READ_IDLE_S = 15.0

ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""Of a write's answer, which is read whole before a byte of it is passed on: many times what any vendor sends."""


@dataclass(slots=True)
class Reading:
    """
    A read whose answer has begun. `outcome` is complete once the chunks have ended, one way or the other.
    """

    outcome: Outcome
    chunks: AsyncGenerator[bytes]
    exchange: Exchange
    ended: Callable[[Outcome], None]
    whole: bool = False

    async def close(self) -> None:
        """
        End the stream where it is; the outcome is complete afterwards.
        """
        await self.chunks.aclose()
        # A generator that was never begun has no end of its own.
        self.exchange.close()
        self.ended(self.outcome)


@dataclass(frozen=True, slots=True)
class _Write:
    """
    What of a write `_write` needs to know, whichever pass it came with; `told` is until when its caller waits.
    """

    api: str
    base: str
    spec: OperationSpec
    since: datetime
    permit: Callable[[], Awaitable[Permit]]
    wire: Wire
    told: float
    admitted: Admitted
    flight: Flight


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
        self._sessions: dict[tuple[str, str, bool], aiohttp.ClientSession] = {}
        self._written: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Forwarder({len(self._sessions)} pools)"

    def start(self) -> None:
        """
        Open one pool of connections for reads and one for writes to each origin.
        """
        for account in self._accounts.values():
            for base, origin in account.origins.items():
                for writes in (False, True):
                    idle_s = WRITE_IDLE_S if writes else READ_IDLE_S
                    connector: aiohttp.BaseConnector
                    if base in account.sockets:
                        connector = self._dialer.socket_connector(account.sockets[base], idle_s=idle_s)
                    else:
                        connector = self._dialer.connector(str(origin.host), int(origin.port or 443), idle_s=idle_s)
                    self._sessions[account.name, base, writes] = open_session(connector)

    async def close(self) -> None:
        """
        Close every pool.
        """
        for session in self._sessions.values():
            await session.close()

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
        told, flight = self._told(call), self._killswitch.flights.begin(call)
        return await self._write(_Write(call.api, base, spec, call.at, permit, intent.wire, told, admitted, flight))

    async def resend(self, redo: Redo, wire: Wire) -> Outcome:
        """
        Send a write in doubt again, the bytes that are on record under their own key, and say what is known of it now.

        Only an answer that tells about every earlier attempt too ends the doubt; past the key's time nothing is sent.
        """
        if not wire.keyed or not key_holds(redo.since, redo.spec.key_kept_s, self._clock.now()):
            return IN_DOUBT
        admitted = self._sampler.resent(redo.call)
        flight = self._killswitch.flights.begin(redo.call)
        write = _Write(redo.api, redo.base, redo.spec, redo.since, redo.permit, wire, float("inf"), admitted, flight)
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
            delay_s = tries.write(ended, last, exchange.raw_headers)
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
        gate = Gate(partial(flight.permitted, write.permit, still), self._clock.monotonic, still)
        budget = Budget.of(self._timeouts, tries.left_s)
        session = self._sessions[write.api, write.base, True]
        exchange = Exchange(session, account.origins[write.base], write.wire, budget, gate)
        flight.stop = exchange.abort
        sample = self._sampler.begin(write.admitted)
        try:
            fault, raw, size = await _read_whole(exchange)
        finally:
            self._sampler.left(sample)
        body = account.scrubber.clean(raw)
        self._look_for_echo(account, exchange, in_body=body is not raw)
        micros = self._micros_since(began)
        outcome = self._conclude(write.spec, account, exchange, fault=fault, body=body, size=size, micros=micros)
        self._sampler.ended(sample, outcome)
        return outcome, exchange

    async def read(self, look: Look) -> Reading:
        """
        Send one read and return its answer as it begins.
        """
        account, began = self._accounts[look.api], self._clock.monotonic()
        ends = began + (look.total_s or self._timeouts.read_total_s)
        bounds = Bounds(
            ends=ends,
            told=ends if look.total_s else self._told(look.call),
            resends_max=LOOK_RESENDS_MAX if look.total_s else RESENDS_MAX,
            resets=account.dialect.resets,
        )
        tries, ended = self._retries.begin(look.api, bounds), None
        admitted = self._sampler.read(look.call, look.spec, look.facts)
        while True:
            budget = Budget.of(self._timeouts, tries.left_s)
            session = self._sessions[look.api, look.base, False]
            still = partial(self._killswitch.here.read_permit, look.call, reconciling=look.reconciles)
            exchange = Exchange(session, account.origins[look.base], look.wire, budget, Gate(look.permit, still=still))
            sample = self._sampler.begin(admitted)
            try:
                fault = await _begin(exchange)
            finally:
                self._sampler.left(sample)
            last = self._conclude(look.spec, account, exchange, fault=fault, micros=self._micros_since(began))
            self._sampler.headed(sample, last)
            ended = last if ended is None else joined(ended, last)
            delay_s = tries.read(last, exchange.raw_headers)
            if delay_s is None or self._sampler.holds_back(admitted):
                break
            exchange.close()
            await self._retries.sleep(delay_s)
        reading = Reading(ended, _nothing(), exchange, partial(self._sampler.closed, sample))
        if fault is None:
            reading.chunks = self._stream(reading, look.spec, account, exchange, began)
        return reading

    def _told(self, call: Call) -> float:
        """
        Return until when, in monotonic time, the caller of a call waits for its answer.
        """
        waited_s = max(0.0, (self._clock.now() - call.at).total_seconds())
        return self._clock.monotonic() + call.deadline_ms / 1000 - waited_s

    def _micros_since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1_000_000)

    async def _stream(
        self, reading: Reading, spec: OperationSpec, account: Account, exchange: Exchange, began: float
    ) -> AsyncGenerator[bytes]:
        scrubber, size, fault = account.scrubber.stream(), 0, None
        try:
            async for piece in exchange.chunks():
                size += len(piece)
                if clean := scrubber.feed(piece):
                    yield clean
            reading.whole = True
            if rest := scrubber.flush():
                yield rest
        except Broken as broken:
            fault = broken.fault
        finally:
            exchange.close()
            self._look_for_echo(account, exchange, in_body=scrubber.echoed)
            whole = self._conclude(spec, account, exchange, fault=fault, size=size, micros=self._micros_since(began))
            reading.outcome = replace(whole, attempts=reading.outcome.attempts)

    def _look_for_echo(self, account: Account, exchange: Exchange, *, in_body: bool) -> None:
        """
        Tell once of an answer that held our credential, wherever in it.
        """
        shown = shown_headers(exchange.raw_headers, account.dialect.shown_headers)
        if in_body or account.scrubber.clean_headers(shown) != shown:
            self._on_echo(account.name)

    def _conclude(
        self,
        spec: OperationSpec,
        account: Account,
        exchange: Exchange,
        *,
        fault: Fault | None,
        body: bytes = b"",
        size: int = 0,
        micros: int = 0,
    ) -> Outcome:
        sent = Sent.YES if exchange.gate.passed else Sent.NO
        shown = shown_headers(exchange.raw_headers, account.dialect.shown_headers)
        headers = account.scrubber.clean_headers(shown)
        applied, health, retry = judge_result(
            spec.effect,
            sent=sent,
            status=exchange.status,
            fault=fault,
            headers=dict(headers),
            body=body,
            dialect=account.dialect,
            honours_key=spec.honours_key,
        )
        request_id = dict(headers).get(account.dialect.request_id_header or "")
        return Outcome(
            applied,
            health,
            retry,
            sent,
            status=exchange.status,
            headers=headers,
            body=body,
            body_bytes=size,
            upstream_us=micros,
            request_id=request_id,
            fault=fault,
        )


IN_DOUBT = Outcome(Applied.UNKNOWN, Health.IGNORE, Retry.SAME_KEY_ONLY, Sent.YES, attempts=0)
"""What is known of a write that may have been sent, before it is sent again."""

NO_PIECES: tuple[bytes, ...] = ()


async def _nothing() -> AsyncGenerator[bytes]:
    for piece in NO_PIECES:
        yield piece


def _is_encoded(exchange: Exchange) -> bool:
    return any(
        name.lower() == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}
        for name, value in exchange.raw_headers
    )


async def _begin(exchange: Exchange) -> Fault | None:
    """
    Carry one exchange to the head of its answer, and say how it broke if it did.
    """
    try:
        await exchange.open()
    except Broken as broken:
        return broken.fault
    if _is_encoded(exchange):
        exchange.close()
        return Fault.MALFORMED
    return None


async def _read_whole(exchange: Exchange) -> tuple[Fault | None, bytes, int]:
    """
    Carry one exchange to its end: how it broke if it did, the body, and how many bytes of it came.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        await exchange.open()
        if _is_encoded(exchange):
            return Fault.MALFORMED, b"", 0
        async for piece in exchange.chunks():
            size += len(piece)
            if size > ANSWER_BYTES_MAX:
                return Fault.TOO_LARGE, b"", size
            pieces.append(piece)
    except Broken as broken:
        return broken.fault, b"", size
    except asyncio.CancelledError:
        return Fault.ABANDONED, b"", size
    finally:
        with contextlib.suppress(Exception):
            exchange.close()
    return None, b"".join(pieces), size
