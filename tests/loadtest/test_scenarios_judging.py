from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import effects
from loadtest.diary import Diary
from loadtest.effects import OnRecord, on_record
from loadtest.readers import Read
from loadtest.remembering import stream_of
from loadtest.results import Check
from loadtest.scenarios import durability, flapping, flood, kill, overload, slow, soak, store, storm, streams
from loadtest.scenarios.flapping import HELD_BACK, Flap
from loadtest.scenarios.kill import Stop
from loadtest.scenarios.overload import Part
from loadtest.scenarios.slow import Slowed
from loadtest.scenarios.soak import Left, Looked
from loadtest.scenarios.store import AWAY
from loadtest.sizes import Slow, Soak, Streams
from loadtest.slopes import since, slope

# ---------------------------------------------------------------------------------------------------- what is on record


def intent(call: str) -> dict[str, Any]:
    return {"k": "call.intent", "call": call}


def outcome(at: int | None, eff: str = "applied") -> dict[str, Any]:
    return {"k": "call.outcome", "intent": at, "eff": eff}


def resolved(at: int, eff: str, state: str = "completed") -> dict[str, Any]:
    return {"k": "recovery.resolved", "intent": at, "eff": eff, "state": state}


def recorded(*entries: Mapping[str, Any]) -> OnRecord:
    return on_record(enumerate(entries))


# The entries; then as made, and undecided.
RECORDS: tuple[tuple[str, list[dict[str, Any]], dict[str, int], set[str]], ...] = (
    ("made", [intent("A"), outcome(0)], {"A": 1}, set()),
    ("not made", [intent("A"), outcome(0, "not_applied")], {}, set()),
    ("no end", [intent("A")], {}, {"A"}),
    ("in doubt", [intent("A"), outcome(0, "unknown")], {}, {"A"}),
    ("found", [intent("A"), outcome(0, "unknown"), resolved(0, "applied")], {"A": 1}, set()),
    ("absent", [intent("A"), resolved(0, "not_applied")], {}, set()),
    ("waits for a person", [intent("A"), resolved(0, "unknown", "parked")], {}, {"A"}),
    ("two ends", [intent("A"), outcome(0), resolved(0, "applied")], {"A": 2}, set()),
    ("a read", [outcome(None)], {}, set()),
)


