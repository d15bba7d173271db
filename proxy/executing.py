"""
What was approved is carried out, once: put together again from the record, judged anew, and sent by the road of any
write.

An approver's word is for what was shown. So before anything is asked of the upstream it is compared with what is true
now: policy, credential, origin, key, task. Once the write has been judged again, on facts and images of this moment,
the document is put together anew and must be the same to the last byte. What differs makes the suggestion void. What
refuses the write by a rule makes it void as well, because a word answers the reasons it was asked for and no refusal.
What only keeps it back (a stop, an API that fails or cannot be asked, an equal write under way) leaves it approved, and
it is tried again until its time is over. Reasons that nobody was asked about put it before an approver again.

One at a time for each API account. What is taken (names, money, the word itself) is taken where every write takes it,
in one step; so of all that may happen at once, at most one execution comes of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial

from breakers.approval import GATE
from breakers.call import Call
from breakers.store.protocol import HeldWrite, StoreUnavailable
from breakers.suggestion import Grant, Stage, Suggested
from breakers.verdict import Again, Forward, Pending, Reason, Refuse, Repeat, Suggest
from proxy.account import Account
from proxy.binding import UNSEEN, UNSHOWN, WHY, Offer, Rebuilt, unlike
from proxy.errand import Errand
from proxy.errors import LedgerUnavailable
from proxy.judgement import judged
from proxy.lapsing import Lapsing
from proxy.ledger.approvals import Showing
from proxy.ledger.book import Declined
from proxy.noticing import watch
from proxy.pipeline import carried
from proxy.recalled import Void, recall
from proxy.renewing import is_passing, offered
from proxy.respond import note_answer
from proxy.rooms import Rooms
from proxy.suggesting import KeptBack
from proxy.trail import Trail

SWEEP_S = 5.0
"""How late a suggestion may end by its time, and one that is kept back be tried again."""

AGAIN_AFTER_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Between two attempts to send what is kept back; each may cost its API a read."""

VOID = "void"
"""The detail of a refusal that says why what was approved is not what would be sent."""


