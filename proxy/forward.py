"""
Stage 7, the only room that calls an upstream: an `Intent` or a `Look` in, an `Outcome` out.

The dispatch mark and the kill re-check happen inside, after the connection stands and before the first byte; nothing is
sent twice. Whatever breaks becomes an outcome: forwarding never raises.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from breakers.call import Fault, Outcome, Sent
from breakers.results import judge_result
from breakers.store.protocol import Store
from config.catalog import OperationSpec
from config.settings import Timeouts
from proxy.account import Account
from proxy.clock import Clock
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate, open_session
from proxy.ledger.book import Intent
from proxy.passes import Look
from proxy.shown import shown_headers

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
    whole: bool = False

    async def close(self) -> None:
        """
        End the stream where it is; the outcome is complete afterwards.
        """
        await self.chunks.aclose()
        # A generator that was never begun has no end of its own.
        self.exchange.close()


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
    ) -> None:
        self._accounts, self._dialer, self._timeouts = accounts, dialer, timeouts
        self._clock, self._store, self._on_echo = clock, store, on_echo
        self._sessions: dict[tuple[str, str, bool], aiohttp.ClientSession] = {}

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

    async def write(self, intent: Intent) -> Outcome:
        """
        Send one write, read its answer whole, and say how it ended.

        A stop that cuts it short after its first byte leaves `unknown`, which is an outcome like any other.
        """
        call = intent.held.go.call
        account = self._accounts[call.api]
        gate = Gate(lambda: self._store.dispatch(intent.held, intent.opened))
        budget = Budget.of(self._timeouts, self._timeouts.write_total_s)
        session = self._sessions[call.api, call.request.base, True]
        exchange = Exchange(session, account.origins[call.request.base], intent.wire, budget, gate)
        began = self._clock.monotonic()
        fault, raw, size = await _read_whole(exchange)
        body = account.scrubber.clean(raw)
        self._look_for_echo(account, exchange, in_body=body is not raw)
        micros = round((self._clock.monotonic() - began) * 1_000_000)
        return self._conclude(call.operation.spec, account, exchange, fault=fault, body=body, size=size, micros=micros)

    async def read(self, look: Look) -> Reading:
        """
        Send one read and return its answer as it begins.
        """
        account = self._accounts[look.api]
        budget = Budget.of(self._timeouts, look.total_s or self._timeouts.read_total_s)
        gate = Gate()
        exchange = Exchange(
            self._sessions[look.api, look.base, False], account.origins[look.base], look.wire, budget, gate
        )
        began = self._clock.monotonic()
        fault: Fault | None = None
        try:
            await exchange.open()
            if _is_encoded(exchange):
                exchange.close()
                fault = Fault.MALFORMED
        except Broken as broken:
            fault = broken.fault
        micros = round((self._clock.monotonic() - began) * 1_000_000)
        outcome = self._conclude(look.spec, account, exchange, fault=fault, micros=micros)
        reading = Reading(outcome, _nothing(), exchange)
        if fault is None:
            reading.chunks = self._stream(reading, look.spec, account, exchange, began)
        return reading

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
            micros = round((self._clock.monotonic() - began) * 1_000_000)
            reading.outcome = self._conclude(spec, account, exchange, fault=fault, size=size, micros=micros)

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


NO_PIECES: tuple[bytes, ...] = ()


async def _nothing() -> AsyncGenerator[bytes]:
    for piece in NO_PIECES:
        yield piece


def _is_encoded(exchange: Exchange) -> bool:
    return any(
        name.lower() == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}
        for name, value in exchange.raw_headers
    )


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
