"""
The sandbox as a server on loopback: it reads a request, does it at most once a key, and answers as it was told to.

Every request goes through the same steps: written down, stalled or failed if a fault strikes before the work, the work
itself in one uninterrupted step, its result kept under the key, stalled or spoilt if a fault strikes after the work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from aiohttp import web

from loadtest.upstreams.stripe import control
from loadtest.upstreams.stripe.account import Account
from loadtest.upstreams.stripe.answer import Answer
from loadtest.upstreams.stripe.deliver import deliver, hang_up, plain
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.faults import Fault, Faults, HangUp, Status
from loadtest.upstreams.stripe.idempotency import IdempotencyKeys
from loadtest.upstreams.stripe.pages import expanded
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.reading import fingerprint, parsed
from loadtest.upstreams.stripe.routes import Handler
from loadtest.upstreams.stripe.wiretap import Seen, Wiretap, credential

# Room for whatever a test may send: refusing it is not this end's business.
_HEAD_BYTES_MAX = 1 << 16

# Requests are in the wiretap; a line each would be noise in a test's output.
_QUIET = logging.getLogger("loadtest.upstreams.stripe.access")
_QUIET.setLevel(logging.CRITICAL)

# How long a stop waits for requests in flight before it drops them.
_STOP_S = 0.05


class _Tapped(web.RequestHandler):
    """
    A connection whose bytes are written down before they are parsed.
    """

    __slots__ = ("_wire",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, wire: bytearray) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=_QUIET,
            max_line_size=_HEAD_BYTES_MAX,
            max_field_size=_HEAD_BYTES_MAX,
            auto_decompress=False,
        )
        self._wire = wire

    def data_received(self, data: bytes) -> None:
        self._wire += data
        super().data_received(data)


@dataclass(frozen=True, slots=True)
class _Result:
    """
    What the work came to: the answer to show, and the one to keep under its key, if any.
    """

    shown: Answer
    kept: Answer | None


class StripeSandbox:
    """
    One account behind one secret, listening while entered. `url` is its address, for every base of the API.
    """

    def __init__(
        self, *, secret: str = "sandbox-secret", seed: int = 0, clock: Callable[[], float] = time.time, port: int = 0
    ) -> None:
        self.secret = secret
        self.faults = Faults(seed)
        self.wiretap = Wiretap()
        self.url = ""
        self._clock = clock
        self._seed = seed
        self._port = port
        self.reset()

    def __repr__(self) -> str:
        return f"<StripeSandbox {self.url} {self.account!r} {self.faults!r} {self.wiretap!r}>"

    def reset(self) -> None:
        """
        Forget every object, effect and key; what was seen and which faults are in force stays.
        """
        self.account = Account(self._clock, self._seed)
        self.keys = IdempotencyKeys()
        self.effects_by_key: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._requests = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = web.Server(self._serve)
        self._listener = await loop.create_server(
            lambda: _Tapped(self._server, loop, self.wiretap.connection()), "127.0.0.1", self._port
        )
        host, port = self._listener.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.faults.clear()
        await self._server.shutdown(_STOP_S)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        # Not `request.read`: that one has a bound.
        body = await request.content.read()
        seen = Seen(request.method, request.raw_path, request.raw_headers, body)
        if seen.path.startswith(control.PREFIX):
            return plain(control.handle(self, seen))
        self.wiretap.requests.append(seen)
        fault = self.faults.draw(seen.method, seen.path) or Fault()
        if not fault.applied:
            await self.faults.stall(fault)
            if isinstance(fault.act, HangUp):
                return hang_up(request, fault.act)
        answer = await self._answer(seen, fault)
        answer = self._dressed(seen, answer)
        if fault.applied and isinstance(fault.act, HangUp):
            return hang_up(request, fault.act)
        return await deliver(request, answer, fault.act)

    async def _answer(self, seen: Seen, fault: Fault) -> Answer:
        """
        Authenticate, parse, and do the work: once a key where there is one.
        """
        act = fault.act
        try:
            self._authenticate(seen)
            handler, ids, tree = parsed(seen)
            if isinstance(act, Status) and not fault.applied and not act.stored:
                return act.answer()
            key = seen.header("Idempotency-Key") if seen.method == "POST" and seen.path.startswith("/v1/") else None
            work = partial(self._work, handler, ids, Params(tree), fault, key)
            if key is not None:
                return await self._once(key, fingerprint(seen, tree), work, fault)
            shown = work().shown
            await self._stall_after(fault)
            return shown
        except ApiError as error:
            return Answer.of(error.status, error.body())

    async def _once(self, key: str, print_: str, work: Callable[[], _Result], fault: Fault) -> Answer:
        """
        Do the work if the key is new, replay its result if it is not.
        """
        before = self.keys.begin(key, print_)
        if before is not None:
            return Answer(before.status, before.body, before.headers | {"Idempotent-Replayed": "true"})
        result = work()
        await self._stall_after(fault)
        if result.kept is None:
            self.keys.forget(key)
        else:
            self.keys.keep(key, result.kept)
        return result.shown

    async def _stall_after(self, fault: Fault) -> None:
        if fault.applied:
            await self.faults.stall(fault)

    def _work(self, handler: Handler, ids: tuple[str, ...], params: Params, fault: Fault, key: str | None) -> _Result:
        """
        Execute in one step; what did not validate is not kept.
        """
        act = fault.act
        if isinstance(act, Status) and not fault.applied:
            return _Result(act.answer(), act.answer())
        effects = self.account.effects.copy()
        kept: Answer | None
        try:
            kept = done = Answer.of(200, expanded(self.account, handler(self.account, ids, params), params.expand))
        except ApiError as error:
            done = Answer.of(error.status, error.body())
            kept = done if error.stored or self.account.effects != effects else None
        if key is not None and self.account.effects != effects:
            self.effects_by_key[key] += self.account.effects - effects
        if not isinstance(act, Status):
            return _Result(done, kept)
        return _Result(act.answer(), act.answer() if kept is not None and act.stored is not False else kept)

    def _authenticate(self, seen: Seen) -> None:
        shown = credential(seen.header("Authorization"))
        if shown is not None:
            self.wiretap.credentials[shown] += 1
        if shown != self.secret:
            message = (
                "You did not provide an API key." if shown is None else f"Invalid API Key provided: {shown[:4]}***"
            )
            raise ApiError(401, message, fields={} if shown is None else {"code": "api_key_invalid"})

    def _dressed(self, seen: Seen, answer: Answer) -> Answer:
        """
        Add the headers that every answer of Stripe's has.
        """
        self._requests += 1
        headers = {"Request-Id": f"req_{self._requests:014d}", "Cache-Control": "no-cache, no-store"}
        for name in ("Idempotency-Key", "Stripe-Version"):
            value = seen.header(name)
            if value is not None:
                headers[name] = value
        return Answer(answer.status, answer.body, headers | answer.headers)
