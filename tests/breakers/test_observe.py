"""The table that moves every breaker, on a virtual clock: rows, permits, ramps, back-off."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from breakers.breaker import READ, WRITE, Breaker, Delta, Probe, State, Sums, Wish
from breakers.call import Applied, Health, Outcome, Retry, Sent
from breakers.observe import GAP_MAX_S, Result, after, due, gap_s, refunded, resumed, taken, tells, told, tripped
from breakers.store.buckets import BUCKET_S, Window
from breakers.thresholds import STANDARD, Thresholds
from breakers.transitions import BACK_OFF_MAX_S, STEPS, TABLE
from tests.breakers.simulated import Followed, moment
from tests.breakers.tripping import EVEN, KEY, LEASE_S, OUTAGE, READS, at, healed, passed, permitted, result, trip
from tests.breakers.world import call


def test_whole_way() -> None:
    """Three failures keep writes back for 30 s; three good reads lead to the ramp, that back, and time forgets."""
    shut = trip()
    assert (shut.state, shut.gen, shut.trips, shut.until, shut.rate) == (State.SUGGEST_ONLY, 1, 1, at(30), 10_000)
    assert shut.why.startswith("T1: 3 of 3 failed")
    assert due(shut, at(29.9), EVEN) is None
    probing = passed(shut, 30)
    assert (probing.state, probing.gen, probing.round, probing.until) == (State.PROBING, 2, 1, None)
    ramping = healed(probing, 31)
    assert (ramping.state, ramping.gen, ramping.step) == (State.RAMPING, 3, 0)
    for step, seconds in enumerate((61, 91, 121), 1):
        ramping = passed(ramping, seconds)
        assert (ramping.state, ramping.gen, ramping.step) == (State.RAMPING, 3, step)
    open_ = passed(ramping, 151)
    assert (open_.state, open_.gen, open_.trips, open_.until) == (State.PASSING, 4, 1, at(451))
    forgotten = passed(open_, 451)
    assert (forgotten.state, forgotten.gen, forgotten.trips, forgotten.until) == (State.PASSING, 4, 0, None)


@pytest.mark.parametrize(
    ("key", "sums", "state"),
    [
        (KEY, Sums(KEY, 0, fail=30, recent=30, streak=30), State.SUGGEST_ONLY),
        (READS, Sums(READS, 0, fail=3, recent=3, streak=3), State.SUGGEST_ONLY),
        (READS, Sums(READS, 0, fail=5, recent=5, streak=5), State.BLOCKED),
        ("agent:clerk/shop/read", Sums("agent:clerk/shop/read", 0, fail=30, recent=30), State.SUGGEST_ONLY),
        ("task:t1", Sums("task:t1", 0, fail=5, recent=5), State.SUGGEST_ONLY),
        ("credential:shop", Sums("credential:shop", 0, fail=3, streak=3), State.SUGGEST_ONLY),
    ],
)
def test_trips_to(key: str, sums: Sums, state: State) -> None:
    """Writes are kept back by every breaker, reads only by that of the account's reads."""
    moved = tripped(None, sums, STANDARD, at(0), EVEN)
    assert moved is not None
    assert (moved.key, moved.state) == (key, state)


def test_worse() -> None:
    """Reads that begin to fail throughout block what kept writes back already, without another trip."""
    shut = trip(READS)
    worse = tripped(shut, Sums(READS, shut.gen, fail=5, recent=5, streak=5), STANDARD, at(5), EVEN)
    assert worse is not None
    assert (worse.state, worse.trips, worse.gen) == (State.BLOCKED, 1, 2)
    assert passed(worse, 35).before is State.BLOCKED


def test_third_failure() -> None:
    """Of thirty calls in five minutes that all fail, the third trips."""
    window = Window(0)
    for count in range(1, 4):
        seconds = 10.0 * count
        bucket = int(at(seconds).timestamp()) // BUCKET_S
        window.add(Delta(KEY, 0, bucket, fail=1, tail=1), "one", bucket)
        moved = tripped(None, window.sums(KEY, bucket, 1), STANDARD, at(seconds), EVEN)
        assert (moved is not None) is (count == 3)


@pytest.mark.parametrize("apart", [1, 10, 25])
def test_window_edge(apart: int) -> None:
    """Three failures trip wherever the edges of buckets lie between them."""
    for offset in range(10):
        window, moved = Window(0), None
        for count in range(3):
            bucket = int(at(offset + count * apart).timestamp()) // BUCKET_S
            window.add(Delta(KEY, 0, bucket, fail=1, tail=1), "one", bucket)
            moved = tripped(None, window.sums(KEY, bucket, 1), STANDARD, at(offset + count * apart), EVEN)
        assert moved is not None


def test_nothing_heals() -> None:
    """Ten thousand 404s while everything else fails neither heal nor dilute."""
    probing = passed(trip(), 30)
    for _ in range(10_000):
        assert after(probing, result(probing, Health.IGNORE), at(31), EVEN) is None
    diluted = Sums(KEY, 0, fail=3, recent=3)
    assert tripped(None, diluted, STANDARD, at(0), EVEN) is not None


