"""
What moves breakers, behind the road: what was counted, results of calls that may heal, time, and operators.

What the road counted is told to the store: at once where something failed, else with the next look. The answer, the
sums of all processes, is judged by the rules; a breaker that is on its way back is told each result by itself. Time
moves them as well. Whatever moves is put in the place of what was seen; another that was faster wins, and is looked at
anew.

Every transition is on record, then announced, then a metric. Where it cannot be put on record that waits; the breaker
does not.

What the store was asked and has not answered may have been done. So the very same is asked again before anything else:
what was counted is not counted twice, a result does not heal twice, and a transition that was made is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from breakers.breaker import Breaker, Delta, State, Sums
from breakers.observe import Result, after, due, refunded, told, tripped
from breakers.store.protocol import Store, StoreUnavailable
from proxy.announcing import Announcer
from proxy.clock import Clock
from proxy.errors import LedgerUnavailable
from proxy.ledger.notices import Notices
from proxy.logline import Log
from proxy.sampler import Sampler
from proxy.sampling import BUCKET_S, bucket_of

EVERY_S = 0.25
"""Between two looks: how late a fleet's sums are, and how late time moves a breaker."""

AWAKE_S = 2.0
"""A process that has nothing to tell says so this often: whoever was not heard of for five seconds is gone."""

TIMES = 4
"""As often another process may be faster before the next look has to see to it."""

KEPT_S = 300
"""What could not be told to the store is of no use after this long."""

To = Callable[[Breaker | None], Breaker | None]
"""What becomes of a breaker as it was found; None leaves it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """
    A breaker that moved, and under which id that is told; `here` is one of this process alone.
    """

    before: Breaker | None
    after: Breaker
    notice: str
    here: bool = False

    @property
    def was(self) -> State:
        """
        Return the state that it was in.
        """
        return State.PASSING if self.before is None else self.before.state


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A move that the store has not answered. `to` makes it anew where it was not made; an operator, who was told
    that the store is away, has none.
    """

    known: Breaker | None
    wanted: Breaker
    to: To | None


