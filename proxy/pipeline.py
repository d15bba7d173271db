"""
The order of a call, written once: `handle`, which may be cancelled, and `carry_through`, which may not.

    identify > classify > kill > repeats > allowlist > duplicates > look > limits > breakers > caps > approval > reserve
    > intent > send > outcome > settle > respond

All branching is in `handle`; `carry_through` has none. Before the intent is durable nothing has left; after it the
write runs to its end in a task of its own, whoever hangs up. A decision that cannot be recorded is a refusal. A repeat
is answered from the first, by no road of its own: nothing of it is reserved, and nothing sent.
"""

from __future__ import annotations

import contextlib
from functools import partial

from breakers.call import Call, Caller, Outcome, Request
from breakers.idempotency import ended_by
from breakers.known import State
from breakers.policy import MARKED
from breakers.store.events import IntentOpened
from breakers.store.protocol import HeldRead, HeldWrite, StoreUnavailable
from breakers.touching import named
from breakers.verdict import Pending, Reason, Refuse, Repeat, Suggest
from proxy import classify
from proxy.account import Account
from proxy.answer import EARLY, INTENT, STATUS, Answer, Whole, refusal, written
from proxy.canonical.bodies import admit_body, parse_body, refuse_key
from proxy.changes import follow
from proxy.errand import Errand
from proxy.errors import LedgerUnavailable, OutcomeUnrecorded, Refused
from proxy.identify import identify
from proxy.inbound import Inbound
from proxy.inflight import over
from proxy.judgement import judged
from proxy.ledger.book import Declined
from proxy.metering import write_took
from proxy.noticing import hammered, watch
from proxy.parked import answer_parked
from proxy.peers import Peer
from proxy.renewing import joined
from proxy.repeat import answer_again
from proxy.rewrite import swap_body
from proxy.rooms import Rooms
from proxy.stream import stream_through, undelivered


async def handle(inbound: Inbound, rooms: Rooms) -> Answer:
    """
    Carry one request through the ten stages and return its answer.
    """
    account, inbound.policy = rooms.accounts[inbound.door.api], rooms.policy
    with inbound.trail.stage("identify"):
        shown = _identified(inbound, rooms)
        caller = shown if isinstance(shown, Refuse) else await _within(shown, inbound, rooms)
    if isinstance(shown, Refuse):
        inbound.trail.verdict = "edge"
        rooms.ledger.edge_refused(shown.reason)
        return refusal(shown, inbound.trail.call, account.dialect)
    if isinstance(caller, Refuse):
        return await _decline(inbound, shown, caller, None, rooms)
    inbound.trail.task = caller.task
    with inbound.trail.stage("classify"):
        call = await _recognised(inbound, caller, account, rooms)
    if isinstance(call, Refuse):
        return await _decline(inbound, caller, call, None, rooms)
    inbound.watch = watch(call, inbound.policy, account.dialect, rooms.looping, inbound.trail, rooms.clock)
    with contextlib.ExitStack() as turn:
        try:
            if call.names is None:
                # A read: it has no name, and waits for nobody.
                verdict = await _judged(call, turn, inbound, account, rooms)
            else:
                async with rooms.judging.turn(call.names, inbound.trail.left_s(call.deadline_ms)):
                    verdict = await _judged(call, turn, inbound, account, rooms)
        except StoreUnavailable as error:
            rooms.standing.hurry()
            verdict = Refuse(Reason.STORE_UNAVAILABLE, "store", f"{error}.")
        if isinstance(verdict, HeldWrite):
            return await _finish(verdict, inbound, account, rooms)
    match verdict:
        case HeldRead() as held:
            return await stream_through(held, inbound, account, rooms)
        case Repeat() as same:
            return await answer_again(same, call, inbound, account, rooms)
        case Pending() as parked:
            return await answer_parked(parked, call, inbound, account, rooms)
        case Refuse() as no:
            return await _decline(inbound, caller, no, call, rooms)


async def _judged(
    call: Call, turn: contextlib.ExitStack, inbound: Inbound, account: Account, rooms: Rooms
) -> HeldWrite | HeldRead | Repeat | Refuse | Pending:
    """
    Return what comes of a call in its turn; what is to be parked is a suggestion by then.
    """
    verdict = await judged(call, turn, inbound, rooms)
    if isinstance(verdict, Pending):
        verdict = await joined(verdict, partial(judged, call, turn, inbound, rooms), turn, rooms)
    if not isinstance(verdict, Suggest):
        return verdict
    rooms.drifting.saw(verdict)
    return await rooms.suggesting.park(verdict, account, rooms.settings.suggestions, inbound.trail.patience)


