"""
The approver's desk: what waits is listed and shown, approved, edited, rejected; by people with the right role only.

A word is for what was shown, so it names that by its digest: whoever was shown something else is told so, and nothing
is decided. An edit is judged as if the agent had sent it, is on record with its distance, and waits for a word of its
own. Nobody whose card says so approves what an agent of theirs wants.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from breakers.call import Call, Operation
from breakers.spend import Total
from breakers.store.protocol import StoreUnavailable
from breakers.suggestion import LIVE, Stage, Suggested
from breakers.verdict import Refuse, Repeat, Suggest
from config.faults import did_you_mean, listed
from proxy.binding import WHY, Rebuilt, named_effect, retyped
from proxy.cards import Card, card, needed, row
from proxy.control.acting import Operator
from proxy.edits import distance, edited
from proxy.errors import StartRefused
from proxy.ledger.approvals import Edit, Showing
from proxy.recalled import Recalled, rebuild, recall
from proxy.renewing import in_force, judged_anew, looked_at, offered
from proxy.rooms import Rooms

DIGITS_MIN = 12
"""Of a digest that a person types: as many as no two suggestions share by chance."""

REASON_CHARS_MAX = 2_000
"""Of a person's words on record: a few sentences and where to read on."""

ANEW = "whoever wants it asks anew"

LIST_HINT = "`breakwater suggestions list` prints them"


