"""
What must be true of a state folder after a kill and a start: the record against what clients saw and the upstream got.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from breakers.duplicates import REPEATED
from proxy.ledger.disk import RealDisk
from proxy.ledger.layout import LEDGER, epochs
from proxy.ledger.read import Payloads, Record, last_records
from tests.crash.load import Said, Seen
from tests.crash.mixes import NAME, Mix
from tests.crash.record import Log, read_log
from tests.crash.site import Site
from tests.crash.waiting import until

Entry = Mapping[str, Any]

ALL = 10**9

_PLACE = re.compile(rb"http://127\.0\.0\.1:\d+")

# Answers in which a write's own end is not told, because another call is the first of it or nobody knows yet.
UNTOLD = frozenset({"outcome-unknown", "idempotency-in-flight"})

# Of what is refused because of an earlier write, and of that only.
BECAUSE = frozenset({"duplicate-suspected", "idempotency-key-reused"})


def unplaced(body: bytes) -> bytes:
    """
    Return an answer without the places that its links lead to: a door's for the agent, the upstream's on record.
    """
    return _PLACE.sub(b"<place>", body)


class Standing:
    """
    A state folder's record after a start, beside what clients and the upstream know.

    `counts_refusals` tells whether agents were refused so often that refusals are counted instead of recorded each.
    """

    counts_refusals = False

    def __init__(self, site: Site, said: Said, mix: Mix) -> None:
        self.site, self.said, self.mix = site, said, mix
        self.log = read_log(site.state)
        self.entries = self.log.entries

    def of_kind(self, kind: str) -> list[Entry]:
        """
        Return the entries of one kind.
        """
        return [entry for entry in self.entries if entry["k"] == kind]

    @cached_property
    def intents(self) -> dict[int, Entry]:
        """
        Return every intent by its index.
        """
        return {entry["i"]: entry for entry in self.of_kind("call.intent")}

    @cached_property
    def outcomes(self) -> dict[int, Entry]:
        """
        Return the outcome of every write that has one, by its intent's index; a second one fails.
        """
        found: dict[int, Entry] = {}
        for entry in self.of_kind("call.outcome"):
            index = entry["intent"]
            if index is not None:
                assert index not in found, f"intent {index} has two outcomes"
                assert self.intents[index]["call"] == entry["call"], f"outcome {entry['i']} is of another call"
                found[index] = entry
        return found

    @cached_property
    def open(self) -> dict[int, Entry]:
        """
        Return the intents without an outcome.
        """
        return {index: entry for index, entry in self.intents.items() if index not in self.outcomes}

    @cached_property
    def resolved(self) -> dict[int, Entry]:
        """
        Return how every doubt that was looked into stands, by its intent's index.
        """
        return {entry["intent"]: entry for entry in self.of_kind("recovery.resolved")}

    @cached_property
    def effects(self) -> dict[int, str]:
        """
        Return what is on record of every intent's effect, by its index: `unknown` where nothing is.
        """
        told = {index: outcome["eff"] for index, outcome in self.outcomes.items()}
        told |= {index: entry["eff"] for index, entry in self.resolved.items()}
        return {index: told.get(index, "unknown") for index in self.intents}

    @cached_property
    def doubted(self) -> set[str]:
        """
        Return the calls whose end nobody knows, as far as the record goes.
        """
        return {self.intents[index]["call"] for index, effect in self.effects.items() if effect == "unknown"}

    @cached_property
    def done(self) -> Counter[str]:
        """
        Return how often the upstream has done each write.
        """
        return self.mix.done()

    @cached_property
    def index_of(self) -> dict[str, int]:
        """
        Return every intent's index by its call.
        """
        return {entry["call"]: index for index, entry in self.intents.items()}

    @cached_property
    def sealed(self) -> dict[int, dict[str, bytes]]:
        """
        Return the opened payloads of every entry that has any.
        """
        return opened_payloads(self.site.state)

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """
        Return the intents of each write, by its name.
        """
        found: dict[str, list[int]] = {}
        for index in self.intents:
            found.setdefault(self.name(index), []).append(index)
        return found

    def times_max(self, name: str) -> int:
        """
        Return how often a write may have been done: once, and again where its client hung up as its answer came.

        Without a key nobody can tell that from a client that was told and means it again; the record says so of each.
        Where it says that an answer did not arrive, whoever asks again is given it.
        """
        if not self.said.left[name]:
            return 1
        found = sorted((self.intents[index] for index in self.by_name.get(name, ())), key=lambda intent: intent["ts"])
        again = [
            after
            for before, after in pairwise(found)
            if REPEATED in after["pol"].get("flags", ()) and before["call"] not in self.missed
        ]
        return 1 + min(len(again), self.said.left[name])

    @cached_property
    def missed(self) -> set[str]:
        """
        Return the calls whose answer did not arrive, by the record.
        """
        return {entry["call"] for entry in self.of_kind("call.delivery") if not entry.get("complete")}

    def name(self, index: int) -> str:
        """
        Return the name of the write that an intent is of.
        """
        body = json.loads(self.sealed[index]["req"])["body"]
        (found,) = set(NAME.findall(json.dumps(body)))
        return str(found)


def opened_payloads(state: Path) -> dict[int, dict[str, bytes]]:
    """
    Return the opened payloads of every entry of a folder that has any, by its index.
    """
    disk = RealDisk()
    payloads = Payloads(disk, state)
    try:
        assert len(epochs(disk, state / LEDGER)) == 1
        records = [record for record in last_records(disk, state / LEDGER, ALL) if "blobs" in record.entry]
        return {record.index: _opened(payloads, record) for record in records}
    finally:
        payloads.close()


def _opened(payloads: Payloads, record: Record) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part, payload in payloads.open(record).items():
        data = getattr(payload, "data", None)
        assert isinstance(data, bytes), f"entry {record.index}: payload {part} does not open: {payload}"
        found[part] = data
    return found


def kept(before: Log, after: Log) -> None:
    """
    Recovery keeps the whole batches that were there, byte for byte, and puts the torn end aside.
    """
    assert after.bodies[: len(before.bodies)] == before.bodies, "recovery changed what was committed"
    assert not after.torn, "a torn end outlived recovery"


def answers_on_record(now: Standing) -> Counter[str]:
    """
    Every answer to a write and every refusal that a client saw is on record and true; return how many, by kind.
    """
    by_call: dict[str, list[Entry]] = {}
    for entry in now.entries:
        if "call" in entry:
            by_call.setdefault(entry["call"], []).append(entry)
    counted: Counter[str] = Counter()
    done = now.done
    for seen in now.said.answers:
        if seen.asked.method == "GET":
            continue
        records = by_call.get(seen.call, [])
        if 200 <= seen.status < 300:
            name, times = seen.asked.name, done[seen.asked.name]
            assert 1 <= times <= now.times_max(name), f"{name} was done {times} times, and an answer says: done: {seen}"
        counted[_held(now, seen, records)] += 1
        counted["answers early"] += any(entry.get("early") for entry in records)
    return counted


def _held(now: Standing, seen: Seen, records: list[Entry]) -> str:
    """
    Hold one answer against its records, and return of which kind it is.
    """
    if seen.reason in {"ledger-unavailable", "upstream-unreachable", "unsettled-state"}:
        assert (seen.status, seen.dispatched) == (503, "no"), seen
        return "unavailable"
    if seen.reason in {"killed", "store-unavailable"} and any(entry["k"] == "call.intent" for entry in records):
        # It was stopped, or nobody could be asked any more, when its intent was on record, before its first byte.
        assert seen.dispatched == "no", seen
        _answer(now, seen, records)
        return "answers stopped"
    if now.counts_refusals and seen.outcome == "denied" and seen.reason not in UNTOLD and not _decided(records):
        assert seen.dispatched == "no", seen
        assert all(entry["k"] not in {"call.intent", "call.outcome"} for entry in records), seen
        return f"refused {seen.reason}"
    if seen.reason in BECAUSE:
        _refusal(seen, records)
        _because(now, seen)
        return seen.reason
    if seen.outcome == "denied" and seen.reason not in UNTOLD:
        _refusal(seen, records)
        return "refusals"
    if seen.repeats:
        _repeat(now, seen, records)
        return f"repeats {seen.reason}"
    _answer(now, seen, records)
    return f"answers {seen.outcome}"


def _decided(records: list[Entry]) -> list[Entry]:
    return [entry for entry in records if entry["k"] == "call.decision"]


def _refusal(seen: Seen, records: list[Entry]) -> None:
    decisions = _decided(records)
    assert len(decisions) == 1, f"{seen} has {len(decisions)} decisions on record"
    assert decisions[0]["st"] == seen.status, (seen, decisions[0])
    assert decisions[0]["pol"]["reasons"] == [seen.reason], (seen, decisions[0])


def _because(now: Standing, seen: Seen) -> None:
    """
    A key that was used belongs to another write, and this one was not done; a duplicate is of one that may have been.
    """
    first = now.index_of.get(seen.intent or "")
    if seen.reason == "idempotency-key-reused":
        # The other may have been claimed and no more when the process was killed.
        assert first is None or now.name(first) != seen.asked.name, f"{seen} is refused because of itself"
        assert now.done[seen.asked.name] == 0, f"{seen} was done, and is said to be refused"
        return
    assert first is not None, f"{seen} names a write that is not on record"
    assert now.effects[first] != "not_applied", f"{seen} names a write that was not done"


def _repeat(now: Standing, seen: Seen, records: list[Entry]) -> None:
    """
    A repeat names the write that it is answered from; nothing of it was sent, and a replay is that write's answer.
    """
    assert [entry for entry in records if entry["k"] in {"call.intent", "call.outcome"}] == [], seen
    if seen.reason == "idempotency-in-flight":
        # It may have been claimed and no more when the process was killed.
        return
    assert seen.intent in now.index_of, f"{seen} is answered from a write that is not on record"
    index = now.index_of[seen.intent]
    assert now.name(index) == seen.asked.name, f"{seen} is answered from another write"
    if seen.outcome == "replayed":
        assert index in now.outcomes or index in now.resolved, f"{seen} was answered before the end was on record"
        shown = _shown(now, index)
        assert shown is None or seen.body is None or shown == (seen.status, unplaced(seen.body)), (seen, shown)


def _shown(now: Standing, index: int) -> tuple[int, bytes] | None:
    """
    Return the answer that is on record of a write, unless it was found out later.
    """
    outcome = now.outcomes.get(index)
    if outcome is None or index in now.resolved:
        return None
    sealed = now.sealed[outcome["i"]]
    return outcome["seen"]["st"], unplaced(sealed["resp" if outcome["seen"].get("same") else "seen"])


def _answer(now: Standing, seen: Seen, records: list[Entry]) -> None:
    intents = [entry for entry in records if entry["k"] == "call.intent"]
    assert len(intents) == 1, f"{seen} has {len(intents)} intents on record"
    early = [entry for entry in records if entry.get("early")]
    if early:
        assert [entry["st"] for entry in early] == [seen.status], (seen, early)
        assert seen.body in {None, now.sealed[early[0]["i"]]["seen"]}, seen
        return
    outcome = now.outcomes.get(intents[0]["i"])
    assert outcome is not None, f"{seen} was answered before its outcome was on record"
    assert outcome["seen"]["st"] == seen.status, (seen, outcome)
    assert (outcome["eff"] == "unknown") == (seen.outcome == "unknown"), (seen, outcome)
    if seen.body is not None:
        assert _shown(now, intents[0]["i"]) in {None, (seen.status, unplaced(seen.body))}, seen


def one_intent_a_write(now: Standing) -> None:
    """
    Every write that went out has at most one intent that was not certainly in vain, and no intent is of another.
    """
    calls = Counter(entry["call"] for entry in now.intents.values())
    assert not [call for call, times in calls.items() if times > 1], "a call has two intents"
    names = Counter(now.name(index) for index, effect in now.effects.items() if effect != "not_applied")
    assert not [name for name, times in names.items() if times > now.times_max(name)], "a write has two intents"
    assert set(names) <= set(now.said.writes), "an intent of a write that nobody sent"
    assert len(now.outcomes) + len(now.open) == len(now.intents)


def once_or_not_at_all(now: Standing) -> int:
    """
    The upstream did no write twice, saw none that is not on record, and did what is said of each; return how many.
    """
    done, arrived = now.done, now.mix.arrived()
    assert set(arrived) <= set(now.by_name), "the upstream saw a write that is not on record"
    assert {name: times for name, times in done.items() if times > now.times_max(name)} == {}, "a write was done twice"
    for name, indexes in now.by_name.items():
        effects = {now.effects[index] for index in indexes}
        if "applied" in effects:
            assert done[name] >= 1, f"{name} was not done, and is said to be"
        elif effects == {"not_applied"}:
            assert done[name] == 0, f"{name} was done, and is said not to be"
        _not_sent_in_secret(now, name, indexes, arrived[name])
    return arrived.total()


def _not_sent_in_secret(now: Standing, name: str, indexes: list[int], arrived: int) -> None:
    ended = [now.outcomes[index] for index in indexes if index in now.outcomes]
    if len(ended) == len(indexes) and all(outcome["eff"] != "unknown" for outcome in ended):
        tries = sum(outcome["tries"] for outcome in ended if outcome["sent"] == "yes")
        assert arrived <= tries, f"{name} was sent more often than is on record"


def doubts_named_once(now: Standing) -> None:
    """
    Every open intent has one `recovery.opened`, and nothing that is known has one.
    """
    named = Counter(entry["intent"] for entry in now.of_kind("recovery.opened"))
    assert all(named[index] == 1 for index in now.open), "an open intent is not named exactly once"
    unknown = {index for index, outcome in now.outcomes.items() if outcome["eff"] == "unknown"}
    assert set(named) <= set(now.open) | unknown, "what is known is named as a doubt"
    assert max(named.values(), default=1) == 1, "a doubt is not named exactly once"
    for entry in now.of_kind("recovery.opened"):
        assert entry["call"] == now.intents[entry["intent"]]["call"]


async def doubts_shown(now: Standing, before: set[str]) -> None:
    """
    `status`, a metric and the log of this start name exactly the writes whose end is not known; `before` are those that
    the kill left.
    """
    status = await now.site.admin("GET", "/v1/status")
    shown = Counter(intent["intent"] for intent in status["in_doubt"])
    # They are being looked for meanwhile.
    later = Standing(now.site, now.said, now.mix).doubted
    assert later <= set(shown) <= now.doubted, "status shows other doubts than the record"
    assert set(shown.values()) <= {1}
    assert await now.site.metric("breakwater_unknown_outcomes_open") <= len(shown)
    assert now.site.child is not None
    await until(lambda: bool(now.site.events("ready")))
    assert [line["pid"] for line in now.site.events("ready")] == [now.site.child.pid]
    named = Counter(line["intent"] for line in now.site.events("in-doubt"))
    assert set(named.values()) <= {1}
    assert later <= set(named) <= before, "the log names other doubts than the record"