class Executing:
    """
    The executor of one process.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._lanes: set[str] = set()
        self._lapsing = Lapsing(rooms)

    def __repr__(self) -> str:
        return f"Executing({len(self._rooms.suggesting.busy)} now, {len(self._rooms.suggesting.kept)} kept back)"

    async def watch(self) -> None:
        """
        Carry out what is approved and end what is over, for as long as the process runs.
        """
        bell = self._rooms.suggesting.bell
        async with asyncio.TaskGroup() as lanes:
            while not self._rooms.stopping:
                await self.try_sweep()
                for one in await self._due():
                    self._lanes.add(one.api)
                    lanes.create_task(self._carry(one)).add_done_callback(partial(self._is_free, one.api))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP_S):
                        await bell.wait()
                bell.clear()

    def _is_free(self, api: str, _: asyncio.Task[None]) -> None:
        self._lanes.discard(api)
        self._rooms.suggesting.bell.set()

    async def try_sweep(self) -> None:
        """
        End what is over, where the store and the record are there for it; if not, it is not carried out all the same.
        """
        try:
            await self._lapsing.sweep()
        except (StoreUnavailable, LedgerUnavailable):
            pass  # it is swept again in a moment
        except Exception as error:  # whatever it is, it must not end the executor
            self._rooms.log.failure("", error)
        suggesting = self._rooms.suggesting
        suggesting.kept = {id_: why for id_, why in suggesting.kept.items() if id_ in suggesting.own}

    async def _due(self) -> tuple[Suggested, ...]:
        rooms, now, found = self._rooms, self._rooms.clock.monotonic(), dict[str, Suggested]()
        with contextlib.suppress(StoreUnavailable):
            every = await rooms.store.suggestions()
            rooms.suggesting.saw(every)
            for one in every:
                kept = rooms.suggesting.kept.get(one.id)
                is_ours = one.id in rooms.suggesting.own and one.stage is Stage.APPROVED
                if is_ours and one.api not in self._lanes and (kept is None or kept.again_at <= now):
                    found.setdefault(one.api, one)
        return tuple(found.values())

    async def _carry(self, one: Suggested) -> None:
        try:
            await self.execute(one.id)
        except (StoreUnavailable, LedgerUnavailable) as away:
            self._keep_back(one, Refuse(Reason.STORE_UNAVAILABLE, "store", f"{away}."))
        except Exception as error:  # whatever it is, it must not end the executor
            self._rooms.log.failure(one.id, error)
            self._keep_back(one, Refuse(Reason.INTERNAL, "forward", "Breakwater failed on the way."))

    async def execute(self, id_: str) -> None:
        """
        Carry a suggestion out, if it may be now.
        """
        suggesting = self._rooms.suggesting
        async with suggesting.turn(id_) as one:
            if one is None or one.stage is not Stage.APPROVED or id_ in suggesting.busy:
                return
            if one.expires <= self._rooms.clock.now():
                await suggesting.end(one, Stage.EXPIRED, "time")
                return
            suggesting.busy.add(id_)
        try:
            await self._execute(one)
        finally:
            suggesting.busy.discard(id_)

    async def _execute(self, one: Suggested) -> None:
        rooms, found = self._rooms, await recall(one, self._rooms)
        if isinstance(found, Void):
            await self._void(one, found.why)
            return
        showing, parked = found.showing, found.parked
        call = self._call(one, parked)
        trail = Trail(call.id, rooms.clock, rooms.clock.monotonic(), call.door, call.api, call.caller.agent)
        trail.task, trail.operation = call.caller.task, call.operation.spec.name
        trail.effect, trail.intent = str(call.operation.spec.effect), one.id
        # What is compared with what was shown is what leaves: a version that comes meanwhile is for the next call.
        account = rooms.accounts[call.api].holding()
        check = partial(self._unlike, showing=showing, offer=parked.offer, account=account)
        guard = watch(call, rooms.policy, account.dialect, rooms.looping, trail, rooms.clock)
        errand = Errand(trail, rooms.policy, guard, check)
        with contextlib.ExitStack() as turn:
            async with rooms.judging.turn(call.names, trail.left_s(call.deadline_ms)):
                verdict = await judged(call, turn, errand, rooms)
            if isinstance(verdict, HeldWrite):
                await self._sent(one, verdict, errand, account)
                return
        guard.withdraw()
        match verdict:
            case Suggest() as again:
                await self._ask_again(one, again, parked.offer)
            case Refuse(details=((_, why),)) if why == UNSHOWN and errand.judged is not None:
                await self._ask_again(one, _seen(errand.judged), parked.offer)
            case Repeat() as same:
                await self._not_sent(one, _repeated(same))
            case Refuse() as refused:
                await self._not_sent(one, refused, call)
            case Pending() | _:
                await self._not_sent(one, Refuse(Reason.UNSETTLED_STATE, GATE, "It is decided about anew."))

    def _call(self, one: Suggested, parked: Rebuilt) -> Call:
        rooms = self._rooms
        deadline_ms = round(rooms.settings.timeouts.caller_deadline_s * 1000)
        grant = Grant(one.id, one.digest, frozenset(one.answers), one.by)
        return replace(parked.call, id=rooms.ids.new(), at=rooms.clock.now(), deadline_ms=deadline_ms, grant=grant)

    def _unlike(self, go: Forward, *, showing: Showing, offer: Offer, account: Account) -> Refuse | None:
        """
        Return why what would be sent is not what was approved.
        """
        why = unlike(showing.shown, go, account, offer)
        if why is None:
            return None
        if why == UNSEEN:
            return Refuse(Reason.BEFORE_MISSING, GATE, "What it touches could not be read just now.")
        return Refuse(Reason.NOT_APPROVED, GATE, f"{WHY.get(why, 'It differs')}.", ((VOID, why),))

    async def _sent(self, one: Suggested, held: HeldWrite, errand: Errand, account: Account) -> None:
        """
        Send it as any other write; nothing from here on ends because somebody stops waiting.
        """
        rooms, call = self._rooms, held.go.call
        task = rooms.inflight.start(carried(held, account, rooms, errand))
        rooms.pending.keep(call.id, task)
        await asyncio.wait({task})
        if task.cancelled() or task.exception() is not None:
            # Where nothing is on record of it, it is approved still; not at once again.
            self._keep_back(one, Refuse(Reason.LEDGER_UNAVAILABLE, "ledger", "It could not be recorded."))
        else:
            note_answer(errand.trail, task.result())
            rooms.suggesting.kept.pop(one.id, None)
        rooms.metrics.ended(errand.trail)
        rooms.log.write(errand.trail.line())
        # Stop here: its intent is on record, so it is never sent again. The next start puts its end on record, too.
        await self._lapsing.note_end(one.id)

    async def _ask_again(self, one: Suggested, again: Suggest, former: Offer) -> None:
        """
        Put it before an approver once more: something parks it now that nobody was asked about, or can be seen of it
        that nobody could see.
        """
        rooms = self._rooms
        async with rooms.suggesting.turn(one.id) as now:
            if now is None or now.stage is not Stage.APPROVED:
                return
            reopened = replace(now, stage=Stage.OPEN, by="")
            after, shown, credential = offered(reopened, former, again, rooms.suggesting.nonce(), rooms)
            after = await rooms.suggesting.records.requested(after, again, shown, credential)
            # Stop here: on record. The next start knows it as one that nobody has decided about.
            rooms.suggesting.kept.pop(one.id, None)
            rooms.suggesting.ask(after)
            await rooms.suggesting.tell(now, after)

    async def _not_sent(self, one: Suggested, no: Refuse, call: Call | None = None) -> None:
        """
        End a suggestion that a rule refuses, or keep it back.
        """
        if is_passing(no):
            await self._put_off(one, no, call)
            return
        await self._void(one, dict(no.details).get(VOID, str(no.reason)))

    async def _void(self, one: Suggested, why: str) -> None:
        async with self._rooms.suggesting.turn(one.id) as now:
            if now is not None and now.stage is Stage.APPROVED:
                self._rooms.suggesting.kept.pop(one.id, None)
                await self._rooms.suggesting.end(now, Stage.VOID, why)

    async def _put_off(self, one: Suggested, no: Refuse, call: Call | None) -> None:
        former = self._rooms.suggesting.kept.get(one.id)
        self._keep_back(one, no)
        if former is not None and former.reason == no.reason:
            return
        rooms = self._rooms
        if call is not None:
            spec, request, version = call.operation.spec, call.request, rooms.policy.version
            declined = Declined(call.id, call.at, call.api, call.caller, request.method, spec, request, no, 0, version)
            await rooms.ledger.decline(replace(declined, par=one.id))
        rooms.suggesting.held_up(one, str(no.reason))

    def _keep_back(self, one: Suggested, no: Refuse) -> None:
        former = self._rooms.suggesting.kept.get(one.id)
        tries = 0 if former is None else former.tries + 1
        again_at = self._rooms.clock.monotonic() + AGAIN_AFTER_S[min(tries, len(AGAIN_AFTER_S) - 1)]
        self._rooms.suggesting.kept[one.id] = KeptBack(str(no.reason), no.detail, tries, again_at)


def _seen(go: Forward) -> Suggest:
    """
    Return a write that may pass as one to park: with all that is known of it now.
    """
    said = (go.rules, go.amount_micros, go.currency, go.flags, go.charges, go.conditions)
    return Suggest(go.call, go.facts, go.policy_version, go.parked, *said)


def _repeated(same: Repeat) -> Refuse:
    if same.again is Again.REPLAY:
        detail = f"It was made meanwhile, as {same.earlier.intent}."
        return Refuse(Reason.DUPLICATE_SUSPECTED, GATE, detail, ((VOID, "repeated"),))
    return Refuse(Reason.UNSETTLED_STATE, GATE, f"An equal write, {same.earlier.intent}, has not ended.")
