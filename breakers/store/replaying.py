"""
A process's ledger told to a server that several share, over what is there: many steps at once, most of which are new to
one that was emptied, and say nothing new to one that was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from breakers.store.charged import Charged
from breakers.store.envelopes import Envelopes
from breakers.store.history import Told, ending
from breakers.store.intents import Intents
from breakers.store.moves import Retention
from breakers.store.notices import last_judged

AT_ONCE = 16
"""How many steps of a replay are under way at once, so that judgement has connections left."""


@dataclass(frozen=True, slots=True)
class Replay:
    """
    What a replay needs to know beside the ledger: where it tells it, and what this process has in flight.
    """

    intents: Intents
    charged: Charged
    envelopes: Envelopes
    carried: frozenset[str]

    async def tell(self, said: Told, at: datetime, retention: Retention) -> None:
        """
        Tell all of it. Nothing is made anew of what is over by now; what lingers from before is settled all the same.
        """
        lingering = await self.intents.lingering()
        over = {one for one, told in said.by_intent.items() if one not in lingering and told.is_over(at, retention)}
        told = {one: (each.opened.charges, each.spent) for one in over if (each := said.by_intent[one]).opened.charges}
        calls = told | {call: (held.charges, said.spent.get(call)) for call, held in said.reads.items()}
        counted = await self.charged.counted(tuple(calls))
        # What was raised is known before anything is counted: where somebody was judged already, counting raises.
        for id_, raised in said.alerts.items():
            await self.charged.raised(raised.alert, waits=id_ in said.undelivered)
        await _all(self._of_intents(said, lingering, over))
        await _all(self.charged.count(call, *calls[call]) for call in calls if call not in counted)
        await self.charged.hold_again(said.reads)
        await _all(self.charged.count_end(call, said.spent[call]) for call in said.spent.keys() - said.reads.keys())
        writes = ((told.opened.at, told.opened.charges) for told in said.by_intent.values())
        reads = ((held.at, held.charges) for held in said.reads.values())
        await _all(self.charged.judged(made, charge) for made, charge in last_judged(chain(writes, reads)))
        # What is told of a task needs it to be there.
        for events in (said.tasks.values(), said.closed.values(), said.revoked.values()):
            await _all(self.envelopes.apply(event) for event in events)

    def _of_intents(self, said: Told, lingering: frozenset[str], over: set[str]) -> Iterator[Awaitable[object]]:
        for intent, told in said.by_intent.items():
            if intent not in over:
                yield self.intents.replay(told, carried=intent in self.carried)
        for intent in lingering & said.ends.keys():
            yield self.intents.change(intent, None, ending(None, said.ends[intent]))


async def _all(steps: Iterable[Awaitable[object]]) -> None:
    left = iter(steps)
    while some := tuple(islice(left, AT_ONCE)):
        for lost in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(lost, BaseException):
                raise lost
