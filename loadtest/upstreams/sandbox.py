"""
A sandbox as a server on loopback: what every vendor's has, with what only a vendor knows left to its subclass.

Every request goes through the same steps: written down, stalled or failed if a fault strikes before the work, the work
itself in one uninterrupted step, stalled or spoilt if a fault strikes after it. A subclass says how its vendor
authenticates (`authenticate`), works (`work`), fails (`failed`) and dresses its answers (`dressed`), and forgets
(`reset`); one that works otherwise than once a request replaces `answer`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import ClassVar, Self

from aiohttp import web

from loadtest.upstreams import control
from loadtest.upstreams.answer import Answer, Refusal
from loadtest.upstreams.deliver import deliver, hang_up, plain
from loadtest.upstreams.faults import Fault, Faults, HangUp, Status
from loadtest.upstreams.wiretap import Seen, Wiretap

# Room for whatever a test may send: refusing it is not this end's business.
_HEAD_BYTES_MAX = 1 << 16

# Requests are in the wiretap; a line each would be noise in a test's output.
_QUIET = logging.getLogger("loadtest.upstreams.access")
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


class Sandbox:
    """
    One account behind one secret, listening while entered. `url` is its address, for every base of the API.

    `knobs` are attributes, in seconds, that may be set while it runs.
    """

    knobs: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, *, secret: str = "sandbox-secret", seed: int = 0, clock: Callable[[], float] = time.time, port: int = 0
    ) -> None:
        self.secret = secret
        self.seed = seed
        self.clock = clock
        self.faults = Faults(seed)
        self.wiretap = Wiretap()
        self.url = ""
        self._port = port
        self.reset()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {self.effects.total()} effects {self.faults!r} {self.wiretap!r}>"

    # ------------------------------------------------------------------------------------------- what a vendor says

    @property
    def effects(self) -> Counter[str]:
        """
        Return how often each effect happened.
        """
        raise NotImplementedError

    def turn(self, knobs: dict[str, float]) -> None:
        """
        Set some of what can be set while it runs, or raise `ValueError` and set nothing.
        """
        if unknown := knobs.keys() - set(self.knobs):
            raise ValueError(f"no such knob: {', '.join(sorted(unknown))}")
        for name, seconds in knobs.items():
            setattr(self, name, seconds)

    def counted(self) -> dict[str, object]:
        """
        Return the counters as the control door shows them.
        """
        return {"effects": dict(self.effects)}

    def reset(self) -> None:
        """
        Forget every object and effect; what was seen and which faults are in force stays.
        """
        raise NotImplementedError

    def authenticate(self, seen: Seen) -> None:
        """
        Count the credential that was shown; raise a refusal unless it is the account's own.
        """
        raise NotImplementedError

    def work(self, seen: Seen) -> Answer:
        """
        Do what a request asks for, in one step, or raise a refusal.
        """
        raise NotImplementedError

    def failed(self, status: Status) -> Answer:
        """
        Return a failure on command in the vendor's own error shape.
        """
        raise NotImplementedError

    def dressed(self, seen: Seen, answer: Answer) -> Answer:  # noqa: ARG002 - a vendor's headers may echo the request
        """
        Add the headers that every answer of the vendor's has.
        """
        return answer

    async def answer(self, seen: Seen, fault: Fault) -> Answer:
        """
        Authenticate and do the work once, whatever was asked before; fail before or after it as the fault says.
        """
        act = fault.act
        try:
            self.authenticate(seen)
            if isinstance(act, Status) and not fault.applied:
                return self.failed(act)
            done = self.work(seen)
        except Refusal as refusal:
            done = refusal.answer()
        await self.stall_after(fault)
        return self.failed(act) if isinstance(act, Status) else done

    async def stall_after(self, fault: Fault) -> None:
        """
        Keep a request waiting whose work is done, if its fault strikes there.
        """
        if fault.applied:
            await self.faults.stall(fault)

    # --------------------------------------------------------------------------------------------------- the server

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

    def _dated(self, answer: Answer) -> Answer:
        # By the clock that dates what it makes: whoever asks may hold the two against each other.
        return replace(answer, headers={"Date": formatdate(self.clock(), usegmt=True)} | answer.headers)

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
        answer = self._dated(self.dressed(seen, await self.answer(seen, fault)))
        if fault.applied and isinstance(fault.act, HangUp):
            return hang_up(request, fault.act)
        return await deliver(request, answer, fault.act)
