"""
An open suggestion after the configuration was changed: judged anew by the policy in force, then offered anew, or ended.

That happens when somebody looks at it or its write comes again, not at the reload: nobody upstream is asked for the
sake of what nobody wants any more. What only passes by itself (a stop, an API that cannot be asked) ends nothing: it
stays as it was shown then, and nobody can approve it so. What hangs on the moment of the call, and not on the policy,
is no reason that a later judgement can find; it is carried on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from breakers.approval import in_shadow
from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.known import IN_DOUBT, IN_FLIGHT
from breakers.suggestion import Cause, Park, Stage, Suggested
from breakers.verdict import Again, Ask, Forward, Pending, Reason, Refuse, Repeat, Suggest
from proxy.binding import Offer, bound, digest_of, reasons_of
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.looking import Looking
from proxy.recalled import Void, recall
from proxy.rooms import Rooms
from proxy.suggesting import answers_of, roles_of, until

_V = TypeVar("_V")

LOOKS_MAX = 4
"""Rounds of reads that judging anew may take, as on the road."""

KEPT_BACK = frozenset(
    {
        Reason.KILLED, Reason.UPSTREAM_FAILING, Reason.UPSTREAM_THROTTLED, Reason.BEFORE_MISSING,
        Reason.AMOUNT_UNBOUNDED, Reason.UNSETTLED_STATE, Reason.STORE_UNAVAILABLE, Reason.LEDGER_UNAVAILABLE,
        Reason.STOPPING,
    }
)  # fmt: skip
"""
Refusals that pass by themselves, or by somebody's hand; every other makes void what waits or was approved. What was
bounded when it was shown is unbounded only where a read failed.
"""

UNSETTLED = frozenset(map(str, IN_DOUBT | IN_FLIGHT))
"""How another write of the same effect stands that may still come to nothing: then what was approved may be sent."""

OF_THE_MOMENT = frozenset({Cause.LOOP, Cause.DRIFT})
"""Why a write was parked beside what is judged here: the process that had the call knew it."""


def is_passing(no: Refuse) -> bool:
    """
    Tell whether a refusal may be none in a moment: then nothing ends by it.
    """
    in_doubt = no.reason is Reason.DUPLICATE_SUSPECTED and dict(no.details).get("state") in UNSETTLED
    return no.reason in KEPT_BACK or in_doubt


async def judged_anew(call: Call, rooms: Rooms) -> Suggest | Refuse | Repeat:
    """
    Return how a write that waits is judged now, as one to park: what nothing parks any more waits all the same.

    Raise `StartRefused` where its API cannot be asked just now.
    """
    known = rooms.sampler.noted(call, rooms.killswitch.noted(await rooms.store.facts(call)))
    facts = replace(known, suggested=None)
    verdict = decide(call, rooms.policy, facts)
    with contextlib.ExitStack() as turn:
        looking = Looking(call, rooms.policy, turn, rooms)
        for _ in range(LOOKS_MAX):
            if not isinstance(verdict, Ask):
                break
            seen = await looking.answered(verdict, facts)
            if not isinstance(seen, Facts):
                raise _not_asked(call, "it is just being tried" if seen is None else seen.detail.rstrip("."))
            facts = seen
            verdict = decide(call, rooms.policy, facts)
    match verdict:
        case Suggest() | Refuse() | Repeat():
            return verdict
        case Forward() as go:
            said = (go.rules, go.amount_micros, go.currency, go.flags, go.charges, go.conditions)
            return Suggest(go.call, go.facts, go.policy_version, (), *said)
        case Ask() | Pending():
            raise _not_asked(call, "its state kept moving")


def offered(one: Suggested, former: Offer, verdict: Suggest, nonce: str, rooms: Rooms) -> tuple[Suggested, bytes, str]:
    """
    Return a suggestion as it waits once its write was judged anew, what is shown of it, and the credential's version.
    """
    account = rooms.accounts[one.api]
    now, credential = rooms.clock.now(), account.current().ref
    ends = min(one.expires, until(verdict, now, rooms.settings.suggestions.expire_s))
    offer = Offer(one.id, nonce, reasons_of(verdict.parked) or former.reasons, ends)
    shown = bound(verdict, account, credential, offer)
    after = replace(
        one,
        version=one.version + 1,
        expires=ends,
        digest=digest_of(shown),
        answers=answers_of(verdict.parked),
        # Nothing that is judged anew becomes somebody else's to approve.
        roles=tuple(sorted({*one.roles, *roles_of(verdict.parked)})),
        waits=one.waits or any(park.waits for park in verdict.parked),
        changed_at=now,
    )
    return after, shown, credential


async def in_force(one: Suggested, rooms: Rooms) -> Suggested:
    """
    Return a suggestion as it stands under the policy in force, ended or offered anew where it was shown under another;
    whoever calls has its turn.

    Raise `StartRefused` where that cannot be judged now: then it stands as it did.
    """
    if not await _is_former(one, rooms):
        return one
    found = await recall(one, rooms, under_any=True)
    if isinstance(found, Void):
        # What was never stored cannot be judged anew.
        return await _void(one, "policy" if found.why == "left-out" else found.why, rooms)
    former = found.parked.offer
    verdict = await judged_anew(found.parked.call, rooms)
    match verdict:
        case Repeat(Again.REPLAY):
            return await _void(one, "repeated", rooms)
        case Repeat():
            raise _not_asked(found.parked.call, "an equal write has not ended")
        case Refuse() as no if is_passing(no):
            raise _not_asked(found.parked.call, no.detail.rstrip("."))
        case Refuse() as no:
            return await _void(one, str(no.reason), rooms)
        case Suggest() as again:
            parked = (*again.parked, *_carried(former, again))
            return await _offer(one, former, replace(again, parked=parked), rooms)


async def _offer(one: Suggested, former: Offer, verdict: Suggest, rooms: Rooms) -> Suggested:
    if in_shadow(verdict.parked) is not one.shadow:
        # One that nobody was asked about, or nobody is to be any more, is another: its agent asks anew.
        return await _void(one, "policy", rooms)
    after, shown, credential = offered(one, former, verdict, rooms.suggesting.nonce(), rooms)
    after = await rooms.suggesting.records.requested(after, verdict, shown, credential)
    # Stop here: on record. The next start knows it as offered anew; a word for what was shown before is for nothing.
    rooms.suggesting.ask(after)
    await rooms.suggesting.tell(one, after)
    return after


async def looked_at(one: Suggested, rooms: Rooms) -> Suggested:
    """
    Return a suggestion as it stands under the policy in force; as it was where that cannot be judged, or put on record.
    """
    if not await _is_former(one, rooms):
        return one
    async with rooms.suggesting.turn(one.id) as now:
        if now is None:
            return one
        try:
            return await in_force(now, rooms)
        except (StartRefused, LedgerUnavailable):
            return now


async def joined(
    verdict: Pending, judge: Callable[[], Awaitable[_V]], turn: contextlib.ExitStack, rooms: Rooms
) -> _V | Pending:
    """
    Return how a write stands that is one that waits, after that was judged anew; as a new one by `judge` if it ended.
    """
    # What it took to be judged is given back: nothing of that is needed any more, or it is taken anew.
    turn.close()
    now = await looked_at(verdict.suggested, rooms)
    return await judge() if now.stage is Stage.VOID else Pending(now)


async def _is_former(one: Suggested, rooms: Rooms) -> bool:
    """
    Tell whether one that is open, and on record here, was shown under another policy than that in force.
    """
    if one.stage is not Stage.OPEN or one.id not in rooms.suggesting.own or one.expires <= rooms.clock.now():
        return False
    return await rooms.suggesting.shown_under(one) not in {None, rooms.policy.version}


async def _void(one: Suggested, why: str, rooms: Rooms) -> Suggested:
    return await rooms.suggesting.end(one, Stage.VOID, why)


def _carried(former: Offer, verdict: Suggest) -> list[Park]:
    known = {park.id for park in verdict.parked}
    kept = [one for one in former.reasons if one["cause"] in OF_THE_MOMENT and one["id"] not in known]
    return [_park(one) for one in kept]


def _park(said: Mapping[str, Any]) -> Park:
    """
    Return a reason as it was before it was shown.
    """
    return Park(Cause(said["cause"]), said["about"], said["detail"], said["by"], said["within"], said["waits"])


def _not_asked(call: Call, why: str) -> StartRefused:
    return StartRefused(f"`{call.api}` cannot be asked now: {why}", "try again in a moment")
