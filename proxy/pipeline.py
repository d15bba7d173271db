"""
The order of a call, written once: `handle`, which may be cancelled, and `carry_through`, which may not.

    identify > classify > kill > allowlist > look > limits > reserve > intent > send > outcome > settle > respond

All branching is in `handle`; `carry_through` has none. Before the intent is durable nothing has left; after it the
write runs to its end in a task of its own, whoever hangs up. A decision that cannot be recorded is a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from breakers.call import Call, Caller, Request
from breakers.decide import decide
from breakers.store.protocol import HeldRead, HeldWrite, Stale
from breakers.touching import named, touched
from breakers.verdict import Ask, Forward, Reason, Refuse
from proxy import classify
from proxy.account import Account
from proxy.answer import EARLY, STATUS, Answer, Streamed, Whole, read_failed, read_headers, refusal, written
from proxy.canonical.bodies import admit_body, parse_body, refuse_key
from proxy.changes import follow
from proxy.errors import LedgerUnavailable, OutcomeUnrecorded, Refused
from proxy.forward import Reading
from proxy.identify import identify
from proxy.inbound import Inbound
from proxy.ledger.book import READ_BYTES_KEPT, Capture, Declined, Delivered
from proxy.look import look
from proxy.passes import own_read
from proxy.rewrite import swap_body
from proxy.rooms import Rooms
from proxy.trail import Trail
from proxy.wholeread import is_read_whole, read_whole

REDECISIONS_MAX = 4
"""A look, a generation that moved, another look, another move: more than that is a state that does not settle."""


async def handle(inbound: Inbound, rooms: Rooms) -> Answer:
    """
    Carry one request through the ten stages and return its answer.
    """
    account = rooms.accounts[inbound.door.api]
    with inbound.trail.stage("identify"):
        caller = _identified(inbound, rooms)
    if isinstance(caller, Refuse):
        inbound.trail.verdict = "edge"
        rooms.ledger.edge_refused(caller.reason)
        return refusal(caller, inbound.trail.call, account.dialect)
    inbound.trail.agent, inbound.trail.task = caller.agent, caller.task
    with inbound.trail.stage("classify"):
        call = await _recognised(inbound, caller, account, rooms)
    if isinstance(call, Refuse):
        return await _decline(inbound, caller, call, None, rooms)
    # A write's turn with what it touches begins here, and ends once what it changed was seen.
    with rooms.pending.turn(call.id, touched(call) if call.operation.writes else ()):
        return await _judged(call, inbound, account, rooms)


async def _judged(call: Call, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    trail = inbound.trail
    facts = await rooms.store.facts(call)
    for _ in range(REDECISIONS_MAX):
        with trail.stage("decide"):
            verdict = decide(call, rooms.policy, facts)
        match verdict:
            case Ask(reads):
                with trail.stage("look"):
                    facts = facts.with_looks(*await look(call, reads, rooms))
            case Refuse() as no:
                return await _decline(inbound, call.caller, no, call, rooms)
            case Forward() if rooms.stopping and call.operation.writes:
                # What was being judged when the stop began would join what the stop is waiting for.
                late = Refuse(Reason.STOPPING, "reserve", "It is shutting down.")
                return await _decline(inbound, call.caller, late, call, rooms)
            case Forward() as go:
                trail.verdict = "forward"
                with trail.stage("reserve"):
                    held = await rooms.store.reserve(go)
                match held:
                    case HeldWrite():
                        return await _finish(held, inbound, account, rooms)
                    case HeldRead():
                        return await stream_through(held, inbound, account, rooms)
                    case Stale():
                        facts = (await rooms.store.facts(call)).with_looks(facts.looks, facts.images)
    moved = Refuse(Reason.UNSETTLED_STATE, "reserve", "The state that judges it kept moving.")
    return await _decline(inbound, call.caller, moved, call, rooms)


async def _finish(held: HeldWrite, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    """
    Let the write run in a task of its own, and wait for it as long as its caller does.
    """
    call, trail = held.go.call, inbound.trail
    task = rooms.inflight.start(_carried(held, account, rooms, inbound))
    rooms.pending.keep(call.id, task)
    patience_s = max(0.0, call.deadline_ms / 1000 - trail.total_us() / 1_000_000)
    await asyncio.wait({task}, timeout=patience_s)
    if not task.done():
        return await _answer_early(call, account, rooms)
    try:
        answer = task.result()
        if _hung_up(inbound):
            _undelivered(call, rooms)
            return answer
        return replace(answer, on_broken=partial(_undelivered, call, rooms))
    except OutcomeUnrecorded:
        lost = Refuse(Reason.OUTCOME_UNKNOWN, "ledger", "Its end could not be recorded. Do not re-issue it.")
        return refusal(lost, call.id, account.dialect, dispatched="unknown")
    except LedgerUnavailable:
        unwritten = Refuse(Reason.LEDGER_UNAVAILABLE, "ledger", "It could not be recorded, so it was not sent.")
        return refusal(unwritten, call.id, account.dialect)
    except Exception:  # the write may have left, so nothing here may claim that it did not
        lost = Refuse(Reason.OUTCOME_UNKNOWN, "forward", "Breakwater failed while it was under way.")
        return refusal(lost, call.id, account.dialect, dispatched="unknown")


async def _answer_early(call: Call, account: Account, rooms: Rooms) -> Answer:
    """
    Tell a caller who does not wait any longer that the write is under way, and have on record that it was told so.
    """
    late = Refuse(
        Reason.OUTCOME_UNKNOWN, "forward", "It is still under way; if it was sent, its end will be on record."
    )
    answer = refusal(late, call.id, account.dialect, dispatched=EARLY)
    # Whatever cannot be recorded any more, the write may have been sent: this must not turn into a refusal.
    with contextlib.suppress(LedgerUnavailable):
        await rooms.ledger.answered_early(call, answer)
    return answer


def _hung_up(inbound: Inbound) -> bool:
    transport = inbound.request.transport
    return transport is None or transport.is_closing()


def _undelivered(call: Call, rooms: Rooms) -> None:
    """
    Record that the answer which the write's outcome shows does not reach its caller.
    """
    # Whatever cannot be recorded any more, the write was sent: this must not turn into a refusal.
    with contextlib.suppress(LedgerUnavailable):
        rooms.ledger.delivery_aborted(call, 0)


async def _carried(held: HeldWrite, account: Account, rooms: Rooms, inbound: Inbound) -> Whole:
    """
    Carry the write through; where that breaks off, say so and keep it in doubt, whether or not anyone still waits.
    """
    call = held.go.call.id
    try:
        return await carry_through(held, account, rooms, inbound)
    except Exception as error:
        if isinstance(error, LedgerUnavailable):
            rooms.log.event("unrecorded", call=call, why=str(error))
        else:
            rooms.log.failure(call, error)
        for marked in rooms.store.open_intents():
            if marked.opened.intent == call:
                await rooms.store.suspend(marked.opened)
        raise


async def carry_through(held: HeldWrite, account: Account, rooms: Rooms, inbound: Inbound) -> Whole:
    """
    Record, send, record, settle: the write's one way, without a branch.
    """
    call, stage = held.go.call, inbound.trail.stage
    wire = rooms.wires.write(call, account)
    # Stop here: reserved, nothing sent, nothing on record. The reservation lives in memory and goes with the process.
    with stage("intent"):
        intent = await rooms.ledger.intend(held, wire)
    # Stop here: on record, and it may have been sent. The next start finds it open and keeps it in doubt.
    with stage("forward"):
        outcome = await rooms.forward.write(intent)
    answer = written(call.id, outcome, account.dialect, account.url(call.request.base, wire.target))
    with stage("outcome"):
        entry = await rooms.ledger.conclude(intent, outcome, answer)
    # Stop here: known and on record, not settled. The next start replays the outcome and settles from it.
    with stage("settle"):
        await rooms.store.settle(held, outcome)
    # Stop here, or before the change is on record: the next start says that nobody looked at what was changed.
    follow(intent, outcome, entry, rooms)
    inbound.trail.upstream_us = outcome.upstream_us
    return answer


async def stream_through(held: HeldRead, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    """
    Send a read and pass its answer on as it comes; cancelling it anywhere is harmless.
    """
    call, trail = held.go.call, inbound.trail
    rooms.ledger.admit_read()
    # Whatever fails from here on must not be answered as if nothing had been sent.
    trail.dispatched = "unknown"
    pass_ = own_read(held, rooms.wires.read(call.request, account))
    with trail.stage("forward"):
        reading = await rooms.forward.read(pass_)
    trail.upstream_us = reading.outcome.upstream_us
    failed = reading.outcome.status is None or reading.outcome.fault is not None
    if failed or reading.outcome.status == 401:  # the field's own number
        return await _read_ended(held, reading, account, rooms)
    url = account.url(call.request.base, pass_.wire.target)
    if is_read_whole(call.request.method, reading, inbound.links):
        with trail.stage("forward"):
            answer = await read_whole(held, reading, url, account, rooms)
        trail.upstream_us = reading.outcome.upstream_us
        return replace(answer, on_broken=partial(_undelivered, call, rooms))
    return replace(_streamed(held, reading, inbound.trail, rooms), url=url)


async def _read_ended(held: HeldRead, reading: Reading, account: Account, rooms: Rooms) -> Whole:
    await reading.close()
    answer = read_failed(held.go.call.id, reading.outcome, account.dialect)
    seen = Delivered(answer.status, answer.body, len(answer.body), complete=True)
    await rooms.ledger.read_done(held, reading.outcome, seen)
    await rooms.store.settle(held, reading.outcome)
    return answer


def _streamed(held: HeldRead, reading: Reading, trail: Trail, rooms: Rooms) -> Streamed:
    call, kept = held.go.call, Capture(READ_BYTES_KEPT)

    async def chunks() -> AsyncIterator[bytes]:
        async for piece in reading.chunks:
            kept.feed(piece)
            yield piece

    async def conclude(delivered: int, complete: bool) -> None:  # noqa: FBT001 a callback's own shape
        await reading.close()
        trail.upstream_us = reading.outcome.upstream_us
        seen = Delivered(reading.outcome.status or 0, kept.payload(), delivered, complete)
        await rooms.ledger.read_done(held, reading.outcome, seen)
        await rooms.store.settle(held, reading.outcome)

    headers = read_headers(call.id, reading.outcome.headers)
    return Streamed(
        status=reading.outcome.status or 0,
        headers=headers,
        chunks=chunks(),
        whole=lambda: reading.whole,
        stall_s=rooms.settings.timeouts.idle_s,
        conclude=conclude,
    )


async def _recognised(inbound: Inbound, caller: Caller, account: Account, rooms: Rooms) -> Call | Refuse:
    """
    Read what the call is: the operation from the head, then, for a known one only, the body and the arguments.
    """
    head, trail, timeouts = inbound.head, inbound.trail, rooms.settings.timeouts
    try:
        if head.task is not None:
            raise Refused(Reason.TASK_UNSUPPORTED, "It names a task.")
        match = classify.classify(account.catalog, inbound.door.base, head.method, inbound.target)
        trail.operation, trail.effect = match.spec.name, str(match.spec.effect)
        admit_body(match.spec, head)
        bytes_max = match.spec.body_bytes_max or rooms.settings.limits.body_bytes_max
        data = await inbound.body(bytes_max, timeouts.request_body_s)
        media_type, body = parse_body(match.spec, head, data)
        refuse_key(data, body)
        body = swap_body(body, inbound.links.into)
        operation = classify.type_arguments(match, inbound.target.query, body, account.dialect.style)
    except Refused as no:
        return Refuse(no.reason, "classify", no.detail)
    request = Request(
        base=inbound.door.base,
        method=head.method,
        segments=inbound.target.segments,
        query=inbound.target.query,
        headers=head.headers,
        media_type=media_type,
        body=body,
        dropped=head.dropped,
        redirecting=head.redirecting,
    )
    deadline_ms = head.deadline_ms or round(timeouts.caller_deadline_s * 1000)
    return Call(
        id=trail.call,
        at=rooms.clock.now(),
        api=inbound.door.api,
        caller=caller,
        operation=operation,
        request=request,
        idempotency_key=head.idempotency_key,
        deadline_ms=deadline_ms,
        trace=head.trace,
        door=inbound.door.name,
        way=str(inbound.links.came.style),
    )


async def _decline(inbound: Inbound, caller: Caller, no: Refuse, call: Call | None, rooms: Rooms) -> Answer:
    """
    Record a refusal, then say it: one that cannot be recorded is still a refusal, with the ledger as its reason.
    """
    account = rooms.accounts[inbound.door.api]
    inbound.trail.verdict = "refuse"
    declined = Declined(
        call=inbound.trail.call,
        at=rooms.clock.now(),
        api=inbound.door.api,
        caller=caller,
        method=inbound.head.method,
        operation=call.operation.spec if call else None,
        request=call.request if call else None,
        refuse=no,
        status=STATUS[no.reason],
        policy_version=rooms.policy.version,
        named=named(call.operation) if call else (),
    )
    await rooms.ledger.decline(declined)
    return refusal(no, inbound.trail.call, account.dialect)


def _identified(inbound: Inbound, rooms: Rooms) -> Caller | Refuse:
    try:
        return identify(inbound.head, rooms.keys, rooms.agents, rooms.clock.now())
    except Refused as no:
        return Refuse(no.reason, "identify", no.detail)
