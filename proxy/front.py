"""
Between the socket and the pipeline: one request in, exactly one answer out, one line in the log.

Whatever nobody foresaw becomes a plain message outside and detail inside; it is never a leak and never a guess.
"""

from __future__ import annotations

from functools import lru_cache, partial

from breakers.verdict import Reason, Refuse
from config.dialect import Dialect
from proxy.answer import Answer, Whole, refusal
from proxy.canonical.heads import said_host
from proxy.canonical.target import Target, encode_target, parse_target, refuse_long
from proxy.doors import Came, Door, Style, door_hosts, likely_api, refuse_other_door, through
from proxy.errors import LedgerUnavailable, Refused
from proxy.inbound import AgentRequest, Inbound
from proxy.links import TABLES_KEPT, Links, Ways
from proxy.listener import Serve, malformed
from proxy.pipeline import handle
from proxy.respond import last_words, respond
from proxy.rewrite import swap_pairs
from proxy.rooms import Rooms
from proxy.trail import Trail


class Front:
    """
    Serves every agents' door of one program.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._hosts = door_hosts(rooms.doors, rooms.settings.hosts)
        self._ways = Ways(rooms.accounts, rooms.doors, self._hosts, rooms.addresses)
        # By texts, which are compared and hashed at once.
        self._links = lru_cache(maxsize=TABLES_KEPT)(self._links_of)

    def serving(self, door: Door) -> Serve:
        """
        Return the handler of one door's requests.
        """
        return partial(self._serve, door)

    def unparsed(self, door: Door, exc: BaseException | None, status: int) -> bytes:
        """
        Answer and count a request that never became one; with these words its connection ends.
        """
        rooms = self._rooms
        trail = Trail(rooms.ids.new(), rooms.clock, rooms.clock.monotonic(), door=door.name, api=door.api)
        said = last_words(malformed(exc, status, trail.call, self._dialect(door.api)), trail)
        trail.verdict = "edge"
        rooms.ledger.edge_refused(Reason(trail.reason))
        rooms.metrics.ended(trail)
        rooms.log.write(trail.line())
        return said

    def _dialect(self, api: str) -> Dialect | None:
        account = self._rooms.accounts.get(api)
        return account.dialect if account else None

    async def _serve(self, door: Door, request: AgentRequest) -> bool:
        rooms = self._rooms
        trail = Trail(rooms.ids.new(), rooms.clock, rooms.clock.monotonic(), door=door.name)
        try:
            answer = await self._answer(door, request, trail)
            return await respond(request, answer, trail)
        except ConnectionError:
            raise
        except Exception as error:  # an answer that cannot be sent is broken off: what happened is not said wrongly
            rooms.log.failure(trail.call, error)
            raise ConnectionResetError("the answer could not be sent") from None
        finally:
            rooms.metrics.ended(trail)
            rooms.log.write(trail.line())

    async def _answer(self, door: Door, request: AgentRequest, trail: Trail) -> Answer:
        rooms = self._rooms
        try:
            with trail.stage("inbound"):
                inbound = self._receive(door, request, trail)
            return await handle(inbound, rooms)
        except Refused as no:
            rooms.ledger.edge_refused(no.reason)
            trail.verdict = "edge"
            return refusal(Refuse(no.reason, "inbound", no.detail), trail.call, self._dialect(trail.api))
        except LedgerUnavailable as unavailable:
            rooms.log.event("unrecorded", call=trail.call, why=str(unavailable))
            return self._failed(trail, Reason.LEDGER_UNAVAILABLE, "It could not be recorded.")
        except Exception as error:  # the last resort: an answer that claims nothing, a trace without values
            rooms.log.failure(trail.call, error)
            return self._failed(trail, Reason.INTERNAL, "Breakwater failed on the way.")

    def _failed(self, trail: Trail, reason: Reason, detail: str) -> Whole:
        trail.verdict = "failed"
        no = Refuse(reason, "ledger", detail)
        return refusal(no, trail.call, self._dialect(trail.api), dispatched=trail.dispatched or "no")

    def _receive(self, door: Door, request: AgentRequest, trail: Trail) -> Inbound:
        rooms = self._rooms
        message = request.message
        # The parser takes one `Host` at most.
        host = said_host(message.headers.get("host", ""))
        trail.api = door.api or likely_api(host, message.path, rooms.doors, self._hosts)
        target = parse_target(message.path)
        came, segments = through(door, host, target.segments, rooms.doors, self._hosts)
        meant = came.door
        trail.api, trail.door = meant.api, meant.name
        dialect = rooms.accounts[meant.api].dialect
        head = request.heads.read(
            message.method,
            message.version,
            message.raw_headers,
            dialect.forward_headers,
            dialect.redirecting_headers,
        )
        trail.trace = head.trace
        links = self._links(door.name, meant.name, came.style, head.host, head.port)
        if rooms.stopping:
            raise Refused(Reason.STOPPING, "It is shutting down.")
        request.links = links
        query = swap_pairs(target.query, links.into) if target.query else ()
        if query is not target.query:
            refuse_long(encode_target(segments, query))
            target = Target(segments, query)
        elif segments is not target.segments:
            target = Target(segments, query)
        return Inbound(meant, head, target, request, trail, links)

    def _links_of(self, door: str, meant: str, style: Style, host: str, port: int | None) -> Links:
        """
        Return how URLs change for a caller that came through one door, under this host and port, and means another.
        """
        doors = self._rooms.doors
        refuse_other_door(host, port, doors[door], self._rooms.addresses)
        return self._ways.of(Came(doors[meant], style), host, port)
