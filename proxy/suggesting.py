"""
Parked writes while they live: kept, joined, ended; and who waits for that.

What is said of a suggestion is on record first, then told to the store; where the store cannot be told, that is tried
again. Only the process in whose record one stands shows it, decides about it and carries it out; so one thing happens
to it after another here, and the store holds whose turn it is against all others. Nothing is reserved for it meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from breakers.approval import GATE, in_shadow, reason_of
from breakers.call import Call
from breakers.caveats import moment
from breakers.store.events import SuggestionNoted
from breakers.store.protocol import Store, StoreUnavailable
from breakers.suggestion import LIVE, Park, Stage, Suggested
from breakers.verdict import Pending, Reason, Refuse, Suggest
from config.suggestions import SuggestionSettings
from proxy.account import Account
from proxy.announcing import Announcer
from proxy.binding import NONCE_BYTES, Offer, bound, digest_of, policy_shown, reasons_of
from proxy.clock import Clock, Randomness
from proxy.ledger.approvals import KIND, ApprovalRecords, is_told, notice_of
from proxy.ledger.parked import APPROVED, REJECTED
from proxy.patience import Patience, patient
from proxy.queued import SuggestionMetrics, queue_of

JOINED = "joined"
"""Why one is void whose write another process had parked a moment before."""

KEPT_MAX = 4_096
"""Of places whose policy is known; far more suggestions than may wait."""

SEEN_S = 10.0
"""How old what was seen of all that wait may be where somebody wants to know whether one more may: two sweeps."""

SETTLED = frozenset(Stage) - {Stage.OPEN, Stage.APPROVED, Stage.EXECUTING}


@dataclass(frozen=True, slots=True)
class KeptBack:
    """
    Why one that is approved is not sent yet, how often that was tried, and when (monotonic) it is tried again.
    """

    reason: str
    detail: str
    tries: int
    again_at: float


@dataclass(slots=True)
class _Line:
    """
    Those who wait for their turn with one suggestion, the one who has it among them.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Suggesting:
    """
    The suggestions of one process; `own` are those whose end is not on its record yet, `busy` are being carried out,
    `kept` are approved and kept back.
    """

    def __init__(
        self,
        store: Store,
        records: ApprovalRecords,
        clock: Clock,
        randomness: Randomness,
        announcer: Announcer,
        metrics: SuggestionMetrics,
    ) -> None:
        self._store, self.records, self._clock, self._randomness = store, records, clock, randomness
        self._announcer, self._metrics = announcer, metrics
        self.own = {one.id for one in records.known.values() if one.stage in LIVE}
        self.busy: set[str] = set()
        self.kept: dict[str, KeptBack] = {}
        # What is on record and the store could not be told of yet: the newest of each.
        self._untold: dict[str, Suggested] = {}
        self._turns: dict[str, _Line] = {}
        self._changed: dict[str, asyncio.Event] = {}
        # All that others know of, too, as it was seen behind the road, and those of here since then; and when.
        self._seen: tuple[Suggested, ...] = ()
        self._seen_at = float("-inf")
        # By place: what stands there never changes.
        self._judged_by: dict[str, str] = {}
        # Rung whenever one is approved, or may be carried out again.
        self.bell = asyncio.Event()

    def __repr__(self) -> str:
        return f"Suggesting({len(self.own)} without an end, {len(self.busy)} being carried out)"

    async def park(
        self, parked: Suggest, account: Account, settings: SuggestionSettings, patience: Patience | None = None
    ) -> Pending | Refuse:
        """
        Keep a write as a suggestion, or return why it is not kept.

        Raise `LedgerUnavailable` where that cannot be on record: then nothing was parked.
        """
        call, shadow, patience = parked.call, in_shadow(parked.parked), patience or patient()
        if await patience.ask(self._store, partial(self._is_full, call, settings.open_max, shadow=shadow)):
            self._metrics.unkept.labels(call.api).inc()
            detail = f"{settings.open_max} writes of this agent wait already; this one is not kept."
            return Refuse(Reason.SUGGEST_ONLY, GATE, detail)
        now, credential = self._clock.now(), account.current().ref
        offer = Offer(call.id, self.nonce(), reasons_of(parked.parked), until(parked, now, settings.expire_s))
        shown = bound(parked, account, credential, offer)
        new = replace(_new(parked, now, shadow=shadow), expires=offer.expires, digest=digest_of(shown))
        new = await self.records.requested(new, parked, shown, credential)
        # Stop here: on record, and nobody was told its id. The next start knows of it; whoever asks again joins it.
        self.own.add(new.id)
        try:
            stands = await patience.ask(self._store, partial(self._store.suggest, new))
        except StoreUnavailable:
            self._untold[new.id] = new
            self.ask(new)
            raise
        if stands.id != new.id:
            # Another process was first: of two equal ones only that can be approved.
            await self._ended(_joined(new, now))
        else:
            self._seen += (new,)
            self.ask(new)
        return Pending(stands)

    def saw(self, every: tuple[Suggested, ...]) -> None:
        """
        Note how all of them stood when the store was asked just now.
        """
        self._seen, self._seen_at = every, self._clock.monotonic()

    def ask(self, new: Suggested) -> None:
        """
        Tell people of one that waits for them.
        """
        if new.waits:
            self._announcer.say(KIND, notice_of(new), self._said(new))

    def nonce(self) -> str:
        """
        Return what makes one showing unlike every other.
        """
        return self._randomness(NONCE_BYTES).hex()

    async def shown_under(self, one: Suggested) -> str | None:
        """
        Return under which version of the policy one was shown; None where that cannot be read.
        """
        if one.place not in self._judged_by:
            try:
                showing = await asyncio.to_thread(self.records.of, one.id, one.place)
            except (LookupError, OSError):
                # Whoever decides about it, or carries it out, is told so.
                return None
            if len(self._judged_by) >= KEPT_MAX:
                self._judged_by.clear()
            self._judged_by[one.place] = policy_shown(showing.shown)
        return self._judged_by[one.place]

    async def _is_full(self, call: Call, most: int, *, shadow: bool) -> bool:
        is_fresh = self._store.kind != "memory" and self._clock.monotonic() - self._seen_at <= SEEN_S
        # Where one more may wait nobody is asked: others may have let a few wait since. Where not, some may be over.
        if is_fresh and self._count(self._seen, call, shadow=shadow) < most:
            return False
        self.saw(await self._store.suggestions())
        return self._count(self._seen, call, shadow=shadow) >= most

    def _count(self, known: tuple[Suggested, ...], call: Call, *, shadow: bool) -> int:
        # What is over waits for nobody, even where its process is away and does not say so.
        mine = (one for one in known if one.agent == call.caller.agent and one.shadow is shadow)
        return sum(one.stage in LIVE and one.expires > self._clock.now() for one in mine)

    @asynccontextmanager
    async def turn(self, id_: str) -> AsyncIterator[Suggested | None]:
        """
        Wait until nothing else happens to a suggestion here, and give how it stands then; None where it is not known.

        What is on record of it and the store does not know yet is told first: nobody decides about what was decided.
        """
        line = self._turns.setdefault(id_, _Line())
        line.length += 1
        try:
            async with line.lock:
                if id_ in self._untold:
                    await self._retell(id_)
                yield await self._store.suggestion(id_)
        finally:
            line.length -= 1
            if not line.length:
                del self._turns[id_]

    async def decide(self, one: Suggested, stage: Stage, by: str, reason: str = "") -> Suggested:
        """
        Take an approver's word for one that stands so; whoever calls has its turn.
        """
        now = self._clock.now()
        after = replace(one, stage=stage, by=by, version=one.version + 1, changed_at=now)
        verdict = APPROVED if stage is Stage.APPROVED else REJECTED
        await self.records.decided(after, verdict, by, reason)
        # Stop here: on record. The next start knows it, and carries out what was approved.
        if stage is Stage.REJECTED:
            self.own.discard(after.id)
            self._metrics.ended.labels(after.api, str(stage), "").inc()
        self._metrics.decided.labels(verdict).observe((now - one.at).total_seconds())
        await self.tell(one, after)
        return after

    async def end(self, one: Suggested, stage: Stage, why: str, by: str = "") -> Suggested:
        """
        End one that was not carried out; whoever calls has its turn.
        """
        after = replace(one, stage=stage, why=why, version=one.version + 1, changed_at=self._clock.now())
        await self._ended(after, by)
        # Stop here: on record. The next start knows it.
        self._say_end(after)
        await self.tell(one, after)
        return after

    def _say_end(self, after: Suggested) -> None:
        if is_told(after):
            self._announcer.say(KIND, notice_of(after), self._said(after))

    async def executed(self, one: Suggested) -> None:
        """
        Put on record that one was carried out, once that is known.
        """
        await self._ended(one)
        self.note(one)

    async def note_expired(self, one: Suggested) -> None:
        """
        Put on record that the time of one was over, which another process has told the store meanwhile.
        """
        await self._ended(one)
        self._say_end(one)
        self.note(one)

    def held_up(self, one: Suggested, reason: str) -> None:
        """
        Tell people why one that was approved is not sent; it is on record as a refusal of its execution.
        """
        said = {**self._said(one), "why": reason}
        self._announcer.say(KIND, f"{notice_of(one)}-{reason}", said)

    async def _ended(self, after: Suggested, by: str = "") -> None:
        await self.records.ended(after, by)
        self.own.discard(after.id)
        self._metrics.ended.labels(after.api, str(after.stage), after.why).inc()

    async def tell(self, before: Suggested, after: Suggested) -> None:
        """
        Tell the store what a suggestion has become, which is on record. Raise `StoreUnavailable` where that must wait.
        """
        try:
            if not await self._store.turn(before, after):
                # It lost what it knew, or was told by a replay meanwhile: what is on record is the newest.
                await self._store.apply(SuggestionNoted(after))
        except StoreUnavailable as away:
            self._untold[after.id] = after
            raise StoreUnavailable(f"{away}; what was said is on record, and is told as soon as it can be") from None
        finally:
            self.note(after)

    async def retell(self) -> None:
        """
        Tell the store what it could not be told.
        """
        for id_ in list(self._untold):
            await self._retell(id_)

    async def _retell(self, id_: str) -> None:
        if (one := self._untold.get(id_)) is not None:
            told = one
            if one.stage is Stage.OPEN and not one.version and (await self._store.suggest(one)).id != id_:
                # Whoever asked again was kept meanwhile: of two equal ones only that can be approved.
                await self._ended(told := _joined(one, self._clock.now()))
            await self._store.apply(SuggestionNoted(told))
            # Another may have been told of meanwhile, or more be known of this one.
            if self._untold.get(id_) is one:
                del self._untold[id_]

    def note(self, after: Suggested) -> None:
        """
        Wake who waits for a change of this one.
        """
        if after.stage is Stage.APPROVED:
            self.bell.set()
        if (changed := self._changed.pop(after.id, None)) is not None:
            changed.set()

    async def settled(self, one: Suggested, within_s: float) -> Suggested:
        """
        Return how a suggestion stands once it has ended, or after this many seconds.
        """
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    while one.stage not in SETTLED:
                        changed = self._changed.setdefault(one.id, asyncio.Event())
                        one = await self._store.suggestion(one.id) or one
                        if one.stage not in SETTLED:
                            await changed.wait()
        finally:
            # Whoever waits on looks again: nothing is kept of what changes elsewhere, or never.
            if (mine := self._changed.pop(one.id, None)) is not None:
                mine.set()
        return one if one.stage in SETTLED else await self._store.suggestion(one.id) or one

    def _said(self, one: Suggested) -> dict[str, object]:
        return {
            "suggestion": one.id,
            "state": str(one.stage),
            "agent": one.agent,
            "api": one.api,
            "operation": one.operation,
            "queue": queue_of(one),
            "roles": list(one.roles),
            "expires": one.expires.isoformat(timespec="seconds"),
            "why": one.why,
        }


