"""
A write that is parked is answered from its suggestion: nothing was sent, and repeating it asks how it stands.

Whoever asked to wait for a decision is given what comes of it within a few seconds: the answer of the write, once that
was carried out, or that somebody decided against it. Otherwise it is told what any repeat of it is told.
"""

from __future__ import annotations

import orjson

from breakers.approval import GATE
from breakers.call import Call
from breakers.idempotency import moment
from breakers.known import IN_DOUBT, IN_FLIGHT
from breakers.suggestion import LIVE, Stage, Suggested
from breakers.touching import named
from breakers.verdict import SENTENCES, Again, Pending, Reason, Refuse, Repeat
from proxy.account import Account
from proxy.answer import STATUS, SUGGESTED, SUGGESTION, Answer, Whole, happened, marks, refusal
from proxy.inbound import Inbound
from proxy.ledger.book import Declined
from proxy.repeat import answer_again
from proxy.rooms import Rooms

WAIT_MAX_S = 4
"""Vendors' clients give up after five seconds, and send the same once more."""

ACCEPTED = 202
"""Said only to whoever asked for it: SDKs and models read it as done."""

_STANDS = {
    Stage.OPEN: "Nobody has decided about it yet.",
    Stage.APPROVED: "It was approved and is about to be sent.",
    Stage.EXECUTING: "It was approved and is being sent.",
}


async def answer_parked(pending: Pending, call: Call, inbound: Inbound, account: Account, rooms: Rooms) -> Answer:
    """
    Answer a write from the suggestion that it is, and have on record that it joined one.
    """
    one, trail = pending.suggested, inbound.trail
    trail.verdict, trail.intent = "suggest", one.id
    if one.id != call.id:
        await _joined(one, call, inbound, rooms)
    if call.wait_s and one.stage in LIVE:
        with trail.stage("join"):
            left_s = trail.left_s(call.deadline_ms)
            one = await rooms.suggesting.settled(one, min(call.wait_s, WAIT_MAX_S, left_s))
    if one.intent and (same := await _made(one, rooms)) is not None:
        return await answer_again(same, call, inbound, account, rooms)
    said = told(one)
    if call.responds and one.stage in LIVE:
        return accepted(one, said, call, account)
    return refusal(said, call.id, account.dialect)


def told(one: Suggested) -> Refuse:
    """
    Return what whoever sends the write is told of its suggestion.
    """
    details = ((SUGGESTION, one.id), ("state", str(one.stage)), ("expires", moment(one.expires)))
    if one.stage is Stage.REJECTED:
        return Refuse(Reason.NOT_APPROVED, GATE, f"Somebody decided against suggestion {one.id}.", details)
    if one.stage in {Stage.EXPIRED, Stage.VOID, Stage.EXECUTED}:
        detail = f"Suggestion {one.id} has ended ({one.stage}) and is asked for no more; send it again to ask anew."
        return Refuse(Reason.UNSETTLED_STATE, GATE, detail, details)
    reason = Reason.APPROVAL_PENDING if one.waits else Reason.SUGGEST_ONLY
    detail = f"It is kept as suggestion {one.id} until {moment(one.expires)}. {_STANDS[one.stage]}"
    return Refuse(reason, GATE, detail, details)


def accepted(one: Suggested, said: Refuse, call: Call, account: Account) -> Whole:
    """
    Return the answer of a parked write for whoever takes 202 for it.
    """
    sentences = (happened("no", account.title), said.detail, SENTENCES[said.reason])
    body = {
        "suggestion": one.id,
        "state": str(one.stage),
        "reason": str(said.reason),
        "message": " ".join(sentences),
        "expires": moment(one.expires),
        "call": call.id,
        "dispatched": "no",
    }
    own = (("content-type", "application/json"), ("preference-applied", "respond-async"))
    ours = marks(call.id, SUGGESTED, "no", f"{GATE}:{said.reason}")
    return Whole(ACCEPTED, (*own, *ours, (f"breakwater-{SUGGESTION}", one.id)), orjson.dumps(body))


async def _joined(one: Suggested, call: Call, inbound: Inbound, rooms: Rooms) -> None:
    no = told(one)
    declined = Declined(
        call=call.id,
        at=call.at,
        api=call.api,
        caller=call.caller,
        method=call.request.method,
        operation=call.operation.spec,
        request=call.request,
        refuse=no,
        status=ACCEPTED if call.responds else STATUS[no.reason],
        policy_version=inbound.policy.version,
        named=named(call.operation),
        par=one.id,
    )
    await rooms.ledger.decline(declined)


async def _made(one: Suggested, rooms: Rooms) -> Repeat | None:
    """
    Return the write that a suggestion was carried out as, as a repeat of it finds it.
    """
    earlier = await rooms.store.earlier(one.intent)
    if earlier is None:
        return None
    if earlier.state in IN_FLIGHT:
        return Repeat(Again.JOIN, earlier)
    return Repeat(Again.UNKNOWN if earlier.state in IN_DOUBT else Again.REPLAY, earlier)
