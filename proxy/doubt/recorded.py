"""
A write in doubt, put together from the record of its intent: the call, the bytes that left, what was there before.

At a start and in a running process alike: what looks for a lost write knows of it what the record says, and nothing
else. What the record does not hold any more, or what this configuration does not know, cannot be looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from breakers.call import Call, Operation, Request
from breakers.duplicates import DUPLICATE_ALLOWED, REPEATED
from breakers.facts import Image
from breakers.store.events import IntentOpened
from config.catalog import Effect, OperationSpec, Reversibility, Touch
from proxy.account import Account
from proxy.canonical.bodies import encode_body
from proxy.canonical.media import parse_media_type
from proxy.canonical.target import encode_target
from proxy.classify import type_arguments
from proxy.doubt.course import Terms
from proxy.errors import Refused
from proxy.images import parse_image, spell_image
from proxy.ledger.drafts import read_stamp
from proxy.ledger.reread import StoredIntent
from proxy.markers import marked
from proxy.wire import Wire

DAY_S = 86_400

_REPEATS = frozenset({DUPLICATE_ALLOWED, REPEATED})


@dataclass(frozen=True, slots=True)
class Doubt:
    """
    What is known of a write in doubt.

    `recorded_at` is when its intent became durable, just before it may have left. `wire` are the bytes that left, to
    the last one, or None where they cannot be told; `marked` tells whether they bore the intent's mark. `credential`
    names the version that they left under. `before` are the images of what it touches, by type, as far as they are on
    record; None in it is an object that was not there. `document` is all of them as they stand there. `alone` tells
    that no equal write is known to have come just before. `judged_by` is the version of the policy that let it pass.
    """

    opened: IntentOpened
    call: Call
    recorded_at: datetime
    wire: Wire | None = None
    marked: bool = False
    credential: str = ""
    before: Mapping[str, object] = field(default_factory=dict)
    document: bytes | None = None
    alone: bool = True
    judged_by: str = ""

    @property
    def spec(self) -> OperationSpec:
        """
        Return the operation that it is.
        """
        return self.call.operation.spec

    @property
    def grave(self) -> bool:
        """
        Tell whether a person decides even where it did not happen: it moves money, or nothing can undo it.
        """
        spec = self.spec
        final = spec.effect is Effect.IRREVERSIBLE or spec.reversibility is Reversibility.IRREVERSIBLE
        return spec.moves_money or spec.effect_window_s >= DAY_S or final

    def images(self) -> Mapping[Touch, Image]:
        """
        Return the images of what it touches, as they were taken before it.
        """
        return {
            touch: Image(None if (held := self.before[touch.object.type]) is None else spell_image(held))
            for touch in self.spec.touches
            if touch.object.type in self.before
        }


def doubt_of(stored: StoredIntent, account: Account) -> Doubt | None:
    """
    Return what is known of an intent, or None where its request is not on record any more, or is no operation here.
    """
    if stored.request is None:
        return None
    operation = _operation(stored.request, account)
    if operation is None:
        return None
    opened = stored.opened
    call = Call(
        id=opened.intent,
        at=opened.at,
        api=opened.api,
        caller=stored.caller,
        operation=operation,
        request=stored.request,
        idempotency_key=stored.key,
        door=stored.door,
        way=stored.way,
        names=opened.names,
    )
    return Doubt(
        opened,
        call,
        read_stamp(str(stored.entry["ts"])),
        _wire(stored, call, account),
        stored.marked,
        str(stored.entry.get("cred", "")),
        _before(stored.before),
        stored.before,
        not _REPEATS.intersection(_flags(stored.entry)),
        str(stored.entry.get("pol", {}).get("ver", "")),
    )


def terms_of(doubt: Doubt, account: Account, write_total_s: float) -> Terms:
    """
    Return what this write's absence takes.
    """
    find = doubt.spec.find
    if find is None:
        return Terms(write_total_s, account.dialect.lag_s, grave=doubt.grave)
    return Terms(write_total_s, find.lag_s, find.reads, find.apart_s, find.needs_later, doubt.grave)


def _operation(request: Request, account: Account) -> Operation | None:
    match = account.catalog.match(request.base, request.method, request.segments)
    if match is None:
        return None
    try:
        return type_arguments(match, request.query, request.body, account.dialect.style)
    except Refused:
        # Another version of the program took it.
        return None


def _wire(stored: StoredIntent, call: Call, account: Account) -> Wire | None:
    """
    Return the bytes that left; None unless they are those on record, and their credential is still the current one.

    Under another the vendor may look the key up in another account, and do there what was done.
    """
    marker, request, credential = call.operation.spec.marker, call.request, account.current()
    if stored.entry.get("cred") != credential.ref:
        return None
    if stored.marked:
        if marker is None:
            return None
        request = marked(request, marker, call.id)
    media_type = dict(stored.sent_headers).get("content-type", "")
    boundary = _boundary(media_type) if media_type.startswith("multipart/") else ""
    body, _ = encode_body(request.body, request.media_type, boundary)
    target = encode_target(request.segments, request.query)
    wire = Wire(request.method, target, stored.sent_headers, body, credential)
    wire = replace(wire, keyed=stored.keyed, marked=stored.marked)
    return wire if stored.left_as(wire) else None


def _flags(entry: Mapping[str, Any]) -> list[str]:
    flags: list[str] = entry.get("pol", {}).get("flags", [])
    return flags


def _boundary(media_type: str) -> str:
    try:
        return parse_media_type(media_type).boundary or ""
    except Refused:
        return ""


def _before(document: bytes | None) -> Mapping[str, object]:
    if document is None:
        return {}
    try:
        held = parse_image(document)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
