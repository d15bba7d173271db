r"""
What calls hold and have taken of the caps above them, where several processes share that.

| key | what it holds |
|---|---|
| `total:NODE\|PERIOD\|MEASURE` | a total, what of its cap it has reached, and what was told of that |
| `hold:CALL` | what a call holds, or that it was counted; without a TTL while it holds anything |
| `lapsing` | calls whose hold lapses, by when on the server's clock: those that may not be on record |
| `totals`, `fading` | every total by name; those of which nothing is held by when they may be forgotten |
| `alerts` | what was told and not delivered yet |

A write's hold lapses with its claim. A read has none: what it may take is held until its end, or until no read can be
under way any more; then it is taken whole, because it may be on the record of a replica that is gone. Holds that have
lapsed are given up one by one, where they stand in the way and once a minute. Each says which replica holds it: what a
replica that begins finds there of its own, and not on its record, was never sent, and is undone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from breakers.known import Ended, State
from breakers.spend import LIFE, Alert, Charge, Notice, Total, amounts, reached_at
from breakers.store import moves
from breakers.store.link import Shared, reading, text
from breakers.store.packed import micros, millis, moment, pack_charges, unpack_charges
from breakers.store.protocol import Exhausted, StoreUnavailable
from config.caps import COUNT_MAX

KEPT, KEPT_LIFE = timedelta(days=40), timedelta(days=1)
"""How long a total is kept when its period is over, so that a clock that is set back finds it; tasks and tokens end."""

READ_HELD_S = 86_400.0
"""When what a read holds counts as taken, if nobody has said how it ended: far longer than any read may take."""

ROUNDS = 16
"""How often a few holds that have lapsed are given up before a call is told that there is no room."""

GIVEN_UP_MS = round(moves.GIVEN_UP.total_seconds() * 1000)
"""How long after its lease a claim that nobody took over may still be dispatched."""

READ_AT_ONCE = 64
"""How many totals are read in one step, so that nobody waits for it."""

ASKED_AT_ONCE = 256
"""Of how many calls of a replay it is asked in one step whether they were counted."""

# What no cap has room for, and a double holds exactly.
_BEYOND = COUNT_MAX + 2

# Of a total at which nobody was charged: longer than what is replayed reaches back.
_UNCHARGED = 2 * KEPT

Told = str | int | bytes

Said = tuple[str, tuple[Any, ...]]
"""The word that a script answers, and what it says beside."""

BOOK = ("lapsing", "totals", "fading", "alerts")


def keys_of(call: str) -> tuple[str, ...]:
    """
    Return the keys that a script needs for the charges of a call, but for the totals.
    """
    return (f"hold:{call}", *BOOK)


def totals_of(charges: tuple[Charge, ...]) -> tuple[str, ...]:
    """
    Return the keys of the totals that a call is charged at.
    """
    return tuple(f"total:{charge.key}" for charge in charges)


class Owed(NamedTuple):
    """
    What is to become of what a call holds, in the words of the script that sees to it, and what it took.
    """

    what: str
    charges: tuple[Charge, ...]
    spent: tuple[int, ...] = ()


class Charged:
    """
    The charges of calls, over what is shared.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        # The reads of this process that hold something, and those whose end the server has not taken yet.
        self._held: dict[str, tuple[Charge, ...]] = {}
        # What this process's holds are known by when it is gone; nothing where nobody has said.
        self.replica = ""
        self.owed: dict[str, Owed] = {}

    def __repr__(self) -> str:
        return f"<Charged held={len(self._held)} owed={len(self.owed)}>"

    def told(self, charges: tuple[Charge, ...], spent: tuple[int, ...] = (), *, ask: bool = False) -> list[Told]:
        """
        Return what a script is told of charges; all of each was taken where nothing else is said of each.

        Where they `ask` for room, what no cap has room for is told as a number that a script compares exactly.
        """
        at = self._now()
        took = spent if len(spent) == len(charges) else amounts(charges)
        said: list[Told] = []
        for charge, taken in zip(charges, took, strict=True):
            until = charge.until
            kept = 0 if until is None else max(1, millis(_kept(charge.period, until)) - millis(at))
            said += (
                _BEYOND if ask and charge.amount > COUNT_MAX else charge.amount,
                max(0, taken),
                kept,
                "" if until is None else micros(until),
                charge.cap,
                _points(charge),
            )
        return said

    def at(self) -> int:
        """
        Return the moment that alerts are raised at.
        """
        return micros(self._now())

    async def admitted(self, charges: tuple[Charge, ...], ask: Callable[[int], Awaitable[Any]]) -> Said | Exhausted:
        """
        Return what a script says that takes charges, once what has lapsed does not stand in its way any more.

        `ask` runs it, and is told whether it is the last time.
        """
        for tried in range(ROUNDS + 1):
            word, *rest = await ask(int(tried == ROUNDS))
            match word:
                case b"lapsed":
                    await self._give_up(text(call) for call in rest)
                case b"exhausted":
                    number, settled, held = rest
                    return Exhausted(charges[number - 1], int(settled), int(held))
                case _:
                    return text(word), tuple(rest)
        raise ValueError("a script does not know that this was the last time")

    async def hold(self, call: str, charges: tuple[Charge, ...], wishes: tuple[Told, ...]) -> Said | Exhausted:
        """
        Hold what a read may take and give it what it wishes for, or say which cap has no room.

        Whoever is not told so does not send it, so that what it may hold all the same is given back.
        """
        keys = ("epoch", *keys_of(call), "breakers", *totals_of(charges))

        async def ask(last: int) -> Any:
            told = (call, round(READ_HELD_S * 1000), self.unrecorded(charges, "read"), self.at(), last, *wishes)
            return await self._shared.run("hold", keys, self._shared.epoch, *told, *self.told(charges, ask=True))

        try:
            said = await self.admitted(charges, ask)
        except BaseException:
            if charges:
                self.owed[call] = Owed("undo", charges)
            raise
        if charges and not isinstance(said, Exhausted) and said[0] == "held":
            self._held[call] = charges
        return said

    def unrecorded(self, charges: tuple[Charge, ...], kind: str) -> bytes:
        """
        Return the charges of a `read` or `write` that is not on record yet, with who answers for it.
        """
        return pack_charges(charges) + f"\n{kind} {self.replica}".encode()

    def is_held(self, call: str) -> bool:
        """
        Tell whether a read of this process holds what it may take.
        """
        return call in self._held

    def ask_again(self, call: str) -> None:
        """
        Take it that a read whose hold is to be undone is asked for once more.
        """
        if call in self.owed and self.owed[call].what == "undo":
            del self.owed[call]

    async def end(self, call: str, charges: tuple[Charge, ...], ended: Ended | None) -> None:
        """
        End what a read holds, by giving it back (None) or by how it ended. What the server does not take now is owed.
        """
        self._held.pop(call, None)
        if ended is None:
            self.owed[call] = Owed("release", charges)
        elif ended.state is State.COMPLETED:
            self.owed[call] = Owed("settle", charges, moves.spent(charges, ended, sent=True))
        else:
            self.owed[call] = Owed("hold", charges)
        with contextlib.suppress(StoreUnavailable):
            await self._pay(call)

    async def pay(self) -> None:
        """
        Note the ends that are owed. Raise `StoreUnavailable` at the first that the server does not take.
        """
        for call in list(self.owed):
            await self._pay(call)

    async def count(self, call: str, charges: tuple[Charge, ...], spent: tuple[int, ...] | None) -> None:
        """
        Note what the ledger says of a call that has ended, or of a read of which it does not say what it took.
        """
        if spent is None and call in self._held:
            await self._bill(call, Owed("hold", charges))
        elif is_kept(charges, self._now()):
            await self._bill(call, Owed("whole", charges) if spent is None else Owed("settle", charges, spent))

    async def hold_again(self, said: Container[str]) -> None:
        """
        Hold what reads of this process hold already, and of which its ledger has not `said` so yet.
        """
        for call, charges in tuple(self._held.items()):
            if call not in said:
                await self._bill(call, Owed(f"again {round(READ_HELD_S * 1000)}", charges))

    async def counted(self, calls: Sequence[str]) -> frozenset[str]:
        """
        Return of which of these calls it is known what they took: nothing that a ledger says of them is new.
        """
        known: set[str] = set()
        for first in range(0, len(calls), ASKED_AT_ONCE):
            some = calls[first : first + ASKED_AT_ONCE]
            one, *others = (f"hold:{call}" for call in some)
            values = await self._shared.ask("MGET", one, *(self._shared.tag + other for other in others))
            known.update(call for call, value in zip(some, values, strict=True) if value == b"s")
        return frozenset(known)

    async def count_end(self, call: str, spent: tuple[int, ...]) -> None:
        """
        Note what a read took of which nothing else is told: what it was charged with stands in its hold.
        """
        charges, _ = await self._unpacked(call)
        if charges:
            await self._bill(call, Owed("settle", charges, spent))

    async def undo_unknown(self, known: Container[str]) -> None:
        """
        Undo what the process before this one held for calls that are not `known`: none of them was sent.

        Only before this one holds anything.
        """
        if not self.replica:
            return
        for one in await self._shared.ask("ZRANGE", "lapsing", "0", "-1"):
            call = text(one)
            charges, by = await self._unpacked(call)
            if call not in known and by.partition(" ")[2] == self.replica:
                await self._bill(call, Owed("undo", charges))

    async def take_over(self, intent: str) -> None:
        """
        Give up what a claim holds whose lease has passed, because another takes its names.
        """
        await self._give_up((intent,), GIVEN_UP_MS)

    async def sweep(self) -> None:
        """
        Give up some of what has lapsed.
        """
        await self._give_up(text(call) for call in await self._shared.run("lapsed", ("lapsing",)))

    async def totals(self, node: str) -> tuple[Total, ...]:
        """
        Return every total of which anything is taken, or those of one node.
        """
        await self.sweep()
        within = (f"[{node}|", f"({node}}}") if node else ("-", "+")
        known: list[Total] = []
        with reading():
            names = [text(name) for name in await self._shared.ask("ZRANGEBYLEX", "totals", *within)]
            for first in range(0, len(names), READ_AT_ONCE):
                some = names[first : first + READ_AT_ONCE]
                keys = ("epoch", *(f"total:{name}" for name in some))
                word, *rows = await self._shared.run("shown", keys, self._shared.epoch)
                if word != b"known":
                    raise self._shared.lost()
                known += (_total(name, row) for name, row in zip(some, rows, strict=True) if row[-1] is not None)
        at = self._now()
        shown = [total for total in known if total.held or (total.settled and _is_shown(total, at))]
        return tuple(sorted(shown, key=lambda total: (total.node, total.period, total.measure)))

    async def alerts(self) -> tuple[Alert, ...]:
        """
        Return what was told and not delivered yet, oldest first.
        """
        found = [(turn, alert) for _, turn, alert in await self._alerts()]
        return tuple(alert for _, alert in sorted(found, key=lambda one: (one[1].at, one[0])))

    async def raised(self, alert: Alert, *, waits: bool) -> None:
        """
        Note that an alert is on record; where it `waits`, somebody has to be told of it yet.
        """
        name = f"{alert.node}|{alert.period}|{alert.measure}"
        kept = round(_UNCHARGED.total_seconds() * 1000)
        told = (str(alert.kind), alert.threshold, alert.cap, _spelled(alert, name), alert.settled, micros(alert.at))
        await self._shared.run("raised", (f"total:{name}", "alerts"), *told, int(waits), kept)

    async def judged(self, made: datetime, charge: Charge) -> None:
        """
        Judge a total by the cap that a call of that moment has on record, and tell what is reached of it and is not
        told; unless somebody was judged later than that.
        """
        told = (charge.cap, _points(charge), micros(made), self.at())
        await self._shared.run("judged", (f"total:{charge.key}", *BOOK), *told)

    async def delivered(self, alert: str) -> None:
        """
        Note that everyone was told of an alert.
        """
        for field, _, waiting in await self._alerts():
            if waiting.id == alert:
                await self._shared.ask("HDEL", "alerts", field)

    async def _pay(self, call: str) -> None:
        owed = self.owed.get(call)
        if owed is not None:
            await self._bill(call, owed)
            # What is owed since then is not paid.
            if self.owed.get(call) is owed:
                del self.owed[call]

    async def _bill(self, call: str, owed: Owed) -> None:
        charges = owed.charges
        packed = self.unrecorded(charges, "read") if owed.what.startswith("again") else pack_charges(charges)
        told = (call, self.at(), packed, owed.what, *self.told(charges, owed.spent))
        await self._shared.run("bill", (*keys_of(call), *totals_of(charges)), *told)

    async def _give_up(self, calls: Iterable[str], earlier_ms: int = 0) -> None:
        for call in calls:
            charges, by = await self._unpacked(call)
            keys = (f"intent:{call}", *keys_of(call), *totals_of(charges))
            packed = pack_charges(charges) + b"\n" + by.encode()
            await self._shared.run("giveup", keys, call, earlier_ms, self.at(), packed, *self.told(charges))

    async def _unpacked(self, call: str) -> tuple[tuple[Charge, ...], str]:
        """
        Return what stands in a call's hold: what it is charged with, and who holds it where that may not be on record.
        """
        value: bytes | None = await self._shared.ask("GET", f"hold:{call}")
        with reading():
            _, packed, by, *_ = (*(value or b"").split(b"\n"), b"", b"")
            return unpack_charges(packed) if packed else (), by.decode()

    async def _alerts(self) -> list[tuple[str, int, Alert]]:
        fields = await self._shared.ask("HGETALL", "alerts")
        with reading():
            pairs = [(text(field), text(value)) for field, value in fields.items() if field != b"#"]
            return [(field, int(value.partition(" ")[0]), _alert(field, value)) for field, value in pairs]


