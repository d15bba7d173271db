"""
The reads that a judgement asks for before it can tell.

A subject read is made with the account's own credential, after the allowlist, within two seconds, never cached, and
recorded with the call that needed it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from breakers.call import Call, Request
from breakers.facts import Looked
from config.catalog import Subject
from config.dialect import point_at
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused
from proxy.passes import Look
from proxy.rooms import Rooms

SUBJECT_BYTES_MAX = 256 * 1024
"""A payment object with everything expanded is far below; more is not a subject."""

PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""Object ids of every vendor bundled here; anything else could lead the read elsewhere."""


async def look(call: Call, reads: tuple[Subject, ...], rooms: Rooms) -> Mapping[Subject, Looked]:
    """
    Make the reads that a judgement asked for, and return what each said or that it failed.
    """
    answers = await asyncio.gather(*(_look_at(call, subject, rooms) for subject in reads))
    return dict(zip(reads, answers, strict=True))


async def _look_at(call: Call, subject: Subject, rooms: Rooms) -> Looked:
    account = rooms.accounts[call.api]
    value = call.operation.arguments.get((subject.place, subject.by))
    if not isinstance(value, str) or not PARAMETER.fullmatch(value):
        return Looked(failed="the argument that names the subject is not an object's id")
    (spec, *_) = account.catalog.named(subject.operation)
    segments = tuple(value if s == f"{{{subject.parameter}}}" else s for s in spec.path.strip("/").split("/"))
    manners = account.dialect.forward_headers
    headers = tuple(header for header in call.request.headers if header[0] in manners)
    request = Request(spec.base, spec.method, segments, subject.query, headers, redirecting=call.request.redirecting)
    wire = rooms.wires.read(request)
    pass_ = Look(call, call.api, spec.base, spec, wire, rooms.settings.timeouts.look_s)
    reading = await rooms.forward.read(pass_)
    body = b""
    async for piece in reading.chunks:
        if len(body) <= SUBJECT_BYTES_MAX:
            body += piece
    rooms.ledger.look_done(call, pass_.spec.name, reading.outcome, body)
    if reading.outcome.status != 200 or reading.outcome.fault is not None or len(body) > SUBJECT_BYTES_MAX:
        return Looked(failed=f"{account.title} did not show the subject ({reading.outcome.status or 'no answer'})")
    return _read_subject(subject, body)


def _read_subject(subject: Subject, body: bytes) -> Looked:
    try:
        answer = parse_json(body)
    except Refused:
        return Looked(failed="the subject's answer is not JSON")
    currency = point_at(answer, subject.currency)
    terms = [(sign, point_at(answer, pointer)) for sign, pointer in subject.bound]
    if not isinstance(currency, str):
        return Looked(failed="the subject names no currency")
    total = 0
    for sign, term in terms:
        if not isinstance(term, int) or isinstance(term, bool):
            return Looked(currency=currency)
        total += sign * term
    return Looked(currency=currency, bound_minor=total if terms else None)
