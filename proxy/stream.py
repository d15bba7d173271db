"""
A read is sent, and its answer passed on as it comes; cancelling that anywhere is harmless.

Once it has ended, its record says how, and how much of it arrived. Nothing of it is on record before, unless it is
charged to a cap.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from breakers.call import Call
from breakers.store.protocol import HeldRead
from proxy.account import Account
from proxy.answer import Answer, Streamed, Whole, read_failed, read_headers
from proxy.errors import LedgerUnavailable
from proxy.inbound import Inbound
from proxy.ledger.book import READ_BYTES_KEPT, Capture, Delivered
from proxy.ownread import OwnRead
from proxy.passes import own_read
from proxy.reading import Reading
from proxy.rooms import Rooms
from proxy.trail import Trail
from proxy.wholeread import is_read_whole, read_whole


async def stream_through(held: HeldRead, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    """
    Send a read and pass its answer on as it comes; cancelling it anywhere is harmless.
    """
    read, answer = OwnRead(held, inbound.policy, inbound.watch, rooms), None
    try:
        await _begun(read, inbound, rooms)
        answer = await _sent(read, held, inbound, account, rooms)
    finally:
        if not isinstance(answer, Streamed):
            read.leave()
    return answer


async def _begun(read: OwnRead, inbound: Inbound, rooms: Rooms) -> None:
    try:
        rooms.ledger.admit_read()
        await read.begin()
    except BaseException:
        # Whatever it was, it is not sent: it was no call.
        inbound.watch.withdraw()
        raise


async def _sent(read: OwnRead, held: HeldRead, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    call, trail = held.go.call, inbound.trail
    # Whatever fails from here on must not be answered as if nothing had been sent.
    trail.dispatched = "unknown"
    pass_ = own_read(held, rooms.wires.read(call.request, account), read.sent)
    with trail.stage("forward"):
        reading = await rooms.forward.read(pass_)
        trail.upstream_us = reading.outcome.upstream_us
        failed = reading.outcome.status is None or reading.outcome.fault is not None
        if failed or reading.outcome.status == 401:  # the field's own number
            return await _read_ended(read, reading, account)
        url = account.url(call.request.base, pass_.wire.target)
        if is_read_whole(call.request.method, reading, inbound.links):
            answer = await read_whole(read, reading, url, account, rooms, partial(undelivered, call, rooms))
            trail.upstream_us = reading.outcome.upstream_us
            return answer
    inbound.watch.head(reading.outcome)
    return replace(_streamed(read, reading, inbound.trail, rooms), url=url)


async def _read_ended(read: OwnRead, reading: Reading, account: Account) -> Whole:
    await reading.close()
    answer = read_failed(read.call.id, reading.outcome, account.dialect)
    await read.ended(reading.outcome, Delivered(answer.status, answer.body, len(answer.body), complete=True))
    return answer


def _streamed(read: OwnRead, reading: Reading, trail: Trail, rooms: Rooms) -> Streamed:
    kept = Capture(READ_BYTES_KEPT)

    async def chunks() -> AsyncIterator[bytes]:
        async for piece in reading.chunks:
            kept.feed(piece)
            yield piece

    async def conclude(delivered: int, complete: bool) -> None:  # noqa: FBT001 a callback's own shape
        try:
            await reading.close()
            trail.upstream_us = reading.outcome.upstream_us
            seen = Delivered(reading.outcome.status or 0, kept.payload(), delivered, complete)
            await read.ended(reading.outcome, seen)
        finally:
            read.leave()

    headers = read_headers(read.call.id, reading.outcome.headers)
    return Streamed(
        status=reading.outcome.status or 0,
        headers=headers,
        chunks=chunks(),
        whole=lambda: reading.whole,
        stall_s=rooms.settings.timeouts.idle_s,
        conclude=conclude,
    )


def undelivered(call: Call, rooms: Rooms) -> None:
    """
    Have it noted that the answer that is on record does not reach its caller.
    """
    if call.operation.writes:
        rooms.settling.noted(call.id, reached=False)
    # Whatever cannot be recorded any more was sent: this must not turn into a refusal.
    with contextlib.suppress(LedgerUnavailable):
        rooms.ledger.delivery_aborted(call, 0)
