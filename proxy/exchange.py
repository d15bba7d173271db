"""
One request to an upstream and its answer, piece by piece, with every clock exact and no re-send.

The gate stands in `ClientRequest.send`: the connection is up, not one byte has left. Whatever breaks before the gate
was not sent; whatever breaks after it may have been. A permit is good for two seconds: whoever was held up for longer,
a process that was stopped and woken again, sends nothing, because by then others may have decided without it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from yarl import URL

from breakers.call import Fault
from breakers.results import HELD_BACK
from breakers.store.protocol import Permit, StoreUnavailable
from config.settings import Timeouts
from proxy.errors import AddressRefused, Broken
from proxy.wire import Wire

LARGE_BODY_BYTES = 1024 * 1024
"""More than this may take longer to leave than an upstream may take to begin its answer."""

FIRST_BYTE_WITHIN_S = 2.0
"""From asking for the permit to the first byte. Whoever looks for what became of a write waits longer than that."""

FRAMING_HEADERS = (b"content-length", b"transfer-encoding")

_REFUSED = MappingProxyType({Permit.STOPPED: Fault.STOPPED, Permit.LOST: Fault.LOST})


class Gate:
    """
    The last moment: `permit` is asked once the connection stands, and says whether the first byte may leave.

    `monotonic` tells how long ago that was; without a permit, as for a read, the gate is open. `still` is asked last of
    all, directly before the first byte, and does not wait: what was stopped meanwhile does not leave.
    """

    def __init__(
        self,
        permit: Callable[[], Awaitable[Permit]] | None = None,
        monotonic: Callable[[], float] | None = None,
        still: Callable[[], Permit] | None = None,
    ) -> None:
        self._permit, self._monotonic, self._still = permit, monotonic, still
        self._asked: float | None = None
        self.passed = False
        self.on_passed: Callable[[], None] = lambda: None

    async def pass_through(self) -> None:
        """
        Let the request leave, or raise `Broken` with `STOPPED`, `LOST`, `UNASKED` or `LATE`.
        """
        if self._permit is not None:
            self._asked = None if self._monotonic is None else self._monotonic()
            await self._ask(self._permit)
        self.refuse_late()
        self.passed = True
        self.on_passed()

    async def _ask(self, permit: Callable[[], Awaitable[Permit]]) -> None:
        try:
            said = await permit()
        except StoreUnavailable:
            # Nobody can say that the write is still ours to send.
            raise Broken(Fault.UNASKED) from None
        if said is not Permit.GRANTED:
            raise Broken(_REFUSED[said])

    def refuse_late(self) -> None:
        """
        Raise `Broken` where the permit is too old, or was taken back; nothing may have left before.
        """
        asked, monotonic = self._asked, self._monotonic
        if asked is not None and monotonic is not None and monotonic() - asked > FIRST_BYTE_WITHIN_S:
            raise self._held_back(Fault.LATE)
        try:
            said = Permit.GRANTED if self._still is None else self._still()
        except StoreUnavailable:
            raise self._held_back(Fault.UNASKED) from None
        if said is not Permit.GRANTED:
            raise self._held_back(_REFUSED[said])

    def _held_back(self, why: Fault) -> Broken:
        self.passed = False
        return Broken(why)


_gate: ContextVar[Gate] = ContextVar("gate")


class GatedRequest(aiohttp.ClientRequest):
    """
    A client request whose first byte waits for its gate.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """
        Pass the gate of the exchange that this request belongs to, then send.
        """
        await _gate.get().pass_through()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """
        Write head and body; where other work came in between and took too long, break the exchange off instead.

        A request with a body leaves in a task of its own, head included; one without leaves inside `send`.
        """
        try:
            _gate.get().refuse_late()
        except Broken as late:
            if conn.protocol is not None:
                conn.protocol.set_exception(late)
            return
        await super().write_bytes(writer, conn, content_length)


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """
    Turn a lost connection into an error of ours before aiohttp sends the request a second time.

    aiohttp re-sends GET, PUT and DELETE after `ClientOSError` and `ServerDisconnectedError`, even on a fresh one.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise Broken(Fault.RESET) from None


def open_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """
    Return a session that keeps nothing, follows nothing, decodes nothing and sends nothing twice.
    """
    return aiohttp.ClientSession(
        connector=connector,
        request_class=GatedRequest,
        middlewares=(send_once,),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, ceil_threshold=float("inf")),
        max_headers=128,
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """
    How long each part of an exchange may take, in seconds.
    """

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float

    @classmethod
    def of(cls, timeouts: Timeouts, total_s: float) -> Budget:
        """
        Return the configured parts under a total of its own.
        """
        return cls(timeouts.connect_s, timeouts.first_byte_s, timeouts.idle_s, total_s)


class Exchange:
    """
    One request on the wire; `async with` opens it to the answer's head, `chunks` reads the rest.

    Everything raises `Broken`, and nothing else; leaving a whole answer unread closes the connection.
    """

    def __init__(self, session: aiohttp.ClientSession, origin: URL, wire: Wire, budget: Budget, gate: Gate) -> None:
        self._session, self._origin, self._wire, self._budget, self.gate = session, origin, wire, budget, gate
        self._total_at = 0.0
        self._answer: aiohttp.ClientResponse | None = None
        self._finished = self._aborted = False
        self._timer: asyncio.Timeout | None = None
        self.status: int | None = None
        self.raw_headers: tuple[tuple[bytes, bytes], ...] = ()

    async def open(self) -> None:
        """
        Connect, pass the gate, send under the wire's own credential, and wait for the answer's head.
        """
        self._total_at = asyncio.get_running_loop().time() + self._budget.total_s
        _gate.set(self.gate)
        try:
            async with asyncio.timeout_at(self._within(self._budget.connect_s)) as timer:
                self._timer = timer
                self.gate.on_passed = lambda: timer.reschedule(self._within(self._first_byte_s()))
                self._answer = await self._request()
        except Exception as error:  # every way to fail is one of ours by the next line
            raise Broken(self._fault_of(error, passed=self.gate.passed)) from None
        finally:
            self._timer = None
        self.status, self.raw_headers = self._answer.status, self._answer.raw_headers
        if self.status < 200 or not framing_is_certain(self.raw_headers):
            self.close()
            raise Broken(Fault.MALFORMED)

    async def _request(self) -> aiohttp.ClientResponse:
        url = URL(f"{self._origin}{self._wire.target}", encoded=True)
        headers = [*self._wire.headers, self._wire.credential.header()]
        return await self._session.request(
            self._wire.method, url, headers=headers, data=self._wire.body or None, allow_redirects=False
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the answer's body as it comes.
        """
        if self._answer is None:
            raise Broken(Fault.MALFORMED)
        while True:
            try:
                async with asyncio.timeout_at(self._within(self._budget.idle_s)) as self._timer:
                    piece = await self._answer.content.readany()
            except Exception as error:  # every way to fail is one of ours by the next line
                self.close()
                raise Broken(self._fault_of(error, passed=True)) from None
            finally:
                self._timer = None
            if not piece:
                self._finished = True
                self._answer.release()
                return
            yield piece

    def _first_byte_s(self) -> float:
        """
        Return how long the answer's first byte may take from here, where the request's first byte leaves.

        A body of ordinary size is gone at once; a large one has the whole time, because its last byte is not seen here.
        """
        large = len(self._wire.body) > LARGE_BODY_BYTES
        return self._budget.total_s if large else self._budget.first_byte_s

    def _within(self, seconds: float) -> float:
        return min(self._total_at, asyncio.get_running_loop().time() + seconds)

    def _fault_of(self, error: BaseException, *, passed: bool) -> Fault:
        return Fault.STOPPED if self._aborted else fault_of(error, passed=passed)

    def abort(self) -> None:
        """
        Close the socket now, wherever the exchange stands: it ends as stopped.
        """
        self._aborted = True
        if self._timer is not None and not self._timer.expired():
            # What waits is cancelled in this way, and a connection that is given up half-way is closed.
            self._timer.reschedule(0)
        self.close()

    def close(self) -> None:
        """
        Give the connection up, unless the answer was read to its end.
        """
        if self._answer is not None and not self._finished:
            self._answer.close()