@pytest.mark.parametrize(("entries", "made", "open_"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_ends(entries: list[dict[str, Any]], made: Mapping[str, int], open_: set[str]) -> None:
    """A write is on record as made where its outcome or its resolution says so, and open until one of them is there."""
    record = recorded(*entries)
    assert ({call: count for call, count in record.made.items() if count}, record.undecided) == (made, open_)


def test_counted_refusals() -> None:
    """Refusals and repeats count by themselves and by the summaries of a minute alike."""
    record = recorded(
        {"k": "call.decision", "pol": {"verdict": "refuse", "reasons": ["not-allowed"]}},
        {"k": "call.decision", "pol": {"verdict": "repeat", "reasons": []}},
        {"k": "agent.refused", "counts": {"not-allowed": 3, "killed": 2}},
        {"k": "edge.refused", "counts": {"key-missing": 1}},
        {"k": "agent.repeated", "counts": {"replay": 5, "join": 1}},
    )
    assert dict(record.refusals) == {"not-allowed": 4, "killed": 2, "key-missing": 1}
    assert (record.repeats, record.summaries, record.entries) == (7, 3, 5)


# ------------------------------------------------------------------------------------------ nothing lost, nothing twice

MADE = recorded(intent("A"), outcome(0))
OPEN = recorded(intent("A"))

# What is held, and whether it holds.
HELD: tuple[tuple[str, Check, bool], ...] = (
    ("one effect each", effects.once({"a": 1, "b": 1}), True),
    ("two effects of one", effects.once({"a": 1, "b": 2}), False),
    ("acknowledged and made", effects.acknowledged({"a": "A"}, {"a": 1}, MADE), True),
    ("acknowledged without an effect", effects.acknowledged({"a": "A"}, {}, MADE), False),
    ("acknowledged and not on record", effects.acknowledged({"a": "A"}, {"a": 1}, recorded()), False),
    ("acknowledged and open on record", effects.acknowledged({"a": "A"}, {"a": 1}, OPEN), False),
    (
        "on record twice",
        effects.acknowledged({"a": "A"}, {"a": 1}, recorded(intent("A"), outcome(0), outcome(0))),
        False,
    ),
    ("two orders as one call", effects.acknowledged({"a": "A", "b": "A"}, {"a": 1, "b": 1}, MADE), False),
    ("refused and not made", effects.refused({"a": "403 killed"}, {"b": 1}), True),
    ("refused and made", effects.refused({"a": "403 killed"}, {"a": 1}), False),
    ("as many as on record", effects.recorded({"a": 1}, MADE), True),
    ("an effect beyond the record", effects.recorded({"a": 1, "b": 1}, MADE), False),
    ("a record beyond the effects", effects.recorded({}, MADE), False),
    ("undecided and made", effects.recorded({"a": 1}, OPEN), True),
    ("undecided and not made", effects.recorded({}, OPEN), True),
    ("two for one undecided", effects.recorded({"a": 2}, OPEN), False),
    ("all settled", effects.settled([], MADE), True),
    ("a caller waits", effects.settled(["a"], MADE), False),
    ("the record is open", effects.settled([], OPEN), False),
    ("caps took it once", effects.spent({"writes": Fraction(2), "moved:USD": Fraction(50)}, {"a": 1, "b": 1}), True),
    ("caps took it twice", effects.spent({"writes": Fraction(3), "moved:USD": Fraction(50)}, {"a": 1, "b": 1}), False),
    ("other money", effects.spent({"writes": Fraction(2), "moved:USD": Fraction(75)}, {"a": 1, "b": 1}), False),
    ("caps know nothing", effects.spent({}, {"a": 1}), False),
    ("told one thing", effects.only("x", "says", {"200": 3}, "200"), True),
    ("told another", effects.only("x", "says", {"200": 3, "500 internal": 1}, "200"), False),
    ("told nothing", effects.only("x", "says", {}, "200"), False),
    ("all count the same", effects.counted("x", "says", {"callers": 2, "record": 2}), True),
    ("one counts otherwise", effects.counted("x", "says", {"callers": 2, "record": 3}), False),
    ("writes were made", effects.some(1), True),
    ("none was", effects.some(0), False),
    ("a kill met calls", durability.met({"200": 9, "no answer": 1}), True),
    ("a kill met nothing", durability.met({"200": 9}), False),
    ("answered alike", storm.alike({"a": {b"1"}, "b": {b"2"}}), True),
    ("answered in two ways", storm.alike({"a": {b"1", b"2"}}), False),
    ("one first", storm.one_first({"a": 1}, ["a"]), True),
    ("two firsts", storm.one_first({"a": 2}, ["a"]), False),
    ("no first", storm.one_first({}, ["a"]), False),
)


@pytest.mark.parametrize(("check", "held"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_held(check: Check, held: bool) -> None:
    """What is lost, doubled, unrecorded or counted otherwise does not hold, and it is said which."""
    assert (check.held, bool(check.found)) == (held, True)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3)))
def test_doubles(made: dict[str, int]) -> None:
    """Whatever else there is, one second effect is found, and where there is none nothing is."""
    assert effects.once(made).held == all(count == 1 for count in made.values())


# ------------------------------------------------------------------------------------------------ each one's own checks


def wrong(checks: Sequence[Check]) -> set[str]:
    return {check.name for check in checks if not check.held}


STOPPED = Stop(0.01, 0.02, 0.5, acknowledged=7, proved=7, after=7, confirmed=True, reads=4)

STOPS: tuple[tuple[str, list[Stop], set[str]], ...] = (
    ("as promised", [STOPPED, STOPPED], set()),
    ("a write after the acknowledgement", [STOPPED, Stop(0.1, 0.1, 0.5, 7, 8, 8, confirmed=True, reads=4)], {"told"}),
    ("a write after the proof", [Stop(0.1, 0.1, 0.5, 7, 7, 8, confirmed=True, reads=4)], {"proved"}),
    ("no proof", [Stop(0.1, 0.1, 0.5, 7, 7, 7, confirmed=False, reads=4)], {"confirmed"}),
    ("no reads", [STOPPED, Stop(0.1, 0.1, 0.5, 7, 7, 7, confirmed=True, reads=0)], {"reads"}),
)


@pytest.mark.parametrize(("stops", "names"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_stops(stops: list[Stop], names: set[str]) -> None:
    """A write that comes after a stop's acknowledgement or proof, a stop without one, and reads that stop are found."""
    assert wrong(kill.judged(stops)) == names


FLAP = Flap(0.5, 1.0, ("api:stripe/write",))
TOLD = {"200": 9, HELD_BACK: 3}

FLAPS: tuple[tuple[str, tuple[Any, ...], set[str]], ...] = (
    ("as it should", ([FLAP], TOLD, {"200": 5}, 1.0), set()),
    ("nothing tripped", ([Flap(20.0, 1.0, ())], TOLD, {"200": 5}, 0.0), {"tripped"}),
    ("two flaps, one trip", ([FLAP, FLAP], TOLD, {"200": 5}, 1.0), {"tripped"}),
    ("nothing was parked", ([FLAP], {"200": 9}, {"200": 5}, 1.0), {"suggested"}),
    ("it does not recover", ([Flap(0.5, float("inf"), ("x",))], TOLD, {"200": 5}, 1.0), {"recovered"}),
    ("a read was refused", ([FLAP], TOLD, {"200": 5, "503 upstream-failing": 1}, 1.0), {"reads"}),
)


@pytest.mark.parametrize(("given_", "names"), [row[1:] for row in FLAPS], ids=[row[0] for row in FLAPS])
def test_flaps(given_: tuple[Any, ...], names: set[str]) -> None:
    """A flap that trips nothing, parks nothing or does not pass, and a read that it takes along, are found."""
    assert wrong(flapping.judged(*given_)) == names


def diary(*told: str, latency_s: float = 0.3) -> Diary:
    made = Diary(lambda: 0.0)
    for verdict in told:
        made.note(verdict, latency_s)
    return made


LOST: tuple[tuple[str, tuple[Any, ...], set[str]], ...] = (
    ("as it should", ([1.0, 2.0], {"200": 5}, diary(AWAY, AWAY)), set()),
    ("a read is refused", ([1.0, 2.0], {"200": 5, AWAY: 1}, diary(AWAY)), {"reads"}),
    ("a write passes", ([1.0, 2.0], {"200": 5}, diary(AWAY, "200")), {"gone"}),
    ("nobody asked", ([1.0, 2.0], {"200": 5}, diary()), {"gone"}),
    ("they wait", ([1.0, 2.0], {"200": 5}, diary(AWAY, latency_s=5.0)), {"in time"}),
    ("it stays away", ([1.0, float("inf")], {"200": 5}, diary(AWAY)), {"recovered"}),
    ("it came back once", ([1.0], {"200": 5}, diary(AWAY)), {"recovered"}),
)


@pytest.mark.parametrize(("given_", "names"), [row[1:] for row in LOST], ids=[row[0] for row in LOST])
def test_lost_store(given_: tuple[Any, ...], names: set[str]) -> None:
    """Reads that stop, writes that pass or wait without the store, and a store that stays lost are found."""
    assert wrong(store.judged(*given_)) == names


def part(good: int = 5, *told: str, admin_ms: float = 9.0) -> Part:
    return Part(diary(*told or ("200",)), good, 1.0, [90.0], [admin_ms] if admin_ms else [])


@pytest.mark.parametrize(
    ("over", "names"),
    [
        (part(), set[str]()),
        (part(0), {"served"}),
        (part(5, "200", "no answer"), {"told"}),
        (part(5, "200", "no answer in time"), {"told"}),
        (part(admin_ms=6_000.0), {"admin"}),
        (part(admin_ms=0.0), {"admin"}),
    ],
)
def test_overload(over: Part, names: set[str]) -> None:
    """Whoever is not served or not told, and an admin door that nobody gets through to, are found."""
    assert wrong(overload.judged(part(), over)) == names


STREAMS = Streams(streams=2, bytes_each=100, seconds=1.0, per_second=1.0)
READS = [Read(200, 100, zlib.crc32(stream_of(number, 100))) for number in range(2)]


@pytest.mark.parametrize(
    ("reads", "held"),
    [
        (READS, True),
        (READS[:1], False),
        ([READS[0], Read(200, 99, READS[1].crc)], False),
        ([READS[0], Read(502, 100, READS[1].crc)], False),
        (READS[::-1], False),
    ],
)
def test_stream_bytes(reads: list[Read], held: bool) -> None:
    """A stream that is cut, another's, refused or missing is found."""
    assert streams.whole(reads, STREAMS).held == held


@pytest.mark.parametrize(("grown_mb", "held"), [(20.0, True), (99.0, False)])
def test_gathered(grown_mb: float, held: bool) -> None:
    """Memory that grows with what was streamed is found."""
    assert streams.flat(grown_mb, Streams(50, 4 << 20, 1.0, 1.0)).held == held


@pytest.mark.parametrize(
    ("record", "refusals", "grown", "held"),
    [
        (OnRecord(summaries=1), 5_000, 200_000, True),
        (OnRecord(summaries=0), 5_000, 200_000, False),
        (OnRecord(summaries=1), 5_000, 5_000_000, False),
        (OnRecord(summaries=0), 100, 200_000, True),
    ],
)
def test_flood_bound(record: OnRecord, refusals: int, grown: int, held: bool) -> None:
    """A flood without a summary, or that grows on disk with its refusals, is found."""
    assert flood.bounded(record, refusals, grown).held == held


@pytest.mark.parametrize(
    ("slowed", "closes", "names"),
    [
        (Slowed(bodies=[2.1] * 4), False, set[str]()),
        (Slowed(bodies=[2.1] * 3), False, {"bodies"}),
        (Slowed(bodies=[2.1, 2.1, 2.1, 99.0]), False, {"bodies"}),
        (Slowed([15.1] * 4, [2.1] * 4, [15.1] * 4), True, set()),
        (Slowed([], [2.1] * 4, [15.1] * 3), True, {"heads", "first bytes"}),
    ],
)
def test_slow_closed(slowed: Slowed, closes: bool, names: set[str]) -> None:
    """A slow connection that is kept past its time, or never closed, is found."""
    assert wrong(slow.closed(slowed, Slow(12, 1.0, 1.0, closes=closes))) == names


# ----------------------------------------------------------------------------------------------------------- what grows

SOAK = Soak(seconds=1200.0, warm_s=200.0, per_second=1.0)
NOTHING = Left(0, 0, 0, 1)


def looked(
    memory: Callable[[int], float] = lambda _: 90.0,
    descriptors: Callable[[int], float] = lambda _: 40.0,
    threads: Callable[[int], float] = lambda _: 4.0,
) -> Looked:
    # A look and a write every ten seconds, the writes in the first half.
    made = Looked()
    for second in range(120):
        at = 10 * second
        made.resident_mb.append((at, memory(second)))
        made.descriptors.append((at, descriptors(second)))
        made.threads.append((at, threads(second)))
        made.written.append((at, min(second, 60)))
    return made


GROWN: tuple[tuple[str, Looked, Left, set[str]], ...] = (
    ("flat", looked(), NOTHING, set()),
    ("what is remembered", looked(lambda at: 90 + 0.01 * min(at, 60)), NOTHING, set()),
    ("too much of each write", looked(lambda at: 90 + 0.05 * min(at, 60)), NOTHING, {"write"}),
    ("memory", looked(lambda at: 90 + 0.2 * max(0, at - 60)), NOTHING, {"memory"}),
    ("one that comes and goes", looked(descriptors=lambda at: 40 + at % 2), NOTHING, set()),
    ("descriptors", looked(descriptors=lambda at: 40 + at), NOTHING, {"descriptors"}),
    ("threads", looked(threads=lambda at: 4 + at), NOTHING, {"threads"}),
    ("a call under way", looked(), Left(1, 0, 0, 1), {"left"}),
    ("a record on its way", looked(), Left(0, 1, 0, 1), {"left"}),
    ("an intent without an end", looked(), Left(0, 0, 1, 1), {"left"}),
    ("descriptors that stay", looked(), Left(0, 0, 0, 9), {"left"}),
)


@pytest.mark.parametrize(("seen", "left", "names"), [row[1:] for row in GROWN], ids=[row[0] for row in GROWN])
def test_growth(seen: Looked, left: Left, names: set[str]) -> None:
    """What grows with time alone, or with each write by more than is remembered, or stays at the end, is found."""
    assert wrong(soak.flat(seen, left, SOAK)) == names


@given(st.floats(-5, 5), st.floats(-100, 100), st.integers(2, 50))
def test_slope_of_line(by: float, from_: float, count: int) -> None:
    """The slope of a straight line is its own, wherever it begins."""
    assert slope([(at, from_ + by * at) for at in range(count)]) == pytest.approx(by, abs=1e-6)


def test_filling() -> None:
    """What is counted of calls for five minutes may grow until then, and not behind that."""
    early, late = Soak(120.0, 20.0, per_second=100.0), Soak(1200.0, 200.0, per_second=100.0)
    for size, names in ((early, set[str]()), (late, {"memory"})):
        rises = [(at * size.seconds / 120, 90 + 0.2 * max(0, at - 60)) for at in range(120)]
        seen = looked()
        seen.resident_mb[:] = rises
        seen.written[:] = [(at, 0.0) for at, _ in rises]
        assert wrong(soak.flat(seen, NOTHING, size)) == names


def test_slope_of_little() -> None:
    """One sample, and several of one moment, have no slope; what came before it was warm does not count."""
    assert (slope([]), slope([(1, 5)]), slope([(1, 5), (1, 9)])) == (0.0, 0.0, 0.0)
    assert since([(0, 9), (5, 1), (6, 1)], 5) == [(5, 1), (6, 1)]


# --------------------------------------------------------------------------------------------------------- the timeline


def test_diary() -> None:
    """Answers fall into the second in which they came, verdicts have equally many, and marks keep their moment."""
    now = [10.0]
    kept = Diary(lambda: now[0])
    kept.note("200", 0.25)
    now[0] = 12.5
    kept.mark("the store is killed")
    kept.note(AWAY)
    timeline = kept.timeline()
    assert dict(timeline.by_verdict) == {"200": (1, 0, 0), AWAY: (0, 0, 1)}
    assert timeline.marks == ((2.5, "the store is killed"),)
    assert (kept.latencies_ms, kept.told, kept.said()) == ([250.0], {"200": 1, AWAY: 1}, f"1 times 200, 1 times {AWAY}")
