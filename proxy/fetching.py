"""
What conditions look at: reads of the same API, made by Breakwater with its own credential, and kept for a moment.

The request is built from the card's look-up and the values that judgement filled in: of the call it takes the headers
that choose whose object is touched, which a card has listed, and nothing else. Two look-ups that are the same request
to the same account under the same credential are one: while it is under way whoever comes joins it, and for a few
seconds its answer is used again, until a write to that account begins or ends. A list is read to its end, within three
pages, or nothing is known. Whatever is not certain is said in words, and refuses the call that asked.

A look-up is on record under the call that it was made for; who used it again has on record under which call it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from breakers.call import Call, Fault
from breakers.facts import Fetch, Fetched
from config.catalog import Kind, OperationSpec, Place
from config.dialect import Continues
from config.faults import Unreadable
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused
from proxy.pages import goes_on, joined, next_query, without_parts
from proxy.passes import Look
from proxy.recent import Answer
from proxy.rooms import Rooms
from proxy.sight import Plan, Taken, look_of, take

PAGES_MAX = 3
"""Pages of one list: what does not end there is not a list that a condition can be about."""

PAGE_BYTES_MAX = 1024 * 1024
"""Of one page: a hundred objects of any vendor bundled here."""

NO_ID = "what it is taken from is no id"

NO_MANNERS: frozenset[str] = frozenset()
"""Of an agent's headers none goes along: a version or a form that it asks for would change what is seen."""


async def fetch_all(fetches: Iterable[Fetch], call: Call, rooms: Rooms, total_s: float) -> Mapping[Fetch, Fetched]:
    """
    Make the look-ups that a judgement asked for, and return what each showed, or why nothing is known.

    Raise `LedgerUnavailable` where the record of one is not taken any more.
    """
    wanted = tuple(dict.fromkeys(fetches))
    answers = await asyncio.gather(*(_fetched(fetch, call, rooms, total_s) for fetch in wanted))
    return dict(zip(wanted, answers, strict=True))


async def _fetched(fetch: Fetch, call: Call, rooms: Rooms, total_s: float) -> Fetched:
    account = rooms.accounts[call.api]
    (spec, *_) = account.catalog.named(fetch.operation)
    plan = plan_of(fetch, spec, account.dialect.style)
    look = look_of(plan, call, rooms, total_s, NO_MANNERS)
    if look is None:
        return Fetched(failed=NO_ID)
    key = (call.api, spec.base, look.wire.target, call.request.redirecting, look.wire.credential.ref)
    reading = _Reading(fetch.name, plan, look, call, rooms)
    writes, cache_s = partial(rooms.forward.written, call.api), rooms.settings.conditions.cache_s
    found = await rooms.recent.once(key, reading.made, writes, rooms.clock.monotonic, cache_s)
    if found.call != call.id:
        rooms.ledger.lookups.used(call, fetch.name, spec.name, found.call)
    return found


def plan_of(fetch: Fetch, spec: OperationSpec, style: str) -> Plan:
    """
    Return the read that a look-up is, its arguments spelled as the API spells them.
    """
    path, query = {}, []
    for name, text in fetch.arguments:
        if (Place.PATH, name) in spec.arguments:
            path[name] = text
            continue
        listed = spec.arguments[Place.QUERY, name].kind is Kind.ARRAY and style == "bracket"
        query.append((f"{name}[]" if listed else name, text))
    return Plan.of(spec.name, path, tuple(query))


@dataclass(frozen=True, slots=True)
class _Reading:
    """
    One look-up: its name, the read, the pass for its first page, and for whom it is made.
    """

    name: str
    plan: Plan
    look: Look
    call: Call
    rooms: Rooms

    async def made(self) -> Answer:
        """
        Make it, page by page, and say what it showed.
        """
        try:
            data, size = await self._whole()
        except Unreadable as failed:
            return Answer(Fetched(at=self.rooms.clock.now(), call=self.call.id, failed=failed.message), 0)
        return Answer(Fetched(data, self.rooms.clock.now(), self.call.id), size)

    async def _whole(self) -> tuple[object, int]:
        loop, account = asyncio.get_running_loop(), self.rooms.accounts[self.call.api]
        ends, signs = loop.time() + (self.look.total_s or 0), account.dialect.pages
        plan, look, size = self.plan, self.look, 0
        whole: object = None
        more: Continues | None = None
        for number in range(PAGES_MAX):
            taken = await take(replace(look, total_s=max(ends - loop.time(), 0.001)), self.rooms, PAGE_BYTES_MAX)
            self.rooms.ledger.lookups.made(self.call, self.name, look, taken.outcome, taken.body)
            page = _shown(taken, f"{account.title} did not show `{look.spec.name}`")
            size += len(taken.body)
            whole = page if number == 0 else joined(whole, page)
            more = goes_on(page, taken.outcome.headers, signs)
            if whole is None or more is None:
                break
            query = next_query(page, taken.outcome.headers, more, plan.query)
            plan = replace(plan, query=query or ())
            found = look_of(plan, self.call, self.rooms, look.total_s or 0, NO_MANNERS) if query else None
            if found is None:
                break
            look = found
        if whole is None or more is not None:
            raise Unreadable(f"`{look.spec.name}` goes on beyond what is read of it")
        return without_parts(whole, signs), size


def _shown(taken: Taken, failed: str) -> object:
    outcome = taken.outcome
    if outcome.fault is Fault.TIMEOUT:
        raise Unreadable(f"{failed} in time")
    if outcome.status != 200 or outcome.fault is not None:
        raise Unreadable(f"{failed} ({outcome.status or 'no answer'})")
    if taken.cut:
        raise Unreadable(f"{failed}: it is larger than {PAGE_BYTES_MAX} bytes")
    try:
        return parse_json(taken.body)
    except Refused:
        raise Unreadable(f"{failed} as JSON") from None
