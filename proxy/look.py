"""
The reads that a judgement asks for before it can tell: what a write is about, and what it would change.

They are made with the account's own credential, after the allowlist, within two seconds in all, never cached, and
recorded with the call that needed them. All of one round are made at once, and two that are the same request are made
once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import chain

import orjson

from breakers.call import Call
from breakers.facts import Fetch, Fetched, Image, Looked
from breakers.touching import key_of
from config.catalog import OperationSpec, Subject, Touch
from config.dialect import point_at
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused
from proxy.fetching import fetch_all
from proxy.ledger.book import READ_BYTES_KEPT
from proxy.ledger.document import LeftOut
from proxy.rooms import Rooms
from proxy.sight import Plan, Sight, see

PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""Object ids of every vendor bundled here; anything else could lead a read that decides about money elsewhere."""

WAIT_SHARE = 0.5
"""Of the time for looking, what a write waits at most for those ahead of it: what is left is enough for any read."""


async def look(
    call: Call, reads: tuple[Subject | Touch | Fetch, ...], rooms: Rooms
) -> tuple[Mapping[Subject, Looked], Mapping[Touch, Image], Mapping[Fetch, Fetched]]:
    """
    Make the reads that a judgement asked for, and return what each said or that it failed.
    """
    fetches = tuple(read for read in reads if isinstance(read, Fetch))
    plans = {read: planned(call, read) for read in reads if not isinstance(read, Fetch)}
    if any(plan is None for read, plan in plans.items() if isinstance(read, Subject)):
        # It will be refused for that: nothing needs to be seen.
        plans = dict.fromkeys(plans)
    wanted = tuple(dict.fromkeys(plan for plan in plans.values() if plan is not None))
    ends = asyncio.get_running_loop().time() + rooms.settings.timeouts.look_s
    if wanted or fetches:
        # What a write ahead of this one is about to change would be told of this one.
        await rooms.pending.come(call.id, rooms.settings.timeouts.look_s * WAIT_SHARE)
    left_s = ends - asyncio.get_running_loop().time()
    # What only makes an image is kept with the image: its record holds the digest.
    deciding = {plan for read, plan in plans.items() if isinstance(read, Subject)}
    made, fetched = await asyncio.gather(
        asyncio.gather(
            *(
                see(plan, call, rooms, kept_max=READ_BYTES_KEPT if plan in deciding else 0, total_s=left_s)
                for plan in wanted
            )
        ),
        fetch_all(fetches, call, rooms, left_s),
    )
    seen = dict(zip(wanted, made, strict=True))
    account = rooms.accounts[call.api]
    looks: dict[Subject, Looked] = {}
    images: dict[Touch, Image] = {}
    for read, plan in plans.items():
        if isinstance(read, Subject):
            looks[read] = looked(read, seen.get(plan) if plan else None, account.title)
        elif plan is not None:
            images[read] = image_of(seen[plan], call.operation.spec, account.catalog.named(plan.operation)[0])
    return looks, images, fetched


def planned(call: Call, read: Subject | Touch) -> Plan | None:
    """
    Return the read that would answer a judgement, or None where what should name the object names nothing.
    """
    if isinstance(read, Touch):
        key = key_of(read, call.operation)
        return Plan.of(read.object.read, key, read.object.query) if key is not None else None
    value = call.operation.arguments.get((read.place, read.by))
    if not isinstance(value, str) or not PARAMETER.fullmatch(value):
        return None
    return Plan.of(read.operation, {read.parameter: value}, read.query)


def image_of(sight: Sight, write: OperationSpec, read: OperationSpec) -> Image:
    """
    Return what a read showed as an image: the object's text without what is never stored.
    """
    if sight.failed is not None or sight.absent:
        return Image(at=sight.at, missing=sight.failed)
    return stored_image(sight.body, sight.at, write, read)


def stored_image(shown: bytes, at: datetime, *specs: OperationSpec) -> Image:
    """
    Return what was shown of an object as an image, without what any of these operations never stores.
    """
    left_out = LeftOut(dict.fromkeys(chain.from_iterable(spec.never_store for spec in specs)))
    data = left_out.text(shown)
    try:
        # Even where something was left out: what was read for that may hold half a character, which no image holds.
        orjson.loads(data)
    except ValueError:
        return Image(at=at, missing="what was shown is not JSON")
    return Image(data, at, left_out=len(left_out.found))


def looked(subject: Subject, sight: Sight | None, title: str) -> Looked:
    """
    Return what a read said of what a write is about; `sight` is None where nothing could be read for that.
    """
    if sight is None:
        return Looked(failed="the argument that names the subject is not an object's id")
    if sight.failed is not None or sight.absent:
        return Looked(failed=f"{title} did not show the subject ({sight.status or 'no answer'})")
    try:
        answer = parse_json(sight.body)
    except Refused:
        return Looked(failed="the subject's answer is not JSON")
    currency = point_at(answer, subject.currency)
    terms = [(sign, point_at(answer, pointer)) for sign, pointer in subject.bound]
    if not isinstance(currency, str):
        return Looked(failed="the subject names no currency")
    for pointer, held in subject.where:
        if not any(_same(point_at(answer, pointer), one) for one in held):
            return Looked(failed=f"the subject is not what bounds it: {pointer} says otherwise")
    total = 0
    for sign, term in terms:
        if not isinstance(term, int) or isinstance(term, bool):
            return Looked(currency=currency)
        total += sign * term
    return Looked(currency=currency, bound_minor=total if terms else None)


def _same(shown: object, one: object) -> bool:
    return type(shown) is type(one) and shown == one
