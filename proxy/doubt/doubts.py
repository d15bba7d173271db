"""
Every write in doubt, looked for until it is in doubt no more: one at a time for each API account, and never in a hurry.

Each case has its own schedule. An account takes one look after another, with a pause between two, and a longer one,
which doubles, while its answers teach nothing; so a crash that leaves a thousand doubts asks its API a few times a
second, and an API that is down is hardly asked at all. Whoever waits longest comes first, and behind all others whoever
has learned nothing.

Nothing here decides what a look proves (`course`), asks (`ways`), or says how a doubt ends (`settle`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from breakers.call import Applied
from breakers.idempotency import is_overtaken
from breakers.known import IN_FLIGHT, Earlier
from breakers.store.events import IntentOpened
from breakers.store.protocol import StoreUnavailable
from proxy.clock import Randomness
from proxy.doubt.case import Case
from proxy.doubt.course import (
    PAUSES_S,
    RESENDS_ANSWERED_MAX,
    Course,
    End,
    Evidence,
    Found,
    Terms,
    Verdict,
    Why,
    fold,
)
from proxy.doubt.identity import Identities
from proxy.doubt.recorded import Doubt, doubt_of, terms_of
from proxy.doubt.settle import Conclusion, answered, conclude, found, said
from proxy.doubt.ways import RESEND, Told, is_replay, look, may_resend, resend, ways_of
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.images import spell_image
from proxy.ledger.doubts import Probed
from proxy.rooms import Rooms

PAUSE_S = 0.25
"""Between two looks at one account."""

BACK_OFF_S = 5.0
BACK_OFF_MAX_S = 300.0
"""Once a look taught nothing, and at most, while none does."""

JITTER = 0.1
"""Of every pause, so that replicas that started together do not look together."""

IDLE_S = 60.0
"""Without a doubt that is due sooner, the clock is asked again this often: it may have been set."""

# As many as a float holds exactly.
_DRAW_BYTES = 6
_DRAWS = 2**48

# What a record calls what was found; the rest of it stands in the evidence.
_ON_RECORD = {Found.ONE: "one", Found.MANY: "many", Found.LIKE: "many", Found.UNLIKE: "none", Found.NONE: "none"}


class Doubts:
    """
    The writes in doubt of one process.
    """

    def __init__(self, rooms: Rooms, randomness: Randomness) -> None:
        self._rooms, self._randomness = rooms, randomness
        self._cases: dict[str, Case] = {}
        self._who = Identities()
        self._lanes: dict[str, asyncio.Lock] = {}
        self._free_at: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._busy: set[str] = set()

    def __repr__(self) -> str:
        return f"Doubts({len(self._cases)}, {sum(case.parked for case in self._cases.values())} of them parked)"

    def start(self) -> None:
        """
        Take what the record has in doubt.
        """
        recovered = self._rooms.ledger.recovered
        for opened in recovered.open_intents:
            self._take(opened, parked=opened.intent in recovered.parked)

    def said(self) -> list[dict[str, object]]:
        """
        Return what an operator is told of every doubt, oldest first.
        """
        self._take_new()
        return [case.said() for case in sorted(self._cases.values(), key=lambda case: case.opened.at)]

    def has(self, intent: str) -> bool:
        """
        Tell whether this process has a write in doubt.
        """
        self._take_new()
        return intent in self._cases

    async def watch(self) -> None:
        """
        Look for all of them, for as long as the process runs; no account waits for another.
        """
        bell = self._rooms.doubts.bell
        async with asyncio.TaskGroup() as looks:
            # A re-send that a stop cuts ends as an outcome, not as a cancellation.
            while not self._rooms.stopping:
                try:
                    async with asyncio.timeout(self._until_next_s()):
                        await bell.wait()
                except TimeoutError:
                    pass
                for case in self._due():
                    self._busy.add(case.opened.api)
                    look = looks.create_task(self._looked(case))
                    look.add_done_callback(partial(self._is_free, case.opened.api))

    def _is_free(self, api: str, _: asyncio.Task[None]) -> None:
        self._busy.discard(api)
        self._rooms.doubts.bell.set()

    async def round(self) -> int:
        """
        Look once for whatever is due, one case an account, all accounts at once; return how many that were.
        """
        due = self._due()
        await asyncio.gather(*(self._looked(case) for case in due))
        return len(due)

    def _due(self) -> tuple[Case, ...]:
        """
        Return the case that is looked at next of each account that may be asked now.
        """
        self._take_new()
        if self._rooms.stopping:
            return ()
        now = self._rooms.clock.now()
        due: dict[str, Case] = {}
        for case in sorted(self._cases.values(), key=lambda one: (one.failures, one.due_at)):
            if self._may_ask(case) and max(case.due_at, self._free(case)) <= now:
                due.setdefault(case.opened.api, case)
        return tuple(due.values())

    async def probe(self, intent: str) -> dict[str, object]:
        """
        Look for one now, and return what an operator is told of it afterwards.

        Raise `StartRefused` where it is not in doubt.
        """
        case = await self._case(intent)
        async with self._lane(case):
            if intent in self._cases:
                await self._look(case)
        return case.said() | ({} if intent in self._cases else {"state": "completed", "next": None})

    async def resolve(self, intent: str, *, applied: bool, reason: str) -> None:
        """
        Take a person's word for how one ended.

        Raise `StartRefused` where it is not in doubt.
        """
        case = await self._case(intent)
        async with self._lane(case):
            # What was looked at until now may have been found.
            await self._case(intent)
            try:
                doubt = await self._known(case)
            except Exception as error:  # a person's word must be taken, whatever cannot be read any more
                self._rooms.log.failure(intent, error)
                doubt = None
            await self._end(case, doubt, said(applied=applied, reason=reason))

    # ------------------------------------------------------------------------------------------------------ the cases

    def _take_new(self) -> None:
        for opened in self._rooms.doubts.empty():
            self._take(opened, parked=opened.intent in self._rooms.doubts.parked)

    def _take(self, opened: IntentOpened, *, parked: bool) -> None:
        now = self._rooms.clock.now()
        first = now + timedelta(seconds=PAUSES_S[0])
        terms = Terms(self._rooms.settings.timeouts.write_total_s, 0.0)
        self._cases.setdefault(
            opened.intent, Case(opened, Course(opened.at, now, opened.at), terms, first, parked=parked)
        )

    async def _case(self, intent: str) -> Case:
        self._take_new()
        if intent in self._cases:
            return self._cases[intent]
        try:
            known = await self._rooms.store.earlier(intent)
        except StoreUnavailable:
            known = None
        raise _not_in_doubt(intent, known)

    def _lane(self, case: Case) -> asyncio.Lock:
        return self._lanes.setdefault(case.opened.api, asyncio.Lock())

    def _may_ask(self, case: Case) -> bool:
        return case.next_at is not None and case.opened.api not in self._busy

    def _free(self, case: Case) -> datetime:
        return self._free_at.get(case.opened.api, case.due_at)

    def _until_next_s(self) -> float:
        now = self._rooms.clock.now()
        due = (max(case.due_at, self._free(case)) for case in self._cases.values() if self._may_ask(case))
        return min((max(0.0, (at - now).total_seconds()) for at in due), default=IDLE_S)

    # -------------------------------------------------------------------------------------------------------- one look

    async def _looked(self, case: Case) -> None:
        """
        Look for one, whatever comes of it: none may keep the others from being looked for.
        """
        async with self._lane(case):
            if case.opened.intent not in self._cases or case.parked:
                return
            try:
                await self._look(case)
            except (LedgerUnavailable, StoreUnavailable) as error:
                self._rooms.log.event("doubt-waits", intent=case.opened.intent, why=str(error))
                self._put_off(case, taught=False, later_s=None)
            except Exception as error:  # a case that cannot be looked at must not end the looking
                self._rooms.log.failure(case.opened.intent, error)
                self._put_off(case, taught=False, later_s=None)

    async def _look(self, case: Case) -> None:
        await self._rooms.ledger.doubt_opened(case.opened)
        doubt = await self._known(case)
        if doubt is None:
            await self._park(case, Why.UNFINDABLE)
            return
        if not await self._rooms.killswitch.may_read(doubt.call, reconciling=True):
            # Everything is stopped: it is looked for in its own time, once that is over.
            self._put_off(case, taught=True, later_s=None)
            return
        failed = None
        if await self._may_resend(case, doubt):
            conclusion, failed = await self._resent(case, doubt)
            if conclusion is not None:
                await self._end(case, doubt, conclusion)
                return
        if ways_of(doubt) in {(), (RESEND,)} and not self._waits(case, doubt):
            await self._park(case, Why.UNFINDABLE)
            return
        told = await look(doubt, case.course, case.terms, self._who, self._rooms)
        await self._take_in(case, doubt, replace(told, failed=told.failed or failed))

    async def _take_in(self, case: Case, doubt: Doubt, told: Told) -> None:
        """
        Put what a look saw on record, and let follow what follows.
        """
        if told.way != RESEND:
            await self._record(case, told)
        case.course, verdict = fold(case.course, told.evidence, case.terms)
        if verdict is not None and (verdict.end is End.APPLIED or not case.parked):
            await self._end(case, doubt, found(verdict, told.answer, told.never_store))
            return
        self._put_off(case, taught=told.failed is None, later_s=told.later_s)

    async def _known(self, case: Case) -> Doubt | None:
        """
        Return what is on record of a case; None where that is not enough to look for it.

        It is read for each look: a request and an image may take megabytes, and of doubts there may be thousands. One
        that another has overtaken is not sent again, and what equals it may be the other's.
        """
        account = self._rooms.accounts.get(case.opened.api)
        if account is None:
            return None
        try:
            stored = await asyncio.to_thread(self._rooms.ledger.intent_at, case.opened.place)
        except LookupError:
            return None
        doubt = doubt_of(stored, account)
        if doubt is not None:
            if is_overtaken(doubt.call, await self._rooms.store.facts(doubt.call)):
                doubt = replace(doubt, wire=None, alone=False)
            case.terms = terms_of(doubt, account, case.terms.total_s)
            case.course = replace(case.course, sent_at=max(case.course.sent_at, doubt.recorded_at))
        return doubt

    # --------------------------------------------------------------------------------------------------------- resends

    def _waits(self, case: Case, doubt: Doubt) -> bool:
        """
        Tell whether its key may tell later what it does not tell now.
        """
        return case.course.answered < RESENDS_ANSWERED_MAX and may_resend(doubt, self._rooms.clock.now())

    async def _may_resend(self, case: Case, doubt: Doubt) -> bool:
        if case.parked or not self._waits(case, doubt):
            return False
        return not self._rooms.stopping and await self._rooms.killswitch.may_leave(doubt.call)

    async def _resent(self, case: Case, doubt: Doubt) -> tuple[Conclusion | None, str | None]:
        """
        Send the write again; return what that settles, or None where only reading can tell, and why it settled nothing.
        """
        if doubt.wire is None:
            return None, None
        sent = await resend(doubt, doubt.wire, self._rooms)
        # Stop here: it may have left once more, under the key and as the bytes that its intent has on record. The next
        # start finds the same doubt and asks again in the same way.
        now, outcome = self._rooms.clock.now(), sent.outcome
        conclusion = answered(outcome, now)
        failed = f"it was answered {outcome.status or 'with nothing'}" if conclusion is None else None
        if sent.left:
            case.course = case.course.resent(now, answered=outcome.status is not None, replayed=is_replay(outcome))
            shown = {Applied.APPLIED: Found.ONE, Applied.NOT_APPLIED: Found.NONE}.get(outcome.applied, Found.FAILED)
            await self._record(case, Told(RESEND, Evidence(shown, now, int(shown is Found.ONE)), failed=failed))
        return conclusion, failed

    # ------------------------------------------------------------------------------------------------------- what ends

    async def _record(self, case: Case, told: Told) -> None:
        case.note(told)
        evidence = told.seen or (spell_image({"failed": told.failed}) if told.failed is not None else b"")
        found_ = _ON_RECORD.get(told.evidence.found, "failed")
        probed = Probed(told.way, found_, told.evidence.count, evidence)
        await self._rooms.ledger.doubt_probed(case.opened, probed, *told.never_store)

    async def _park(self, case: Case, why: Why) -> None:
        if not case.parked:
            await self._end(case, None, found(Verdict(End.PARKED, why), None))

    async def _end(self, case: Case, doubt: Doubt | None, conclusion: Conclusion) -> None:
        await conclude(case.opened, doubt, conclusion, self._rooms)
        case.how = conclusion.how
        if conclusion.verdict.end is End.PARKED:
            case.parked = True
            if case.opened not in self._rooms.ledger.recovered.open_intents:
                # What an earlier process left may be our own fault; this is the account's.
                self._rooms.sampler.handed_over(case.opened.api)
        else:
            self._cases.pop(case.opened.intent, None)
        self._rest(case, PAUSE_S)
        self._failures.pop(case.opened.api, None)

    def _put_off(self, case: Case, *, taught: bool, later_s: float | None) -> None:
        """
        Let a case wait for its next look, and its account for the next look at anything.
        """
        api, now = case.opened.api, self._rooms.clock.now()
        case.failures = 0 if taught else case.failures + 1
        self._failures[api] = 0 if taught else self._failures.get(api, 0) + 1
        back_off_s = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** min(self._failures[api] - 1, 16))
        self._rest(case, max(PAUSE_S if taught else back_off_s, later_s or 0.0))
        following, last = case.course.next_at(case.terms), case.course.last_at or now
        case.due_at = following + (following - last) * self._jitter()

    def _rest(self, case: Case, pause_s: float) -> None:
        pause = timedelta(seconds=pause_s * (1 + self._jitter()))
        self._free_at[case.opened.api] = self._rooms.clock.now() + pause

    def _jitter(self) -> float:
        return JITTER * int.from_bytes(self._randomness(_DRAW_BYTES)) / _DRAWS


def _not_in_doubt(intent: str, known: Earlier | None) -> StartRefused:
    if known is None:
        return StartRefused(
            f"no write with the id {intent} is in doubt", "`breakwater doubt list` prints those that are"
        )
    if known.state in IN_FLIGHT:
        hint = "wait for its end; what nobody knows the end of is in doubt"
        return StartRefused(f"the write {intent} is still under way", hint)
    hint = f"`breakwater ledger show {intent}` prints how it ended"
    return StartRefused(f"the write {intent} is not in doubt: it has ended", hint)