def fault_of(error: BaseException, *, passed: bool) -> Fault:
    """
    Say how an exchange broke, by the error that ended it and whether the gate had been passed.
    """
    if isinstance(error, Broken):
        return error.fault if passed or error.fault in HELD_BACK else Fault.CONNECT
    if not passed:
        return _fault_before(error)
    if isinstance(error, TimeoutError):
        return Fault.TIMEOUT
    if isinstance(error, aiohttp.ClientPayloadError):
        return Fault.TRUNCATED
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http_exceptions.HttpProcessingError | ValueError):
        return Fault.MALFORMED
    return Fault.RESET


def _fault_before(error: BaseException) -> Fault:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return Fault.REFUSED_ADDRESS
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.InvalidURL):  # a host that is neither a name nor an address in its one spelling
        return Fault.REFUSED_ADDRESS
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault.UNRESOLVED
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch | ssl.SSLError):
        return Fault.TLS
    return Fault.CONNECT


def framing_is_certain(raw: tuple[tuple[bytes, bytes], ...]) -> bool:
    """
    Tell whether an answer's head says in exactly one way where its body ends.
    """
    framing = [(name.lower(), value.strip()) for name, value in raw if name.lower() in FRAMING_HEADERS]
    if len(framing) > 1:
        return False
    if any(b"\x00" in value or b"\r" in value or b"\n" in value for _, value in raw):
        return False
    name, value = framing[0] if framing else (b"", b"")
    return {b"content-length": value.isdigit(), b"transfer-encoding": value.lower() == b"chunked"}.get(name, True)
