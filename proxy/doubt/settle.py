"""
The end of a doubt: on record first, then in the store, then for whoever asks again.

    recorded > store told > answer at hand > what it changed, found out off the road > counted and logged

Between two of these a comment says what is true if the process stops there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from breakers.call import Applied, Outcome
from breakers.idempotency import ended_by
from breakers.known import Ended, State
from breakers.store.events import IntentOpened
from proxy.changes import Carried, follow_late
from proxy.doubt.course import End, Verdict, Why
from proxy.doubt.recorded import Doubt
from proxy.doubt.restore import Answer, vendor_answer
from proxy.ledger.blobs import Kept
from proxy.ledger.doubts import Resolved
from proxy.metering import found_took
from proxy.rooms import Rooms

RECONCILER, OPERATOR = "reconciler", "operator"

DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """
    What is said of a write in doubt from here on: how it stands, the answer that can be given, who says so and why.

    `status` is the answer's, which may be known where the rest of it is not; `vendors` tells whether it is the vendor's
    own. `reason` is a person's words. `never_store` are the members that must not be kept of the answer, beside those
    of the write itself.
    """

    verdict: Verdict
    by: str = RECONCILER
    answer: Answer | None = None
    status: int | None = None
    keeps: bool = False
    vendors: bool = False
    reason: str = ""
    never_store: tuple[str, ...] = ()

    @property
    def applied(self) -> Applied:
        """
        Return whether it took effect.
        """
        told = {End.APPLIED: Applied.APPLIED, End.NOT_APPLIED: Applied.NOT_APPLIED, End.PARKED: Applied.UNKNOWN}
        return told[self.verdict.end]

    @property
    def state(self) -> State:
        """
        Return how its record stands.
        """
        return State.PARKED if self.verdict.end is End.PARKED else State.COMPLETED

    @property
    def how(self) -> str:
        """
        Return how it ended and why, in two words.
        """
        return f"{self.verdict.end}:{self.verdict.why}"

    @property
    def incident(self) -> str | None:
        """
        Return what must not have happened, and did.
        """
        return DUPLICATE if self.verdict.why is Why.DUPLICATE else None


def answered(outcome: Outcome, at: datetime) -> Conclusion | None:
    """
    Return what the vendor's answer to a re-send settles, or None where it settles nothing.
    """
    if outcome.applied is Applied.UNKNOWN:
        return None
    end = End.APPLIED if outcome.applied is Applied.APPLIED else End.NOT_APPLIED
    keeps = ended_by(outcome, at, "", delivered=False).keeps
    whole = vendor_answer(outcome) if outcome.fault is None else None
    return Conclusion(Verdict(end, Why.RESENT), answer=whole, status=outcome.status, keeps=keeps, vendors=True)


def found(verdict: Verdict, answer: Answer | None, never_store: tuple[str, ...] = ()) -> Conclusion:
    """
    Return what reading settles: what took effect has its answer, and what did not leaves its names free.
    """
    if verdict.end is not End.APPLIED or answer is None:
        return Conclusion(verdict, keeps=verdict.end is End.APPLIED)
    return Conclusion(verdict, answer=answer, status=answer.status, keeps=True, never_store=never_store)


def said(*, applied: bool, reason: str) -> Conclusion:
    """
    Return what a person settles: what took effect keeps its names, without an answer that could be given.
    """
    end = End.APPLIED if applied else End.NOT_APPLIED
    return Conclusion(Verdict(end, Why.OPERATOR), OPERATOR, keeps=applied, reason=reason)


async def conclude(opened: IntentOpened, doubt: Doubt | None, conclusion: Conclusion, rooms: Rooms) -> None:
    """
    Put an end of a doubt on record, and let everything follow from that.

    Raise `LedgerUnavailable` where it cannot be recorded: then it stays a doubt.
    """
    verdict, answer = conclusion.verdict, conclusion.answer
    never_store = (*(doubt.spec.never_store if doubt is not None else ()), *conclusion.never_store)
    if doubt is not None and doubt.spec.answers_other and not conclusion.vendors:
        # What shows that it was done is not what it would have answered: a client would read it wrongly.
        answer = None
    took = _took(opened, doubt, conclusion, rooms)
    entry = await rooms.ledger.doubt_resolved(opened, _record(conclusion, answer, took), *never_store)
    # Stop here: on record, and the store does not know. The next start replays the record into it.
    now, completed = rooms.clock.now(), conclusion.state is State.COMPLETED
    ended = Ended(
        conclusion.state,
        now,
        conclusion.applied is Applied.APPLIED if completed else None,
        keeps=completed and conclusion.keeps,
        status=conclusion.status,
        place=entry.place,
        delivered=False,
        spent=took,
    )
    sealed = rooms.answers.keep(opened.intent, ended, answer, never_store) if answer is not None else None
    await rooms.settling.resolve(opened, ended, sealed)
    # Stop here, or before the change is on record: the next start says that nobody looked at what was changed.
    if verdict.end is End.APPLIED and doubt is not None:
        follow_late(_carried(doubt, conclusion), opened, entry, rooms)
    rooms.reviewing.ended(opened, conclusion.applied, rooms.policy)
    _tell(opened, conclusion, rooms)


def _took(opened: IntentOpened, doubt: Doubt | None, conclusion: Conclusion, rooms: Rooms) -> tuple[int, ...]:
    """
    Return what the write took of its charges; nothing yet while a person is to say: all of it stays held.
    """
    if not opened.charges or conclusion.state is not State.COMPLETED:
        return ()
    call, judged_by = (None, "") if doubt is None else (doubt.call, doubt.judged_by)
    answer = conclusion.answer
    body = answer.body if answer is not None else None
    applied = conclusion.applied is Applied.APPLIED
    charges, status = opened.charges, conclusion.status
    return found_took(call, charges, status, body, rooms.policy, applied=applied, judged_by=judged_by)


def _record(conclusion: Conclusion, answer: Answer | None, took: tuple[int, ...]) -> Resolved:
    return Resolved(
        conclusion.applied,
        conclusion.state,
        conclusion.by,
        str(conclusion.verdict.why),
        conclusion.keeps,
        conclusion.status,
        answer.headers if answer is not None else (),
        answer.body if answer is not None else None,
        conclusion.incident,
        conclusion.reason,
        took,
    )


def _carried(doubt: Doubt, conclusion: Conclusion) -> Carried:
    before = Kept(doubt.document) if doubt.document is not None else None
    body = conclusion.answer.body if conclusion.answer is not None else b""
    return Carried(doubt.call, doubt.images(), before, body, read_anew=not conclusion.vendors)


def _tell(opened: IntentOpened, conclusion: Conclusion, rooms: Rooms) -> None:
    """
    Count it, and say it in the log; what must not have happened in a line of its own.
    """
    rooms.metrics.doubts_resolved.labels(opened.api, conclusion.how).inc()
    names = {"intent": opened.intent, "api": opened.api, "operation": opened.operation}
    rooms.log.event("doubt-resolved", **names, how=conclusion.how, by=conclusion.by)
    if conclusion.incident is not None:
        rooms.metrics.doubt_incidents.labels(opened.api).inc()
        rooms.log.event("doubt-incident", **names, incident=conclusion.incident)
        rooms.killswitch.auto(f"api:{opened.api}", "duplicate", f"the write {opened.intent} was made more than once")
