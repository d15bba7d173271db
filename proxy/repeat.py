"""
A write that repeats an earlier one is answered from that, and nothing is sent.

What has ended is given again as it was shown, marked as a replay. What is under way is waited for, as long as its
caller waits and no longer than a client does before it gives up. What nobody knows the end of is said to be so. No
answer here says that nothing was sent, unless that is what the first was told.
"""

from __future__ import annotations

import contextlib
from functools import partial

from breakers.call import Call
from breakers.known import Earlier, State
from breakers.store.protocol import StoreUnavailable
from breakers.verdict import Again, Reason, Refuse, Repeat
from proxy.account import Account
from proxy.answer import EARLY, GIVEN_AGAIN, INTENT, REPLAYED, Whole, marks, refusal
from proxy.answers import Kept
from proxy.canonical.target import encode_target
from proxy.errors import LedgerUnavailable
from proxy.inbound import Inbound
from proxy.rooms import Rooms

JOIN_S = 10.0
"""Most clients wait longer for an answer; one that hears of it then may ask again."""

GATE = "repeats"

MARK = (GIVEN_AGAIN, "true")


async def answer_again(same: Repeat, call: Call, inbound: Inbound, account: Account, rooms: Rooms) -> Whole:
    """
    Answer a repeat, and have on record that it was.
    """
    trail, earlier = inbound.trail, same.earlier
    trail.verdict, trail.how, trail.intent = "repeat", str(same.again), earlier.intent
    # The first may have been sent: whatever fails from here on must not be answered as if nothing had been.
    trail.dispatched = "unknown"
    if same.again is Again.JOIN:
        with trail.stage("join"):
            earlier = await _joined(earlier, min(JOIN_S, trail.left_s(call.deadline_ms)), rooms)
    answer = await _said(earlier, call, account, rooms)
    rooms.ledger.repeated(call, earlier, trail.how, answer.status)
    inbound.watch.repeated(earlier)
    return answer


async def _joined(earlier: Earlier, within_s: float, rooms: Rooms) -> Earlier:
    """
    Return the first once it has ended, or as it is after this time.
    """
    with contextlib.suppress(StoreUnavailable):
        # What is not known any more has given its claim up; whoever asks again is judged again.
        return await rooms.store.wait(earlier.intent, within_s) or earlier
    return earlier


async def _said(earlier: Earlier, call: Call, account: Account, rooms: Rooms) -> Whole:
    match earlier.state:
        case State.CLAIMED | State.DISPATCHED:
            details = ((INTENT, earlier.intent),)
            busy = Refuse(Reason.IDEMPOTENCY_IN_FLIGHT, GATE, "The first of it has not ended yet.", details)
            return refusal(busy, call.id, account.dialect, dispatched=EARLY)
        case State.UNKNOWN | State.PARKED:
            return _in_doubt(earlier, call, account)
        case State.COMPLETED:
            kept = await rooms.answers.of(earlier)
            return _not_kept(earlier, call, account) if kept is None else _replay(kept, earlier, call, account, rooms)


def _in_doubt(earlier: Earlier, call: Call, account: Account) -> Whole:
    whose = "A person decides about it" if earlier.state is State.PARKED else "Its end is being looked for"
    detail = f"It repeats the call {earlier.intent}. {whose}."
    details = ((INTENT, earlier.intent), ("state", str(earlier.state)))
    return refusal(
        Refuse(Reason.OUTCOME_UNKNOWN, GATE, detail, details), call.id, account.dialect, dispatched="unknown"
    )


def _not_kept(earlier: Earlier, call: Call, account: Account) -> Whole:
    details = ((INTENT, earlier.intent), ("status", str(earlier.status or "none")))
    if earlier.applied is False and earlier.status is None:
        gone = Refuse(Reason.UNSETTLED_STATE, GATE, "The call that it repeats was not sent.", details)
        return refusal(gone, call.id, account.dialect)
    detail = f"It repeats the call {earlier.intent}, which was answered {earlier.status or 'before'}."
    return refusal(Refuse(Reason.ANSWER_NOT_KEPT, GATE, detail, details), call.id, account.dialect, dispatched="yes")


def _replay(kept: Kept, earlier: Earlier, call: Call, account: Account, rooms: Rooms) -> Whole:
    said = marks(call.id, "replayed", kept.dispatched, f"{GATE}:{REPLAYED}")
    target = encode_target(call.request.segments, call.request.query)
    return Whole(
        kept.status,
        (*kept.headers, *said, (f"breakwater-{INTENT}", earlier.intent), MARK),
        kept.body,
        on_broken=partial(_broken, call, rooms),
        url=account.url(call.request.base, target),
        on_reached=partial(_reached, earlier, call, rooms),
    )


def _broken(call: Call, rooms: Rooms) -> None:
    # Whatever cannot be recorded any more, the first was sent: this must not turn into a refusal.
    with contextlib.suppress(LedgerUnavailable):
        rooms.ledger.delivery_aborted(call, 0)


def _reached(earlier: Earlier, call: Call, rooms: Rooms) -> None:
    """
    Note that an answer that its first caller never had has reached somebody now.
    """
    if earlier.delivered:
        return
    rooms.settling.noted(earlier.intent, reached=True)
    with contextlib.suppress(LedgerUnavailable):
        rooms.ledger.delivered(call, earlier.intent)