async def _finish(held: HeldWrite, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    """
    Let the write run in a task of its own, and wait for it as long as its caller does.
    """
    call = held.go.call
    task = rooms.inflight.start(carried(held, account, rooms, inbound))
    try:
        await over(task, inbound.trail.left_s(call.deadline_ms))
    finally:
        # Before anything else: a write that ends from now on ends unheard.
        inbound.left = not task.done()
        if inbound.left:
            # Its turn with what it touches lasts as long as it does; it is this call's until then.
            rooms.pending.keep(call.id, task)
    if inbound.left:
        return await _answer_early(call, account, rooms)
    try:
        answer = task.result()
        if not inbound.waits:
            if not inbound.unheard:
                undelivered(call, rooms)
            return answer
        return Whole(answer.status, answer.headers, answer.body, partial(undelivered, call, rooms), answer.url)
    except OutcomeUnrecorded:
        return _lost(call, account, "ledger", "Its end could not be recorded.")
    except LedgerUnavailable:
        unwritten = Refuse(Reason.LEDGER_UNAVAILABLE, "ledger", "It could not be recorded, so it was not sent.")
        return refusal(unwritten, call.id, account.dialect)
    except Exception:  # once its intent is on record it may have left, so nothing here may claim that it did not
        if inbound.opened is None:
            return refusal(
                Refuse(Reason.INTERNAL, "forward", "Breakwater failed on the way."), call.id, account.dialect
            )
        return _lost(call, account, "forward", "Breakwater failed while it was under way.")


def _lost(call: Call, account: Account, gate: str, detail: str) -> Whole:
    details = ((INTENT, call.id), ("state", str(State.UNKNOWN)))
    lost = Refuse(Reason.OUTCOME_UNKNOWN, gate, detail, details)
    return refusal(lost, call.id, account.dialect, dispatched="unknown")


async def _answer_early(call: Call, account: Account, rooms: Rooms) -> Answer:
    """
    Tell a caller who does not wait any longer that the write is under way, and have on record that it was told so.
    """
    # Under a key, a client that asks again joins what is under way; without one it must not be invited to.
    reason = Reason.OUTCOME_UNKNOWN if call.idempotency_key is None else Reason.IDEMPOTENCY_IN_FLIGHT
    detail = "It is still under way; if it was sent, its end will be on record."
    late = Refuse(reason, "forward", detail, ((INTENT, call.id),))
    answer = refusal(late, call.id, account.dialect, dispatched=EARLY)
    # Whatever cannot be recorded any more, the write may have been sent: this must not turn into a refusal.
    with contextlib.suppress(LedgerUnavailable):
        await rooms.ledger.answered_early(call, answer)
    return answer


async def carried(held: HeldWrite, account: Account, rooms: Rooms, inbound: Inbound | Errand) -> Whole:
    """
    Carry the write through; where that breaks off, say so and keep it in doubt, whether or not anyone still waits.
    """
    call = held.go.call.id
    try:
        answer = await carry_through(held, account, rooms, inbound)
    except Exception as error:
        if isinstance(error, LedgerUnavailable):
            rooms.log.event("unrecorded", call=call, why=str(error))
        else:
            rooms.log.failure(call, error)
        if inbound.opened is None:
            inbound.watch.withdraw()
        await _broken_off(held, inbound.opened, rooms)
        raise
    if inbound.left:
        # It may have left while the store was told that it waits.
        await rooms.settling.missed(call)
    elif not inbound.waits:
        # Before anyone who joined it is answered: what reaches them is on record later than what did not arrive here.
        inbound.unheard = True
        undelivered(held.go.call, rooms)
    return answer


async def _broken_off(held: HeldWrite, opened: IntentOpened | None, rooms: Rooms) -> None:
    """
    Give the claim back where no intent is on record; anything else that has not ended is in doubt.
    """
    if opened is None:
        await rooms.settling.let_go(held)
        return
    if await rooms.settling.is_completed(opened.intent):
        return
    # Even where nothing was sent: the next start finds an intent without an end, whoever was let through meanwhile.
    await rooms.settling.doubt(held)
    rooms.doubts.opened(opened)


async def carry_through(held: HeldWrite, account: Account, rooms: Rooms, inbound: Inbound | Errand) -> Whole:
    """
    Record, send, record, settle: the write's one way, without a branch.
    """
    call, stage = held.go.call, inbound.trail.stage
    wire = rooms.wires.write(call, account, mark=MARKED in held.go.flags)
    # Stop here: reserved, nothing sent, nothing on record. The claim's lease passes, and whoever asks again is judged.
    with stage("intent"):
        intent = await rooms.ledger.intend(held, wire)
    inbound.opened = intent.opened
    # Stop here: on record, and it may have been sent. The next start finds it open and keeps it in doubt.
    with stage("forward"):
        outcome = await rooms.forward.write(intent, inbound.trail.patience)
    answer = written(call.id, outcome, account.dialect, account.url(call.request.base, wire.target))
    took = write_took(held.go, outcome, inbound.policy)
    with stage("outcome"):
        entry = await rooms.ledger.conclude(intent, outcome, answer, took)
    # Stop here: known and on record, not settled. The next start replays the outcome and settles from it.
    ended = ended_by(outcome, rooms.clock.now(), entry.place, delivered=inbound.waits, spent=took)
    kept = rooms.answers.keep(call.id, ended, answer, call.operation.spec.never_store)
    with stage("settle"):
        await rooms.settling.settle(held, ended, kept)
    rooms.doubts.ended(intent.opened, ended)
    # Stop here, or before the change is on record: the next start says that nobody looked at what was changed.
    follow(intent, outcome, entry, rooms)
    inbound.trail.upstream_us = outcome.upstream_us
    _watched(inbound, call, outcome, rooms)
    return answer


def _watched(inbound: Inbound | Errand, call: Call, outcome: Outcome, rooms: Rooms) -> None:
    """
    Tell the loop guard, and whoever draws reviews, how a write ended; what fails there changes nothing of that.
    """
    try:
        inbound.watch.write(outcome)
        if inbound.opened is not None:
            rooms.reviewing.ended(inbound.opened, outcome.applied, inbound.policy)
    except Exception as error:  # whatever it is: the end is on record, and the answer is known
        rooms.log.failure(call.id, error)


async def _recognised(inbound: Inbound, caller: Caller, account: Account, rooms: Rooms) -> Call | Refuse:
    """
    Read what the call is: the operation from the head, then, for a known one only, the body and the arguments.
    """
    head, trail, timeouts = inbound.head, inbound.trail, rooms.settings.timeouts
    try:
        match = classify.classify(account.catalog, inbound.door.base, head.method, inbound.target)
        trail.operation, trail.effect = match.spec.name, str(match.spec.effect)
        admit_body(match.spec, head)
        bytes_max = match.spec.body_bytes_max or rooms.settings.limits.body_bytes_max
        media_type, body = None, None
        if head.announces_body:
            data = await inbound.body(bytes_max, timeouts.request_body_s)
            media_type, body = parse_body(match.spec, head, data)
            refuse_key(data, body)
            body = swap_body(body, inbound.links.into)
        operation = classify.type_arguments(match, inbound.target.query, body, account.dialect.style)
    except Refused as no:
        return Refuse(no.reason, "classify", no.detail)
    request = Request(
        inbound.door.base,
        head.method,
        inbound.target.segments,
        inbound.target.query,
        head.headers,
        media_type,
        body,
        head.dropped,
        head.redirecting,
    )
    call = Call(
        trail.call,
        rooms.clock.now(),
        inbound.door.api,
        caller,
        operation,
        request,
        head.idempotency_key,
        head.deadline_ms or round(timeouts.caller_deadline_s * 1000),
        head.trace,
        inbound.door.name,
        str(inbound.links.came.style),
        head.duplicate,
        head.again,
        None,
        head.wait_s if head.prefer else 0,
        head.responds,
    )
    return call.named(rooms.namer.names(call)) if operation.writes else call


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
        policy_version=inbound.policy.version,
        named=named(call.operation) if call else (),
        par=dict(no.details).get(INTENT),
    )
    await rooms.ledger.decline(declined)
    hammered(no, caller, inbound.policy, rooms.looping, rooms.clock)
    if call is not None:
        no = inbound.watch.refused(no)
    return refusal(no, inbound.trail.call, account.dialect)


def _identified(inbound: Inbound, rooms: Rooms) -> Caller | Refuse:
    try:
        peer, agents = Peer(inbound.request.connection.transport), inbound.policy.agents
        return identify(inbound.head, peer, rooms.keys, rooms.tokens, agents, rooms.clock.now())
    except Refused as no:
        return Refuse(no.reason, "identify", no.detail)


async def _within(caller: Caller, inbound: Inbound, rooms: Rooms) -> Caller | Refuse:
    inbound.trail.agent, inbound.trail.task = caller.agent, caller.task
    try:
        return await inbound.trail.patience.ask(rooms.store, rooms.envelopes.within, caller, inbound.head.task)
    except StoreUnavailable as error:
        rooms.standing.hurry()
        return Refuse(Reason.STORE_UNAVAILABLE, "store", f"{error}.")
