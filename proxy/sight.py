"""
One object, read by its recipe with the account's own credential: for a judgement, and for the images of a change.

What identifies the object may be an agent's word. It fills one parameter of one known read and nothing else: a value
that could lead the read elsewhere is not sent.
"""

from __future__ import annotations

import re
from datetime import datetime

from breakers.call import Call, Fault, Outcome, Request
from breakers.noun import noun
from breakers.touching import Key
from config.catalog import OperationSpec, Place
from proxy.canonical.target import TARGET_BYTES_MAX, encode_target, segment_fault
from proxy.compare import IMAGE_BYTES_MAX
from proxy.passes import Look
from proxy.rooms import Rooms

SIGHT_BYTES_MAX = IMAGE_BYTES_MAX
"""A payment object with everything expanded is far below; more is not one object."""

VALUE_LENGTH_MAX = 1024
"""The longest path of a file that anybody commits is far below."""

_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")


@noun
class Plan:
    """
    A read that would show an object: operation, the parameters that identify it, the rest of its query.
    """

    operation: str
    key: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, operation: str, key: Key, query: tuple[tuple[str, str], ...]) -> Plan:
        """
        Return the plan of a read, equal to every other that would be the same request.
        """
        return cls(operation, tuple(sorted(key.items())), query)


@noun
class Sight:
    """
    What a read showed: status 200 with the object's text, 404 and 410 that there is none, anything else nothing.

    `failed` says why nothing is known.
    """

    at: datetime
    status: int | None = None
    body: bytes = b""
    failed: str | None = None

    @property
    def absent(self) -> bool:
        """
        Tell whether the upstream said that there is no such object.
        """
        return self.failed is None and self.status != 200  # the field's own number


@noun
class Taken:
    """
    What a read of ours brought: how it ended, and its body as far as it was taken; `cut` tells whether there was more.
    """

    outcome: Outcome
    body: bytes
    cut: bool


async def take(look: Look, rooms: Rooms, bytes_max: int) -> Taken:
    """
    Make a read and take its answer, up to a bound; whatever the upstream does is said.
    """
    reading = await rooms.forward.read(look)
    body = bytearray()
    async for piece in reading.chunks:
        body += piece
        if len(body) > bytes_max:
            break
    await reading.close()
    return Taken(reading.outcome, bytes(body[:bytes_max]), len(body) > bytes_max)


async def see(plan: Plan, call: Call, rooms: Rooms, *, kept_max: int, total_s: float) -> Sight:
    """
    Make a read within `total_s`, have it on record (`kept_max` bytes of what it showed), and say what it showed.

    Whatever the upstream does is said. Raise `LedgerUnavailable` where the record of it is not taken any more.
    """
    title = rooms.accounts[call.api].title
    look = look_of(plan, call, rooms, total_s)
    if look is None:
        return Sight(rooms.clock.now(), failed="what names it is not an object's id")
    taken = await take(look, rooms, SIGHT_BYTES_MAX)
    rooms.ledger.look_done(call, look.spec.name, taken.outcome, taken.body, kept_max, *look.spec.never_store)
    return sight_of(taken, rooms.clock.now(), title)


def sight_of(taken: Taken, at: datetime, title: str) -> Sight:
    """
    Return what a read showed of an object; `title` is the API's, for whoever is told that it showed nothing.
    """
    outcome = taken.outcome
    if outcome.fault is Fault.TIMEOUT:
        return Sight(at, failed=f"{title} did not show it in time")
    if outcome.status not in {200, 404, 410} or outcome.fault is not None:
        return Sight(at, outcome.status, failed=f"{title} did not show it ({outcome.status or 'no answer'})")
    if taken.cut:
        return Sight(at, outcome.status, failed=f"it is larger than {SIGHT_BYTES_MAX} bytes")
    return Sight(at, outcome.status, taken.body)


def look_of(plan: Plan, call: Call, rooms: Rooms, total_s: float, manners: frozenset[str] | None = None) -> Look | None:
    """
    Return the pass of a read for the sake of a call, or None where a value could lead it elsewhere.

    Of the call's headers those in `manners` go along, the dialect's where nothing else is said.
    """
    account = rooms.accounts[call.api]
    (spec, *_) = account.catalog.named(plan.operation)
    request = request_for(plan, spec, call, account.dialect.forward_headers if manners is None else manners)
    if request is None:
        return None
    return Look(call, call.api, spec.base, spec, rooms.wires.read(request, account), total_s)


def request_for(plan: Plan, spec: OperationSpec, call: Call, manners: frozenset[str]) -> Request | None:
    """
    Return the request of a read for the sake of a call, or None where a value could lead it elsewhere.
    """
    key = dict(plan.key)
    segments: list[str] = []
    for text in spec.path.strip("/").split("/"):
        pieces = filled(text, key, spec)
        if any(not piece or len(piece) > VALUE_LENGTH_MAX or segment_fault(piece) for piece in pieces):
            return None
        segments += pieces
    rest = [(name, key[name]) for name in key if (Place.QUERY, name) in spec.arguments]
    # Vendors refuse requests that do not say who asks.
    sent = dict(call.request.headers)
    agent = ("user-agent", sent.get("user-agent", "breakwater"))
    headers = (agent, *(header for header in call.request.headers if header[0] in manners))
    query = (*plan.query, *rest)
    if len(encode_target(tuple(segments), query)) > TARGET_BYTES_MAX:
        return None
    return Request(spec.base, spec.method, tuple(segments), query, headers, redirecting=call.request.redirecting)


def filled(text: str, key: Key, spec: OperationSpec) -> list[str]:
    """
    Return the segments that one segment of a template becomes; an empty one where a value does not fit.
    """
    names = _PLACEHOLDER.findall(text)
    if not names:
        return [text]
    if [text] == [f"{{{name}}}" for name in names] and spec.arguments[Place.PATH, names[0]].multi_segment:
        return key[names[0]].split("/")
    # An upstream that decodes an encoded slash before it routes would be led elsewhere.
    if any("/" in key.get(name, "/") for name in names):
        return [""]
    return [_PLACEHOLDER.sub(lambda found: key[found[1]], text)]
