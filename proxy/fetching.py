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
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from breakers.call import Call, Fault
from breakers.facts import Fetch, Fetched
from config.catalog import Kind, OperationSpec, Place
from proxy.account import Account
from proxy.canonical.jsons import parse_json
from proxy.errors import Refused
from proxy.pages import Pairs, goes_on, joined, next_query, without_parts
from proxy.passes import Look
from proxy.rooms import Rooms
from proxy.sight import SIGHT_BYTES_MAX, Plan, Taken, look_of, take

PAGES_MAX = 3
"""Pages of one list: what does not end there is not a list that a condition can be about."""

KEPT_MAX = 512
"""Answers that are kept at once; they are kept for seconds."""

KEPT_BYTES_MAX = 64 * 1024
"""Of one answer that is kept; a larger one is asked for anew."""

NO_MANNERS: frozenset[str] = frozenset()
"""Of an agent's headers none goes along: a version or a form that it asks for would change what is seen."""

Key = tuple[str, str, str, Pairs, str]
"""API account, base, request target, the headers that choose whose object it is, the version of the credential."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """
    An answer: until when it may be used again, and how many writes there had been when it was asked for.
    """

    fetched: Fetched
    until: float
    writes: int


class Fetching:
    """
    The look-ups that are under way, and those that were made a moment ago.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._under_way: dict[Key, tuple[asyncio.Task[tuple[Fetched, int]], int]] = {}
        self._waiting: dict[Key, int] = {}

    def __repr__(self) -> str:
        return f"Fetching({len(self._kept)} kept, {len(self._under_way)} under way)"

    async def ask(self, fetches: Iterable[Fetch], call: Call, rooms: Rooms, total_s: float) -> Mapping[Fetch, Fetched]:
        """
        Make the look-ups that a judgement asked for, and return what each showed, or why nothing is known.

        Raise `LedgerUnavailable` where the record of one is not taken any more.
        """
        wanted = tuple(dict.fromkeys(fetches))
        answers = await asyncio.gather(*(self._one(fetch, call, rooms, total_s) for fetch in wanted))
        return dict(zip(wanted, answers, strict=True))

    async def _one(self, fetch: Fetch, call: Call, rooms: Rooms, total_s: float) -> Fetched:
        account = rooms.accounts[call.api]
        (spec, *_) = account.catalog.named(fetch.operation)
        plan = plan_of(fetch, spec, account)
        look = look_of(plan, call, rooms, total_s, NO_MANNERS)
        if look is None:
            return Fetched(failed="what it is taken from is no id")
        key = (call.api, spec.base, look.wire.target, call.request.redirecting, look.wire.credential.ref)
        kept = self._kept.get(key)
        if kept is not None and kept.until > rooms.clock.monotonic() and kept.writes == rooms.forward.written(call.api):
            found = kept.fetched
        else:
            found = await self._joined(key, _Reading(fetch, plan, look, call, rooms, total_s))
        if found.failed is None and found.call != call.id:
            rooms.ledger.lookups.used(call, fetch.name, spec.name, found.call)
        return found

    async def _joined(self, key: Key, reading: _Reading) -> Fetched:
        """
        Make a look-up, or join the same one; it ends early only where nobody waits for it any more.
        """
        writes = reading.rooms.forward.written(reading.call.api)
        task, since = self._under_way.get(key, (None, writes))
        if task is None or since != writes:
            # What was asked for before a write says nothing of what is there after it.
            task = asyncio.get_running_loop().create_task(reading.made())
            self._under_way[key] = (task, writes)
            task.add_done_callback(lambda done: self._ended(key, done, writes, reading))
            self._waiting[key] = 0
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            fetched, _ = await asyncio.shield(task)
            return fetched
        except asyncio.CancelledError:
            self._waiting[key] -= 1
            if self._waiting[key] == 0:
                task.cancel()
            raise