class Desk:
    """
    What operators do with suggestions.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def __repr__(self) -> str:
        return f"Desk({self._rooms.suggesting!r})"

    async def listed(self, *, shadow: bool = False, every: bool = False) -> list[Card]:
        """
        Return what waits, oldest first; with `every` also what ended lately, with `shadow` what nobody is told of.
        """
        known = await self._rooms.store.suggestions()
        return [row(one) for one in known if one.shadow is shadow and (every or one.stage in LIVE)]

    async def shown(self, id_: str) -> Card:
        """
        Return the card of a suggestion. Raise `StartRefused` where there is none here.
        """
        one = await looked_at(await self._known(id_), self._rooms)
        showing = await self._showing(one)
        made = await self._rooms.store.earlier(one.intent) if one.intent else None
        kept = self._rooms.suggesting.kept.get(id_) if one.stage is Stage.APPROVED else None
        totals = await self._totals()
        return card(one, showing, self._operation(showing, one), totals, kept, made)

    def is_own(self, id_: str) -> bool:
        """
        Tell whether one that has not ended is in this record; of those that have, nobody needs to know.
        """
        return self._rooms.store.kind == "memory" or id_ in self._rooms.suggesting.own

    async def owns(self, id_: str) -> bool | None:
        """
        Tell whether one stands in this record; None where it is known nowhere.
        """
        one = await self._rooms.store.suggestion(id_)
        if one is None or id_ in self._rooms.suggesting.own:
            return None if one is None else True
        try:
            await self._showing(one)
        except StartRefused:
            return False
        return True

    async def settled(self, id_: str, within_s: float) -> None:
        """
        Wait until a suggestion has ended, or this many seconds.
        """
        await self._rooms.suggesting.settled(await self._known(id_), within_s)

    async def approve(self, id_: str, digest: str, who: Operator) -> Card:
        """
        Approve what was shown under this digest. Raise `StartRefused` where that cannot be.
        """
        async with self._rooms.suggesting.turn(id_) as one:
            stands = _open(one, id_)
            self._admit(stands, who)
            if stands.shadow:
                hint = "it shows what would be done; write another `tier` on the card to have its writes made"
                raise StartRefused(f"suggestion {stands.id} is on record and not made: its tier is `shadow`", hint)
            if len(digest) < DIGITS_MIN or not stands.digest.startswith(digest.lower()):
                hint = f"`breakwater suggestions show {id_}` shows what waits now, and its digest: it may have changed"
                raise StartRefused("this is not the digest of what is shown", hint)
            now, _, _ = await self._still_good(stands)
            if now.digest != stands.digest:
                hint = f"look at it again with `breakwater suggestions show {id_}`"
                raise StartRefused(f"suggestion {id_} has changed: it was judged anew by another configuration", hint)
            return row(await self._rooms.suggesting.decide(stands, Stage.APPROVED, who.name))

    async def reject(self, id_: str, reason: str, who: Operator) -> Card:
        """
        Decide against a suggestion, also against one that is approved and not being sent yet.
        """
        said = _words(reason)
        async with self._rooms.suggesting.turn(id_) as one:
            if one is not None and one.stage is Stage.APPROVED and id_ not in self._rooms.suggesting.busy:
                stands = one
            else:
                stands = _open(one, id_)
            self._admit(stands, who)
            return row(await self._rooms.suggesting.decide(stands, Stage.REJECTED, who.name, said))

    async def edit(self, id_: str, sets: Sequence[str], reason: str, who: Operator) -> Card:
        """
        Put another request in the place of the one that waits: judged anew, on record, and not approved by that.

        Raise `StartRefused` where it is no edit, or where a rule refuses what it makes.
        """
        said = _words(reason) if reason else ""
        async with self._rooms.suggesting.turn(id_) as one:
            stands = _open(one, id_)
            self._admit(stands, who)
            stands, showing, parked = await self._still_good(stands)
            self._admit(stands, who)
            request = edited(parked.call.request, sets)
            apart = distance(parked.call.request, request)
            verdict = await self._judged(self._anew(parked.call, request), stands)
            after, shown, credential = offered(
                stands, parked.offer, verdict, self._rooms.suggesting.nonce(), self._rooms
            )
            micros = _moved(showing, verdict)
            made = Edit(who.name, said, apart.changed, apart.leaves, micros)
            after = await self._rooms.suggesting.records.edited(after, verdict, shown, credential, made)
            # Stop here: on record. The next start shows the edited one.
            await self._rooms.suggesting.tell(stands, after)
        return await self.shown(id_)

    async def _known(self, id_: str) -> Suggested:
        one = await self._rooms.store.suggestion(id_)
        if one is None:
            known = [each.id for each in await self._rooms.store.suggestions()]
            raise StartRefused(f"no suggestion is known as '{id_[:40]}'", did_you_mean(id_, known) or LIST_HINT)
        return one

    async def _showing(self, one: Suggested) -> Showing:
        try:
            return await asyncio.to_thread(self._rooms.suggesting.records.of, one.id, one.place)
        except LookupError:
            hint = "what it would send stands in the record of the process that parked it: ask that one"
            raise StartRefused(f"suggestion {one.id} is not in this record", hint) from None
        except OSError as error:
            raise StartRefused(f"the record cannot be read: {error.strerror}", "see the state folder's disk") from None

    def _operation(self, showing: Showing, one: Suggested) -> Operation | None:
        try:
            return rebuild(showing, one, self._rooms).call.operation
        except LookupError:
            return None

    async def _totals(self) -> tuple[Total, ...]:
        try:
            return await self._rooms.store.totals()
        except StoreUnavailable:
            return ()

    def _admit(self, one: Suggested, who: Operator) -> None:
        """
        Refuse whoever may not decide about a suggestion.
        """
        if not who.personal:
            hint = "`breakwater operator mint NAME` makes one; show it with --token FILE or BREAKWATER_OPERATOR_TOKEN"
            raise StartRefused("only a person decides, and the token in the state folder is nobody's", hint)
        if lacking := [role for role in needed(one.roles) if not who.holds(role)]:
            raise StartRefused(f"{who.name} does not hold {listed(lacking)}", "see `operators` in the configuration")
        rules = self._rooms.policy.agents.get(one.agent)
        if rules is not None and who.name in rules.barred:
            raise StartRefused(
                f"{who.name} is an owner of {one.agent}", "its card has `owners_approve: false`: ask somebody else"
            )

    async def _still_good(self, one: Suggested) -> tuple[Suggested, Showing, Rebuilt]:
        """
        Return a suggestion as the policy in force has it, put together again; end it where what it was shown for is no
        more.
        """
        if one.expires <= self._rooms.clock.now():
            await self._rooms.suggesting.end(one, Stage.EXPIRED, "time")
            raise StartRefused(f"suggestion {one.id} has expired", ANEW)
        await self._showing(one)
        one = await in_force(one, self._rooms)
        if one.stage is not Stage.OPEN:
            raise StartRefused(f"suggestion {one.id} is void: {WHY.get(one.why, one.why)}", ANEW)
        found = await recall(one, self._rooms)
        if isinstance(found, Recalled):
            return one, found.showing, found.parked
        why = found.why
        if why == "left-out":
            hint = "reject it; an operation whose request cannot be kept is made by hand"
            raise StartRefused("a part of this request is never stored, so it cannot be sent from here", hint)
        await self._rooms.suggesting.end(one, Stage.VOID, why)
        said = WHY.get(why) or found.detail.rstrip(".") or why
        raise StartRefused(f"suggestion {one.id} is void: {said}", ANEW)

    def _anew(self, call: Call, request: object) -> Call:
        account = self._rooms.accounts[call.api]
        try:
            after = replace(call, request=request, operation=retyped(request, account))  # type: ignore[arg-type]
        except LookupError as no:
            raise StartRefused(f"this is no request of this API: {no}", "nothing was changed") from None
        names = after.names
        assert names is not None
        return replace(after, names=replace(names, effect=named_effect(after, self._rooms.namer)))

    async def _judged(self, call: Call, one: Suggested) -> Suggest:
        match await judged_anew(call, self._rooms):
            case Suggest() as verdict:
                return verdict
            case Refuse() as no:
                raise StartRefused(
                    f"the edited request would be refused ({no.reason}): {no.detail}", "nothing was changed"
                )
            case Repeat():
                raise StartRefused(f"the edited request was made already, beside {one.id}", "nothing was changed")


def _open(one: Suggested | None, id_: str) -> Suggested:
    if one is None:
        raise StartRefused(f"no suggestion is known as '{id_[:40]}'", LIST_HINT)
    if one.stage is not Stage.OPEN:
        how = {Stage.APPROVED: "it was approved, and is about to be sent", Stage.EXECUTING: "it is being sent"}
        said = how.get(one.stage, f"it has ended ({one.stage})")
        raise StartRefused(f"suggestion {one.id} does not wait any more: {said}", LIST_HINT)
    return one


def _words(text: str) -> str:
    said = text.strip()
    if not said:
        raise StartRefused("a word against a write needs its reason", "say with --reason why")
    if len(said) > REASON_CHARS_MAX:
        raise StartRefused(f"the reason has more than {REASON_CHARS_MAX} characters", "say where the rest of it stands")
    return said


def _moved(showing: Showing, verdict: Suggest) -> int | None:
    """
    Return how much more an edited write moves, in micro-units; None where that is not known of either.
    """
    was = json.loads(showing.shown)["moves"]
    if was is None and verdict.amount_micros is None:
        return 0
    if was is None or verdict.amount_micros is None or was["currency"] != verdict.currency:
        return None
    return verdict.amount_micros - int(was["micros"])
