"""
The reference for breakers: the table's records, and every result kept one by one and added up anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from breakers.breaker import Breaker, Delta, Probe, Sums, Wish

BUCKET_S, OVER, RECENT = 10, 30, 6

ALIVE_S = 5

# A server keeps moments in milliseconds.
CLOSE = timedelta(milliseconds=2)


def bucket(at: datetime) -> int:
    """
    Return the ten seconds that a moment is in.
    """
    return int(at.timestamp()) // BUCKET_S


@dataclass(frozen=True, slots=True)
class Report:
    """
    One delta as it arrived, and from whom.
    """

    delta: Delta
    process: int


@dataclass
class Model:
    """
    What stands of every breaker, and everything that was ever reported.
    """

    records: dict[str, Breaker] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    alive: dict[int, datetime] = field(default_factory=dict)

    def gen(self, key: str) -> int:
        """
        Return the generation of a breaker.
        """
        return self.records[key].gen if key in self.records else 0

    def has(self, wish: Wish, call: str, at: datetime) -> bool:
        """
        Tell whether what a call wishes for is there.
        """
        record = self.records.get(wish.key)
        if record is None or record.gen != wish.gen:
            return False
        if wish.probe:
            return record.probe is None or record.probe.call == call
        return record.next_at is None or record.next_at <= at

    def take(self, wish: Wish, call: str, at: datetime) -> None:
        """
        Give it to the call.
        """
        record = self.records[wish.key]
        if not wish.probe:
            self.records[wish.key] = replace(record, next_at=at + timedelta(seconds=wish.gap_s))
        elif record.probe is None:
            expires = at + timedelta(seconds=wish.lease_s)
            self.records[wish.key] = replace(record, probe=Probe(call, expires))

    def count(self, deltas: list[Delta], process: int, at: datetime) -> None:
        """
        Keep what is reported, if it is of this generation and not too old.
        """
        self.alive[process] = at
        for delta in deltas:
            if delta.gen == self.gen(delta.key) and delta.bucket > bucket(at) - OVER:
                self.reports.append(Report(delta, process))

    def forget(self, key: str) -> None:
        """
        Forget what was counted of a breaker.
        """
        self.reports = [report for report in self.reports if report.delta.key != key]

    def sums(self, key: str, at: datetime) -> Sums:
        """
        Add up what counts of a breaker at a moment.
        """
        now, gen = bucket(at), self.gen(key)
        own = [one for one in self.reports if one.delta.key == key and one.delta.gen == gen]
        counted = [one for one in own if one.delta.bucket > now - OVER]
        run = self._run([one.delta for one in counted if one.delta.bucket > now - RECENT])
        totals = {
            name: sum(getattr(one.delta, name) for one in counted)
            for name in ("ok", "slow", "fail", "local", "unknown", "writes")
        }
        return Sums(
            key,
            gen,
            **totals,
            recent=sum(one.delta.fail for one in counted if one.delta.bucket > now - RECENT),
            streak=len(run),
            streak_since=min(run, default=0),
            locals=len({one.process for one in counted if one.delta.local}),
            alive=max(1, sum(at - seen < timedelta(seconds=ALIVE_S) for seen in self.alive.values())),
        )

    def _run(self, deltas: list[Delta]) -> list[int]:
        # As one list of results, oldest first: None is a good one, a bucket is a failure in it.
        results: list[int | None] = []
        for delta in sorted(deltas, key=lambda one: one.bucket):
            results += [None] if delta.broken else []
            results += [delta.bucket] * delta.tail
        run = []
        while results and (last := results.pop()) is not None:
            run.append(last)
        return run


def same(found: Breaker | None, expected: Breaker | None) -> bool:
    """
    Tell whether two records say the same, but for fractions of a millisecond.
    """
    if found is None or expected is None:
        return found is expected
    return (
        replace(found, probe=None, next_at=None) == replace(expected, probe=None, next_at=None)
        and (found.probe and found.probe.call) == (expected.probe and expected.probe.call)
        and _close(_ends(found), _ends(expected))
        and _close(found.next_at, expected.next_at)
    )


def _ends(record: Breaker) -> datetime | None:
    return None if record.probe is None else record.probe.expires


def _close(one: datetime | None, other: datetime | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= CLOSE