def until(parked: Suggest, now: datetime, expire_s: float) -> datetime:
    """
    Return when a suggestion is over: by its time, by that of a reason, or with what gave its agent the right to it.
    """
    waits_s = min([expire_s, *(park.within_s for park in parked.parked if park.within_s is not None)])
    caller = parked.call.caller
    ends = [now + timedelta(seconds=waits_s), *(moment(one.value) for one in caller.caveats if one.key == "exp")]
    if caller.opened is not None:
        ends += [caller.opened.expires_at, *(above.until for above in caller.opened.above)]
    return min(ends)


def _joined(new: Suggested, at: datetime) -> Suggested:
    """
    Return a suggestion that is over because an equal one stands.
    """
    return replace(new, stage=Stage.VOID, why=JOINED, version=new.version + 1, changed_at=at)


def _new(parked: Suggest, now: datetime, *, shadow: bool) -> Suggested:
    call, names = parked.call, parked.call.names
    assert names is not None, "only writes are parked"
    return Suggested(
        id=call.id,
        agent=call.caller.agent,
        task=call.caller.task,
        api=call.api,
        operation=call.operation.spec.name,
        fingerprint=names.fingerprint,
        at=call.at,
        expires=now,
        digest="",
        answers=answers_of(parked.parked),
        key=names.key,
        roles=roles_of(parked.parked),
        changed_at=now,
        waits=reason_of(parked.parked) is Reason.APPROVAL_PENDING,
        shadow=shadow,
    )


def answers_of(parks: tuple[Park, ...]) -> tuple[str, ...]:
    """
    Return what an approver's word has to answer.
    """
    return tuple(dict.fromkeys(park.id for park in parks))


def roles_of(parks: tuple[Park, ...]) -> tuple[str, ...]:
    """
    Return who has to be asked.
    """
    return tuple(sorted({park.by for park in parks}))