def test_overdue() -> None:
    """An upstream that hangs trips by what is overdue, before any call has ended."""
    assert tripped(None, Sums(KEY, 0, ok=5, slow=5), STANDARD, at(10), EVEN) is not None


@pytest.mark.parametrize("health", list(Health))
def test_older_result(health: Health) -> None:
    """A call that was let pass before the breaker moved changes nothing by its end, however it ends."""
    probing = passed(trip(), 30)
    ramping = healed(probing, 31)
    for breaker in (trip(), probing, permitted(probing), ramping):
        for gen in range(breaker.gen):
            for caller in ("01READ", "01PROBE"):
                for read in (False, True):
                    assert after(breaker, Result(caller, gen, health, read=read), at(32), EVEN) is None
    stale = replace(OUTAGE, gen=0)
    assert tripped(ramping, stale, STANDARD, at(32), EVEN) is None


def test_one_permit() -> None:
    """However many come in one millisecond, one gets the permit; it is given back, and the next one has it."""
    probing = passed(trip(), 30)
    wish = Wish(KEY, probing.gen, probe=True, lease_s=LEASE_S)
    out = permitted(probing)
    assert out.probe == Probe("01PROBE", at(30 + LEASE_S))
    assert all(taken(out, wish, f"01CALL{number}", at(30)) is None for number in range(50))
    assert taken(out, wish, "01PROBE", at(31)) == out
    assert taken(None, wish, "01PROBE", at(31)) is None
    assert taken(trip(), wish, "01PROBE", at(31)) is None
    assert refunded(out, "01OTHER") is None
    back = refunded(out, "01PROBE")
    assert back == probing
    assert permitted(probing, "01NEXT").probe == Probe("01NEXT", at(30 + LEASE_S))


@pytest.mark.parametrize("health", [Health.IGNORE, Health.THROTTLE, Health.FAIL_LOCAL])
def test_refund(health: Health) -> None:
    """A probe that says nothing of the upstream gives its permit back, and heals nothing."""
    out = permitted(passed(trip(), 30))
    back = after(out, result(out, health, "01PROBE", read=False), at(31), EVEN)
    assert back == replace(out, probe=None)


def test_probe_decides() -> None:
    """A probe that fails, or does not end in time, is one more trip; a good one gives the permit to the next."""
    out = permitted(passed(trip(), 30))
    failed = after(out, result(out, Health.FAIL, "01PROBE", read=False), at(31), EVEN)
    assert failed is not None
    assert (failed.state, failed.trips, failed.until, failed.probe) == (State.SUGGEST_ONLY, 2, at(91), None)
    assert due(out, at(30 + LEASE_S - 0.1), EVEN) is None
    lapsed = due(out, at(30 + LEASE_S), EVEN)
    assert lapsed is not None
    assert (lapsed.state, lapsed.trips) == (State.SUGGEST_ONLY, 2)
    good = after(out, result(out, Health.OK, "01PROBE", read=False), at(31), EVEN)
    assert good == replace(out, probe=None, oks=1)


def test_foreign_write() -> None:
    """A write without the permit says nothing to a breaker that is probing, however it ends."""
    out = permitted(passed(trip(), 30))
    for health in Health:
        assert after(out, result(out, health, "01OTHER", read=False), at(31), EVEN) is None


@pytest.mark.parametrize("more", [{"slow": True}, {"unknown": True}])
def test_unwell(more: dict[str, bool]) -> None:
    """An answer that came too late, or left a doubt, heals nothing, and the count of good ones begins anew."""
    probing = replace(passed(trip(), 30), oks=2)
    out = permitted(probing)
    assert after(out, result(out, Health.OK, "01PROBE", **({"read": False} | more)), at(31), EVEN) == replace(
        probing, oks=0
    )


def test_blocked_again() -> None:
    """What was blocked before it was tried is blocked again where that fails, and reads come back by the ramp."""
    blocked = tripped(None, Sums(READS, 0, fail=5, recent=5, streak=5), STANDARD, at(0), EVEN)
    assert blocked is not None
    probing = passed(blocked, 30)
    again = after(probing, result(probing, Health.FAIL), at(31), EVEN)
    assert again is not None
    assert (again.state, again.trips) == (State.BLOCKED, 2)
    assert healed(probing, 31).state is State.RAMPING


def test_ramp_fails() -> None:
    """A write that fails in the ramp ends it; reads are judged by the rules, one of many may fail."""
    ramping = healed(passed(trip(), 30), 31)
    assert after(ramping, result(ramping, Health.FAIL), at(32), EVEN) is None
    failed = after(ramping, result(ramping, Health.FAIL, read=False), at(32), EVEN)
    assert failed is not None
    assert (failed.state, failed.trips, failed.rate) == (State.SUGGEST_ONLY, 2, 10_000)
    relapse = tripped(ramping, replace(OUTAGE, gen=ramping.gen, writes=1), STANDARD, at(40), EVEN)
    assert relapse is not None
    assert (relapse.state, relapse.trips, relapse.rate) == (State.SUGGEST_ONLY, 2, 10_000)