def is_kept(charges: tuple[Charge, ...], at: datetime) -> bool:
    """
    Tell whether any total of these charges is still kept at this moment, if nothing of it is held.
    """
    return any(charge.until is None or at < _kept(charge.period, charge.until) for charge in charges)


def _points(charge: Charge) -> str:
    return " ".join(f"{percent}:{reached_at(percent, charge.cap)}" for percent in charge.alerts)


def _kept(period: str, until: datetime) -> datetime:
    return until + (KEPT_LIFE if period == LIFE else KEPT)


def _is_shown(total: Total, at: datetime) -> bool:
    return total.until is None or at < _kept(total.period, total.until)


def _total(name: str, row: list[bytes | None]) -> Total:
    node, period, measure = name.rsplit("|", 2)
    settled, held, cap, over, _ = row
    until = moment(int(over)) if over else None
    return Total(node, period, measure, int(settled or 0), int(held or 0), int(cap or 0), until)


def _spelled(alert: Alert, name: str) -> str:
    return f"{alert.kind} {alert.threshold} {alert.cap} {name}"


def _alert(field: str, value: str) -> Alert:
    kind, threshold, cap, name = field.split(" ", 3)
    node, period, measure = name.rsplit("|", 2)
    _, settled, at = value.split(" ")
    return Alert(Notice(kind), node, period, measure, int(threshold), int(cap), int(settled), moment(int(at)))