class Observer:
    """
    The breakers of one process: how they stand as it last saw them, what moves them, what is to be told of that.

    `draw` returns a number from [0, 1); `on_move` is what the metrics are told.
    """

    def __init__(
        self,
        sampler: Sampler,
        store: Store,
        records: Notices,
        announcer: Announcer,
        log: Log,
        clock: Clock,
        draw: Callable[[], float],
        on_move: Callable[[Breaker], None],
        replica: str,
    ) -> None:
        self._sampler, self._store, self._records, self._announcer = sampler, store, records, announcer
        self._log, self._clock, self._draw, self._on_move, self._replica = log, clock, draw, on_move, replica
        self._untold: deque[Transition] = deque()
        # What has no answer yet: a move, and a report.
        self._asked: Asked | None = None
        self._reported: tuple[Delta, ...] = ()
        # By key: what results and calls that are over make of breakers, in their order.
        self._steps: deque[tuple[str, To]] = deque()
        self._turn = asyncio.Lock()
        self._heard = float("-inf")

    def __repr__(self) -> str:
        return f"Observer({self._sampler!r}, {len(self._untold)} not on record)"

    def all(self) -> tuple[Breaker, ...]:
        """
        Return the breakers as this process last saw them, by key, and those that keep it back alone.
        """
        sampler = self._sampler
        return (*(sampler.view[key] for key in sorted(sampler.view)), *sampler.here.all())

    async def change(self, key: str, to: To) -> Breaker | None:
        """
        Put what `to` makes of a breaker in its place, and have that on record and told; None where it makes nothing.

        Raise `StoreUnavailable` where the store cannot be asked, or another is faster each time.
        """
        async with self._turn:
            await self._ask_again()
            for _ in range(TIMES):
                await self._see()
                known = self._sampler.view.get(key)
                wanted = to(known)
                if wanted is None:
                    return None
                if await self._put(known, wanted):
                    await self._tell()
                    return wanted
        raise StoreUnavailable("the breaker keeps moving")

    async def watch(self) -> None:
        """
        Look for ever.
        """
        bell, pause_s = self._sampler.bell, 0.0 if self._store.kind == "memory" else EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await bell.wait()
            bell.clear()
            try:
                await self.look()
            except StoreUnavailable:
                # What was counted waits; how breakers stand is as it was last seen.
                await asyncio.sleep(EVERY_S)
            except Exception as error:  # whatever it is: the next look is another attempt
                self._log.failure("", error)
                await asyncio.sleep(EVERY_S)
            await asyncio.sleep(pause_s)

    async def look(self) -> None:
        """
        Count what takes too long, tell the store what was counted, and move what that, results and time move.

        Raise `StoreUnavailable` where the store cannot be asked.
        """
        async with self._turn:
            self._sampler.overdue()
            try:
                await self._ask_again()
                await self._see()
                self._sampler.alone.over()
            except StoreUnavailable:
                self._sampler.alone.look(self._sampler.view, self._clock.now())
                raise
            await self._judge()
            await self._count()
            await self._pass_time()
            await self._tell()

    async def end(self) -> None:
        """
        Look once more, whatever comes of it: a stop does not wait for it.
        """
        try:
            with contextlib.suppress(StoreUnavailable):
                await self.look()
        except Exception as error:  # whatever it is: the stop goes on
            self._log.failure("", error)

    async def _see(self) -> None:
        self._sampler.saw({breaker.key: breaker for breaker in await self._store.breakers()})

    async def _judge(self) -> None:
        """
        Tell each breaker on its way back what came in, in its order, and take permits back that proved nothing.
        """
        sampler = self._sampler
        while sampler.results:
            admitted, outcome, slow = sampler.results.popleft()
            for key, gen in admitted.heals.items():
                watch = sampler.gauging.of(key).watch
                result = told(key, admitted.call, gen, outcome, slow=slow, watch=watch)
                self._steps.append((key, partial(self._after, result)))
        while sampler.over_calls:
            call = sampler.over_calls.popleft()
            for key in [key for key, one in sampler.view.items() if one.probe is not None and one.probe.call == call]:
                self._steps.append((key, partial(_given_back, call)))
        while self._steps:
            key, to = self._steps.popleft()
            try:
                await self._move(key, to)
            except BaseException:
                if self._asked is None:
                    self._steps.appendleft((key, to))
                raise

    def _after(self, result: Result, known: Breaker | None) -> Breaker | None:
        return None if known is None else after(known, result, self._clock.now(), self._draw())

    async def _count(self) -> None:
        """
        Tell the store what was counted, and judge by what it says.
        """
        self._reported, now = self._reported or self._sampler.counts.take(), self._clock.monotonic()
        if not self._reported and (self._store.kind == "memory" or now - self._heard < AWAKE_S):
            return
        try:
            summed = await self._store.count(self._reported, self._replica)
        except StoreUnavailable:
            self._sampler.counts.forget(bucket_of(self._clock.now()) - KEPT_S // BUCKET_S)
            raise
        self._reported, self._heard = (), now
        for sums in summed:
            await self._weigh(sums)

    async def _weigh(self, sums: Sums) -> None:
        sampler, at = self._sampler, self._clock.now()
        thresholds, handed = sampler.gauging.of(sums.key), sampler.handed(sums.key)
        moved = await self._move(sums.key, lambda known: tripped(known, sums, thresholds, at, self._draw(), handed))
        if moved is not None or thresholds.off or thresholds.watch:
            return
        here = sampler.here.judge(sums, self._clock.monotonic(), at, self._draw())
        if here is not None:
            self._untold.append(Transition(None, here, self._notice_here(here), here=True))

    async def _pass_time(self) -> None:
        """
        Move what time alone moves.
        """
        sampler, at = self._sampler, self._clock.now()
        for key in [key for key, one in sampler.view.items() if one.until is not None or one.probe is not None]:
            await self._move(key, lambda known: None if known is None else due(known, at, self._draw()))
        for here in sampler.here.over(at):
            passing = replace(here, state=State.PASSING, since=at, until=None, why="its time is over")
            self._untold.append(Transition(here, passing, f"{self._notice_here(here)}/over", here=True))

    def _notice_here(self, here: Breaker) -> str:
        since = 0 if here.since is None else int(here.since.timestamp())
        return f"{here.key}@{self._replica}#{since}"

    async def _move(self, key: str, to: To) -> Breaker | None:
        for _ in range(TIMES):
            known = self._sampler.view.get(key)
            wanted = to(known)
            if wanted is None or await self._put(known, wanted, to):
                return wanted
            await self._see()
        return None

    async def _put(self, known: Breaker | None, wanted: Breaker, to: To | None = None) -> bool:
        self._asked = Asked(known, wanted, to)
        is_made = await self._store.move(known, wanted)
        self._asked = None
        if is_made:
            self._made(known, wanted)
        return is_made

    async def _ask_again(self) -> None:
        """
        See what became of the move that has no answer.
        """
        one = self._asked
        if one is None:
            return
        if one.to is not None:
            if not await self._put(one.known, one.wanted, one.to):
                self._steps.appendleft((one.wanted.key, one.to))
            return
        await self._see()
        self._asked, stands = None, self._sampler.view.get(one.wanted.key)
        if stands is not None and (stands.gen, stands.state, stands.since) == (
            *(one.wanted.gen, one.wanted.state, one.wanted.since),
        ):
            self._made(one.known, stands)

    def _made(self, known: Breaker | None, wanted: Breaker) -> None:
        self._sampler.saw({**self._sampler.view, wanted.key: wanted})
        if wanted.gen != (0 if known is None else known.gen):
            # A breaker that rested for long begins anew with its generations, and receivers know an id for longer.
            since_s = 0 if wanted.since is None else int(wanted.since.timestamp())
            self._untold.append(Transition(known, wanted, f"{wanted.key}#{wanted.gen}.{since_s}"))

    async def _tell(self) -> None:
        """
        Put on record what has moved, and announce it; what cannot be put there waits for the next look.
        """
        while self._untold:
            one = self._untold[0]
            # Stop here: it has moved, and nobody knows. A store of one process forgets that with it.
            try:
                await self._records.breaker_changed(one.before, one.after, one.notice, here=one.here)
            except LedgerUnavailable:
                return
            self._untold.popleft()
            self._announcer.say("breaker", one.notice, self._said(one))
            self._on_move(one.after)

    def _said(self, one: Transition) -> dict[str, object]:
        breaker = one.after
        return {
            "breaker": breaker.key,
            "was": str(one.was),
            "state": str(breaker.state),
            "until": None if breaker.until is None else breaker.until.isoformat(),
            "why": breaker.why,
            "by": breaker.by or None,
            "here": one.here or None,
            "watch": self._sampler.gauging.of(breaker.key).watch or None,
        }


def _given_back(call: str, known: Breaker | None) -> Breaker | None:
    return None if known is None else refunded(known, call)
