"""
Stage 1: what came over HTTP becomes a canonical head at once, and a bounded body later.

The body is read only for a known caller and a known operation. Nothing here decides anything but whether the request
has exactly one meaning.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http import RawRequestMessage

from breakers.policy import Policy
from breakers.store.events import IntentOpened
from breakers.verdict import Forward, Reason, Refuse
from proxy.canonical.heads import Head, LastHead
from proxy.canonical.target import Target
from proxy.doors import Door
from proxy.errors import Refused
from proxy.links import NO_LINKS, Links
from proxy.noticing import Watch
from proxy.trail import Trail

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


SPOKEN = frozenset({HttpVersion10, HttpVersion11})


class AgentRequest:
    """
    A request of an agent: `message` is its head as it was parsed, `content` its body, `links` how URLs change for it;
    `heads` reads the heads of its connection.

    `version` is what it is answered in, one that is spoken here, whatever its first line names; `last` tells that its
    connection serves no other.
    """

    __slots__ = ("connection", "content", "heads", "last", "links", "message", "version")

    def __init__(
        self,
        message: RawRequestMessage,
        content: StreamReader,
        connection: web.RequestHandler,
        heads: LastHead,
        *,
        leaving: bool,
    ) -> None:
        self.message, self.content, self.connection, self.heads = message, content, connection, heads
        self.links = NO_LINKS
        # Behind what would be another protocol, had it been granted, nothing is read as a request (CONNECT is one).
        self.last = leaving or message.should_close or message.upgrade
        self.version: HttpVersion = message.version if message.version in SPOKEN else HttpVersion11

    def __repr__(self) -> str:
        return f"AgentRequest({self.message.method})"

    def write(self, data: bytes) -> None:
        """
        Send a piece of what is answered. Raise `ConnectionResetError` where nobody is there any more.
        """
        transport = self.connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer has gone")
        transport.write(data)

    def _cancel(self, exc: BaseException) -> None:
        # As aiohttp calls it: whoever waits for the rest of the body learns that none comes.
        self.content.set_exception(exc)


@dataclass(slots=True)
class Inbound:
    """
    One request whose head is canonical and whose body still waits on the socket; `links` are its caller's.

    `left` says that its caller was told to wait no longer, `unheard` that it is noted that its answer reaches nobody.
    `opened` is its write's intent, once that is on record. `policy` is the one that it is judged by, to its end;
    `watch` is how the loop guard sees it, once it is known to be a call.
    """

    door: Door
    head: Head
    target: Target
    request: AgentRequest
    trail: Trail
    links: Links = NO_LINKS
    left: bool = False
    unheard: bool = False
    opened: IntentOpened | None = None
    policy: Policy = field(init=False)
    watch: Watch = field(init=False)

    @property
    def waits(self) -> bool:
        """
        Tell whether its caller still waits for its answer: it was told nothing yet, and has not hung up.
        """
        transport = self.request.connection.transport
        return not self.left and transport is not None and not transport.is_closing()

    def binds(self, go: Forward) -> Refuse | None:  # noqa: ARG002 as an errand's
        """
        Return why a call that may pass must not: nobody has said anything of one that just came.
        """
        return None

    async def body(self, bytes_max: int, within_s: float) -> bytes:
        """
        Read the body, at most `bytes_max` bytes of it and for at most `within_s` seconds.

        Raise `Refused` where it is larger, slower, or does not end as it said it would.
        """
        announced = self.head.content_length or 0
        _refuse_large(announced, bytes_max)
        if self.head.expects_continue and (announced or self.head.chunked):
            self.request.write(CONTINUE)
        try:
            if self.request.content.is_eof():
                # It came whole with the head, as most do: nothing is waited for.
                body = self.request.content.read_nowait()
                _refuse_large(len(body), bytes_max)
            else:
                async with asyncio.timeout(within_s):
                    body = await self._all(bytes_max)
        except TimeoutError:
            raise Refused(Reason.BODY_TOO_SLOW, f"The body did not arrive within {within_s:g} seconds.") from None
        except (web.RequestPayloadError, ConnectionError, ValueError):
            raise Refused(Reason.BODY_MALFORMED, "The body does not end as its head said it would.") from None
        if not self.head.chunked and len(body) != announced:
            raise Refused(Reason.BODY_MALFORMED, "The body does not end as its head said it would.")
        return body

    async def _all(self, bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.request.content.readany():
            size += len(piece)
            _refuse_large(size, bytes_max)
            pieces.append(piece)
        return b"".join(pieces)


def _refuse_large(size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise Refused(Reason.BODY_TOO_LARGE, f"The body may have {bytes_max} bytes.")
