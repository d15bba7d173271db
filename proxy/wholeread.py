"""
A read whose answer is JSON: it is read whole, recorded, and only then answered, so that its links can be put right.

Until then nothing was shown, so whatever breaks on the way becomes an answer of ours instead of a stream that breaks
off. A part of a JSON text (206) is not passed on: its links cannot be put right, because it does not parse, and passing
it on as it is would let a client that asks for `bytes=0-` get every link of the vendor's. The APIs that this is for
answer JSON whole, whatever `Range` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from breakers.call import Fault
from breakers.verdict import Reason, Refuse
from proxy.account import Account
from proxy.answer import Whole, nobody_minds, read_failed, read_headers, refusal
from proxy.ledger.book import READ_BYTES_KEPT, Delivered
from proxy.ledger.parts import kept
from proxy.links import Links
from proxy.ownread import OwnRead
from proxy.reading import Reading
from proxy.respond import BODILESS
from proxy.rooms import Rooms

PARTIAL = 206


def is_read_whole(method: str, reading: Reading, links: Links) -> bool:
    """
    Tell whether an answer has a body in which URLs are put right.
    """
    return method != "HEAD" and reading.outcome.status not in BODILESS and links.covers(reading.outcome.headers)


async def read_whole(
    read: OwnRead,
    reading: Reading,
    url: str,
    account: Account,
    rooms: Rooms,
    on_broken: Callable[[], None] = nobody_minds,
) -> Whole:
    """
    Read an answer to its end, have on record what the agent will be shown, and return that.
    """
    call, dialect = read.call.id, account.dialect
    try:
        bytes_max = rooms.settings.limits.rewrite_max_bytes
        body = b"" if reading.outcome.status == PARTIAL else await reading.rest(bytes_max)
        await reading.close()
    except asyncio.CancelledError:
        await reading.close()
        # A read that a stop cuts is on record as cut.
        await read.ended(reading.outcome, Delivered(reading.outcome.status or 0, b"", 0, complete=False))
        raise
    outcome = reading.outcome
    if body is None:
        body, outcome = b"", replace(outcome, fault=Fault.TOO_LARGE)
    if outcome.fault is None and outcome.status != PARTIAL:
        answer = Whole(outcome.status or 0, read_headers(call, outcome.headers), body, on_broken, url)
        seen = Delivered(answer.status, kept(body, READ_BYTES_KEPT), len(body), complete=True)
    else:
        answer = _partial(call, account) if outcome.fault is None else read_failed(call, outcome, dialect)
        answer = replace(answer, on_broken=on_broken)
        seen = Delivered(answer.status, answer.body, len(answer.body), complete=True)
    await read.ended(outcome, seen, body if outcome.fault is None else None)
    return answer


def _partial(call: str, account: Account) -> Whole:
    detail = f"{account.title} answered a part of a JSON text, in which links cannot be put right; leave `Range` out."
    return refusal(Refuse(Reason.UPSTREAM_MALFORMED, "forward", detail), call, account.dialect, dispatched="yes")
