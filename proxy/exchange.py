"""
One request to an upstream and its answer, piece by piece, with every clock exact and no re-send.

Connections and the parser of answers are aiohttp's; its requests, responses and sessions are not used, because they
cost more than everything else here and send again by themselves.

At the gate the connection is up, and not one byte has left; the whole request is written directly behind it, in one
piece. Whatever breaks before the gate was not sent; whatever breaks after it may have been. A permit is good for two
seconds: whoever was held up for longer, a process that was stopped and woken again, sends nothing, because by then
others may have decided without it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import lru_cache
from types import MappingProxyType

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from breakers.call import Fault
from breakers.noun import noun
from breakers.results import HELD_BACK
from breakers.store.protocol import Permit, StoreUnavailable
from proxy.errors import AddressRefused, Broken
from proxy.pool import Pool
from proxy.wire import Wire

LARGE_BODY_BYTES = 1024 * 1024
"""More than this may take longer to leave than an upstream may take to begin its answer."""

FIRST_BYTE_WITHIN_S = 2.0
"""From asking for the permit to the first byte. Whoever looks for what became of a write waits longer than that."""

Fields = tuple[tuple[str, str], ...]
"""Headers of an answer: names in small letters, values as they came, each byte a character."""

SHAPING = frozenset({"content-length", "transfer-encoding", "content-encoding"})
"""Headers that say how the body is to be read."""

_DIGITS = re.compile(r"[0-9]+").fullmatch
_BREAKS_A_LINE = re.compile(r"[\x00\r\n]").search

_REFUSED = MappingProxyType({Permit.STOPPED: Fault.STOPPED, Permit.LOST: Fault.LOST})


class Gate:
    """
    The last moment: `permit` is asked once the connection stands, and says whether the first byte may leave.

    `monotonic` tells how long ago that was; without a permit, as for a read, the gate is open. `still` is asked last of
    all, directly before the first byte, and does not wait: what was stopped meanwhile does not leave. `left` is told
    that it does. `waits` is False where the permit is given without waiting for anybody.
    """

    __slots__ = ("_asked", "_left", "_monotonic", "_permit", "_still", "asks", "passed", "waits")

    def __init__(
        self,
        permit: Callable[[], Awaitable[Permit]] | None = None,
        monotonic: Callable[[], float] | None = None,
        still: Callable[[], Permit] | None = None,
        left: Callable[[], None] | None = None,
        *,
        waits: bool = True,
    ) -> None:
        self._permit, self._monotonic, self._still, self._left = permit, monotonic, still, left
        self._asked: float | None = None
        self.passed, self.asks = False, permit is not None
        self.waits = waits and self.asks

    async def ask(self) -> None:
        """
        Ask for the permit, where there is one; raise `Broken` with `STOPPED`, `LOST` or `UNASKED`.
        """
        if self._permit is None:
            return
        self._asked = None if self._monotonic is None else self._monotonic()
        try:
            said = await self._permit()
        except StoreUnavailable:
            # Nobody can say that the write is still ours to send.
            raise Broken(Fault.UNASKED) from None
        if said is not Permit.GRANTED:
            raise Broken(_REFUSED[said])

    def pass_through(self) -> None:
        """
        Let the first byte leave, now and before anything else happens; raise `Broken` where its permit is too old, or
        was taken back.
        """
        asked, monotonic = self._asked, self._monotonic
        if asked is not None and monotonic is not None and monotonic() - asked > FIRST_BYTE_WITHIN_S:
            raise Broken(Fault.LATE)
        if self._still is not None:
            try:
                said = self._still()
            except StoreUnavailable:
                raise Broken(Fault.UNASKED) from None
            if said is not Permit.GRANTED:
                raise Broken(_REFUSED[said])
        self.passed = True
        if self._left is not None:
            self._left()


@noun
class Budget:
    """
    How long each part of an exchange may take, in seconds.
    """

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


class Exchange:
    """
    One request on the wire: `open` carries it to the answer's head, `chunks` or `rest` read on from there.

    `size` counts what was read of the answer's body, `finished` tells that this is all of it. Everything raises
    `Broken`, and nothing else; leaving a whole answer unread closes the connection.
    """

    __slots__ = (
        "_aborted", "_body", "_budget", "_connection", "_pool", "_timer", "_total_at", "_wire",
        "fields", "finished", "gate", "size", "status",
    )  # fmt: skip

    def __init__(self, pool: Pool, wire: Wire, budget: Budget, gate: Gate) -> None:
        self._pool, self._wire, self._budget, self.gate = pool, wire, budget, gate
        self._total_at = pool.loop.time() + budget.total_s
        # Both are there as long as there is something to wait for, or to give up.
        self._connection: Connection | None = None
        self._body: StreamReader | None = None
        self._timer: asyncio.Timeout | None = None
        self._aborted = self.finished = False
        self.status: int | None = None
        self.fields: Fields = ()
        self.size = 0

    async def open(self) -> None:
        """
        Connect, pass the gate, send under the wire's own credential, and wait for the answer's head.
        """
        try:
            self._connection = self._pool.take()
            if self._connection is None or self.gate.waits:
                await self._reach()
            elif self.gate.asks:
                await self.gate.ask()
            message, self._body = await self._answer()
            if self._aborted:
                # Cut in the moment in which its head was here already: nobody will say where its body ends.
                raise Broken(Fault.STOPPED)
        except BaseException as error:
            self._give_up()
            if not isinstance(error, Exception):
                raise
            # Every way to fail is one of ours by the next line.
            raise Broken(self._fault_of(error, passed=self.gate.passed)) from None
        self.status, self.fields = message.code, fields_of(message.raw_headers)
        if self.status < 200 or not is_certain(self.fields):
            self._give_up()
            raise Broken(Fault.MALFORMED)

    async def _reach(self) -> None:
        """
        Connect where that is still to be done, and ask whoever is to be asked.
        """
        try:
            async with asyncio.timeout_at(self._within(self._budget.connect_s)) as self._timer:
                if self._connection is None:
                    self._connection = await self._pool.dial()
                await self.gate.ask()
        finally:
            self._timer = None

    async def _answer(self) -> tuple[RawResponseMessage, StreamReader]:
        """
        Send the request, and return the head of its answer with where its body will be.
        """
        protocol = None if self._connection is None else self._connection.protocol
        transport = None if protocol is None else protocol.transport
        if protocol is None or transport is None or not protocol.is_connected() or protocol.should_close:
            # It was lost, or given up, while somebody was asked; or what it said unasked would be taken for the answer.
            raise Broken(Fault.CONNECT)
        skips = self._wire.method == "HEAD"
        protocol.set_response_params(skip_payload=skips, read_until_eof=True, auto_decompress=False)
        request = self._wire.spelled(self._pool.host)
        self.gate.pass_through()
        # Nothing happens in between: what has not passed the gate never left, and what has passed it leaves now.
        transport.writelines(request)
        # A body of ordinary size is gone at once; a large one has the whole time: its last byte is not seen here.
        is_large = len(self._wire.body) > LARGE_BODY_BYTES
        begins = self._within(self._budget.total_s if is_large else self._budget.first_byte_s)
        timer = self._pool.loop.call_at(begins, self._interrupt, TimeoutError())
        try:
            while True:
                message, body = await protocol.read()
                if message.code // 100 != 1 or message.code == 101:  # the protocol's own numbers
                    return message, body
        finally:
            timer.cancel()

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the answer's body as it comes.
        """
        while piece := await self._more():
            yield piece

    async def rest(self, into: list[bytes], bytes_max: int) -> bool:
        """
        Put the answer's body there as it comes, to its end; return False of one that is larger, and leave it there.
        """
        while not self.finished and (piece := await self._more()):
            if self.size > bytes_max:
                return False
            into.append(piece)
        return True

    @property
    def arrived(self) -> int:
        """
        Return the size of a body of which all is here already, and 0 for any other.
        """
        return self._body.total_bytes if self._body is not None and self._body.is_eof() else 0

    async def _more(self) -> bytes:
        """
        Return what has come of the body, and something unless it has ended.
        """
        body = self._body
        if body is None:
            if self.finished:
                return b""
            raise Broken(self._fault_of(ConnectionError(), passed=True))
        try:
            piece = body.read_nowait()
            if not piece and not body.at_eof():
                timer = self._pool.loop.call_at(self._within(self._budget.idle_s), self._interrupt, TimeoutError())
                try:
                    piece = await body.readany()
                finally:
                    timer.cancel()
        except Exception as error:  # every way to fail is one of ours by the next line
            self._give_up()
            raise Broken(self._fault_of(error, passed=True)) from None
        self.size += len(piece)
        if body.at_eof():
            self.finished = True
            self.close()
        return piece

    def _within(self, seconds: float) -> float:
        return min(self._total_at, self._pool.loop.time() + seconds)

    def _fault_of(self, error: BaseException, *, passed: bool) -> Fault:
        return Fault.STOPPED if self._aborted else fault_of(error, passed=passed)

    def _interrupt(self, error: Exception) -> None:
        """
        Have whoever waits for the answer be told this instead.
        """
        if self._connection is not None and self._connection.protocol is not None:
            self._connection.protocol.set_exception(error)
        if self._body is not None:
            self._body.set_exception(error)

    def abort(self) -> None:
        """
        Close the socket now, wherever the exchange stands: it ends as stopped.
        """
        self._aborted = True
        if self._timer is not None and not self._timer.expired():
            # What waits before the gate is cancelled in this way.
            self._timer.reschedule(0)
        self._interrupt(Broken(Fault.STOPPED))
        self._give_up()

    def close(self) -> None:
        """
        Leave the connection to others where the whole answer has come, and give it up otherwise.
        """
        connection, body = self._connection, self._body
        if connection is None:
            # That was seen to before.
            return
        if body is not None and body.is_eof() and body.exception() is None:
            self._connection = self._body = None
            self._pool.keep(connection, len(self._wire.body))
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._body = None


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


def fields_of(raw: Iterable[tuple[bytes, bytes]]) -> Fields:
    """
    Return an answer's headers under names that can be compared.
    """
    return tuple([(_lowered(name), value.decode("latin-1")) for name, value in raw])


@lru_cache(maxsize=1024)
def _lowered(name: bytes) -> str:
    # The names in an upstream's answers are nearly always the same.
    return name.decode("latin-1").lower()


def is_certain(fields: Fields) -> bool:
    """
    Tell whether an answer's head says in exactly one way where its body ends, and that it is not encoded.

    No encoding was asked for, and what is encoded cannot be searched for our credential.
    """
    if _BREAKS_A_LINE("".join([value for _, value in fields])):
        return False
    ends = 0
    for name, value in fields:
        if name not in SHAPING:
            continue
        said = value.strip(" \t")
        if name == "content-length":
            ends, is_known = ends + 1, _DIGITS(said) is not None
        elif name == "transfer-encoding":
            ends, is_known = ends + 1, said.lower() == "chunked"
        else:
            is_known = said.lower() in {"", "identity"}
        if not is_known:
            return False
    return ends <= 1
