"""One row of the table at a time, or two where they strike different replicas, with everything that is asked of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.asking import EXECUTED, Asker, Purse, Told
from tests.chaos.fleet import HEALS_S, Fleet
from tests.chaos.table import REFUSED, SERVED, UPSTREAMS_OWN, Row
from tests.crash.load import Said
from tests.crash.waiting import until

# How many writes are asked at once of each replica that a fault strikes.
PROBES = 3

# How many of them pass before it is called whole: enough for every worker to be met.
HEALED = 2


@dataclass(eq=False, slots=True)
class Walk:
    """
    The walk along the table: which row it is at, and what was counted and measured.
    """

    fleet: Fleet
    said: Said
    asker: Asker
    row: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    refused: list[Told] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    async def meet(self, struck: Mapping[int, Row]) -> None:
        """
        Go through rows: each strikes the replica under its number.
        """
        self.row += 1
        purse = Purse(self.row, self.fleet, self.asker)
        await purse.open(at=self.row % len(self.fleet.sites))
        await purse.begin()
        try:
            async with self._struck(struck):
                for at, row in struck.items():
                    if row.noticed:
                        await self.refuses(at)
                told = await asyncio.gather(*(self._probed(at, row) for at, row in struck.items()))
                for at in range(len(self.fleet.sites)):
                    await purse.pay(at)
                    await purse.read(at)
            await self.whole()
            await purse.end()
            self.counted += purse.hold()
            for one in told:
                self.counted += one
        except AssertionError as error:
            names = " and ".join(row.name for row in struck.values())
            error.add_note(f"row {self.row}: {names}; {purse.told}; not ready because {await self.fleet.why()}")
            raise

    @contextlib.asynccontextmanager
    async def _struck(self, struck: Mapping[int, Row]) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            met = [Counter(wire.met) for wire in self.fleet.wires]
            for happens in {row.happens for row in struck.values() if row.happens is not None}:
                await stack.enter_async_context(happens(self.fleet))
            for at, row in struck.items():
                if row.fault is not None:
                    self.fleet.wires[at].begin(row.fault)
            yield
            for at, row in struck.items():
                if row.fault is not None:
                    await self._met(at, row, met[at])
                    self.fleet.wires[at].heal()

    async def _met(self, at: int, row: Row, before: Counter[str]) -> None:
        """
        Wait until a wire has done what its row is about: what a replica was about to send may have been dropped by now,
        and on a busy machine it takes its time to ask again.
        """
        wanted = row.meets or "answered here"

        def did() -> bool:
            return (self.fleet.wires[at].met - before)[wanted] >= row.times

        await until(did, HEALS_S)

    async def refuses(self, at: int) -> None:
        """
        Wait until every process of a replica has noticed that it cannot rely on what it shares.
        """
        await until(self.fleet.sites[at].away, HEALS_S)
        assert (await self.asker.write(at, self.row)).word in REFUSED

    async def _probed(self, at: int, row: Row) -> Counter[str]:
        """
        Ask a replica that a fault strikes: writes and a read at once, beside a call that needs no store.
        """
        writes = [self.asker.write(at, self.row) for _ in range(PROBES)]
        path = f"/v1/customers/{self.fleet.customers[0]}"
        said = await asyncio.gather(*writes, self.asker.read(at, path), self.asker.no_operation(at))
        *written, read, control = said
        # A machine that is busy misses a deadline now and then, where nothing is wrong.
        allowed = (REFUSED if row.noticed else row.writes) | REFUSED | UPSTREAMS_OWN
        words = Counter(one.word for one in written)
        assert set(words) <= allowed, f"{row.name}: writes were answered {words}"
        assert read.word == EXECUTED, f"{row.name}: a read was answered {read.word}"
        if row.writes == SERVED:
            await self.writes(at)
        refused = [one for one in written if one.word in REFUSED]
        self.refused += refused
        if row.waits and refused:
            # All that they waited for beside what the machine takes anyway.
            self.waited.append(min(one.took_s for one in refused) - control.took_s)
        return Counter({f"writes {word}": count for word, count in words.items()}) + Counter({"reads served": 1})

    def p99_ms(self) -> int:
        """
        Return what all but one of a hundred refused writes were answered within.
        """
        took = sorted(one.took_s for one in self.refused)
        return round(1000 * took[-(-99 * len(took) // 100) - 1])

    async def whole(self) -> None:
        """
        Wait until every replica writes again, without anybody's doing anything.
        """
        for at in range(len(self.fleet.sites)):
            await self.writes(at)

    async def writes(self, at: int) -> None:
        """
        Wait until a replica writes, and whichever process of it is asked.
        """

        async def all_executed() -> bool:
            said = await asyncio.gather(*(self.asker.write(at, self.row) for _ in range(HEALED)))
            return all(one.word == EXECUTED for one in said)

        await until(all_executed, HEALS_S)


def pairs(rows: Sequence[Row]) -> Iterable[Mapping[int, Row]]:
    """
    Yield rows of wires two at a time, each for a replica.
    """
    half = (len(rows) + 1) // 2
    for at in range(half):
        yield dict(enumerate(rows[at::half]))