@pytest.mark.parametrize(
    ("rate", "step", "gap"),
    [
        (0, 0, GAP_MAX_S),
        (60_000, 0, 10.0),
        (60_000, 1, 4.0),
        (60_000, 3, 1.0),
        (600_000, 0, 1.0),
        (600_000, 3, 0.1),
        (1_000, 3, GAP_MAX_S),
    ],
)
def test_ramp_rate(rate: int, step: int, gap: float) -> None:
    """Each step lets a share of the rate before the trip pass, and never less than one write in ten seconds."""
    breaker = replace(resumed("kill:all", at(0), rate), step=step)
    assert gap_s(breaker) == pytest.approx(gap)
    wish = Wish(breaker.key, breaker.gen, probe=False, gap_s=gap)
    first = taken(breaker, wish, "01A", at(0))
    assert first is not None
    assert taken(first, wish, "01B", at(gap - 0.01)) is None
    assert taken(first, wish, "01B", at(gap + 0.01)) is not None


@pytest.mark.parametrize("key", ["credential:shop", "task:t1"])
def test_of_neither(key: str) -> None:
    """That an upstream fails says nothing of a credential or a task: neither's breaker trips by it, permit or not."""
    probing = replace(passed(trip(), 30), key=key)
    out = permitted(probing)
    assert after(probing, result(probing, Health.FAIL), at(31), EVEN) is None
    assert after(out, result(out, Health.FAIL, "01PROBE", read=False), at(31), EVEN) == probing
    ramping = healed(probing, 31)
    assert after(ramping, result(ramping, Health.FAIL, read=False), at(32), EVEN) is None


def test_task_serves() -> None:
    """A task that tries out cards waits ten minutes and then has the ramp: nothing that it reads speaks for it."""
    shut = tripped(None, Sums("task:t1", 0, fail=5, recent=5), STANDARD, at(0), EVEN)
    assert shut is not None
    assert (shut.until, passed(shut, 599).state, passed(shut, 600).state) == (
        at(600), State.SUGGEST_ONLY, State.RAMPING,
    )  # fmt: skip


def test_reload() -> None:
    """Another threshold changes what trips from now on, and neither the generation nor what was counted."""
    counted = Sums(KEY, 0, ok=600, fail=5, recent=1)
    assert tripped(None, counted, STANDARD, at(0), EVEN) is None
    stricter = tripped(None, counted, Thresholds(errors_ppm=1_000), at(1), EVEN)
    assert stricter is not None
    assert stricter.gen == 1
    assert tripped(None, counted, Thresholds(errors_ppm=1_000, off=True), at(1), EVEN) is None


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("key", "kind"), [(KEY, WRITE), (READS, READ)])
def test_flapping(seed: int, key: str, kind: str) -> None:
    """Where ten good seconds follow ten bad ones, the time until the next attempt grows: at most twelve an hour."""
    follow = Followed(Breaker(key), kind, Random(seed))
    by_hour: list[int] = []
    for second in range(3 * 3600):
        follow.second(float(second), 1.0 if second % 20 >= 10 else 0.0)
        if second % 3600 == 3599:
            by_hour.append(follow.trips - sum(by_hour))
    assert max(by_hour) <= 12
    assert follow.breaker.trips >= 10
    waits = follow.waits
    assert waits[0] < waits[1] < waits[2] < waits[3] < waits[4] <= 1.2 * BACK_OFF_MAX_S
    assert min(waits[5:]) >= 0.8 * BACK_OFF_MAX_S


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("refunds.retrieve", {"read", "write", "irreversible"}),
        ("refunds.create", {"irreversible"}),
        ("payouts.create", set[str]()),
    ],
)
def test_evidence_of(name: str, free: set[str]) -> None:
    """A result speaks for its own class, and without a permit for graver ones: of reads all, of writes irreversible."""
    asked = call(name)
    outcome = Outcome(Applied.UNKNOWN, Health.FAIL, Retry.NEVER, Sent.YES)
    spoken = {key: told(key, asked, 7, outcome) for key in tells(asked) if key.startswith("api:")}
    assert {key.rpartition("/")[2] for key, one in spoken.items() if one.read} == free
    assert all((one.call, one.gen, one.health) == ("01CALL", 7, Health.FAIL) for one in spoken.values())
    assert all(one.unknown is (name != "refunds.retrieve") for one in spoken.values())
    assert not any(key.startswith("kill:") for key in tells(asked))
    assert all(told(key, asked, 7, outcome, watch=True).read for key in tells(asked))


def test_table() -> None:
    """No state has two rows for one event, and each is entered and left."""
    pairs = [(start, row.event) for row in TABLE for start in row.starts]
    assert len(pairs) == len(set(pairs))
    for state in State:
        assert any(state in row.starts and set(row.ends) != {state} for row in TABLE)
        assert any(state in row.ends for row in TABLE)
    assert tuple(sorted(STEPS)) == STEPS
    assert STEPS[-1] == 100
    assert moment(0) == at(0)
