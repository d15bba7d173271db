"""
What must be true of a state folder after a kill and a start: the record against what clients saw and the upstream got.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.disk import RealDisk
from proxy.ledger.layout import LEDGER, epochs
from proxy.ledger.read import Payloads, Record, last_records
from tests.crash.load import Said, Seen
from tests.crash.record import Log, read_log
from tests.crash.site import Site
from tests.crash.waiting import until

Entry = Mapping[str, Any]

ALL = 10**9
KEY = re.compile(rb"idempotency-key: ([^\r]*)\r\n", re.IGNORECASE)


class Standing:
    """
    A state folder's record after a start, beside what clients and the upstream know.
    """

    def __init__(self, site: Site, said: Said) -> None:
        self.site, self.said, self.sandbox = site, said, site.sandbox
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
    def sealed(self) -> dict[int, dict[str, bytes]]:
        """
        Return the opened payloads of every entry that has any.
        """
        disk = RealDisk()
        payloads = Payloads(disk, self.site.state)
        try:
            return {record.index: self._opened(payloads, record) for record in self._records(disk)}
        finally:
            payloads.close()

    def _records(self, disk: RealDisk) -> list[Record]:
        assert len(epochs(disk, self.site.state / LEDGER)) == 1
        return [r for r in last_records(disk, self.site.state / LEDGER, ALL) if "blobs" in r.entry]

    def _opened(self, payloads: Payloads, record: Record) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for part, payload in payloads.open(record).items():
            data = getattr(payload, "data", None)
            assert isinstance(data, bytes), f"entry {record.index}: payload {part} does not open: {payload}"
            found[part] = data
        return found

    def request(self, index: int) -> dict[str, Any]:
        """
        Return the sealed request of an entry.
        """
        document: dict[str, Any] = json.loads(self.sealed[index]["req"])
        return document


def kept(before: Log, after: Log) -> None:
    """
    Recovery keeps the whole batches that were there, byte for byte, and puts the torn end aside.
    """
    assert after.bodies[: len(before.bodies)] == before.bodies, "recovery changed what was committed"
    assert not after.torn, "a torn end outlived recovery"


def answers_on_record(now: Standing) -> Counter[str]:
    """
    Every answer to a write and every refusal that a client saw is on record with its status; return how many, by kind.
    """
    by_call: dict[str, list[Entry]] = {}
    for entry in now.entries:
        if "call" in entry:
            by_call.setdefault(entry["call"], []).append(entry)
    counted: Counter[str] = Counter()
    for seen in now.said.answers:
        if seen.sent == "read":
            continue
        records = by_call.get(seen.call, [])
        if seen.reason == "ledger-unavailable":
            _not_written(seen, records)
            counted["unavailable"] += 1
        elif seen.outcome == "denied" and seen.reason != "upstream-unreachable":
            _refusal(seen, records)
            counted["refusals"] += 1
        else:
            _answer(now, seen, records)
            counted[f"answers {seen.outcome}"] += 1
            counted["answers early"] += any(entry.get("early") for entry in records)
    return counted


def _not_written(seen: Seen, records: list[Entry]) -> None:
    assert (seen.status, seen.dispatched) == (503, "no"), seen
    assert [entry for entry in records if entry["k"] in {"call.intent", "call.outcome"}] == [], seen


def _refusal(seen: Seen, records: list[Entry]) -> None:
    decisions = [entry for entry in records if entry["k"] == "call.decision"]
    assert len(decisions) == 1, f"{seen} has {len(decisions)} decisions on record"
    assert decisions[0]["st"] == seen.status, (seen, decisions[0])
    assert decisions[0]["pol"]["reasons"] == [seen.reason], (seen, decisions[0])


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
        sealed = now.sealed[outcome["i"]]
        assert sealed["resp" if outcome["seen"].get("same") else "seen"] == seen.body, seen


def one_intent_a_write(now: Standing) -> None:
    """
    Every write that went out has at most one intent, and no intent is of a write that nobody sent.
    """
    calls = Counter(entry["call"] for entry in now.intents.values())
    assert not [call for call, times in calls.items() if times > 1], "a call has two intents"
    keys = Counter(now.request(index)["key"] for index in now.intents)
    assert not [key for key, times in keys.items() if times > 1], "a write has two intents"
    assert set(keys) <= now.said.writes, "an intent of a write that nobody sent"
    assert len(now.outcomes) + len(now.open) == len(now.intents)


def nothing_unrecorded(now: Standing, sandbox: StripeSandbox) -> int:
    """
    The upstream saw no write without an intent, none twice, and none that the record calls unsent; return how many.
    """
    # From the bytes that arrived: a request whose connection broke with the kill may never have been handled.
    received = Counter(key.decode() for wire in sandbox.wiretap._wires for key in KEY.findall(wire))
    keys = {index: dict(map(tuple, now.request(index)["sent_headers"]))["idempotency-key"] for index in now.intents}
    assert set(received) <= set(keys.values()), "the upstream saw a write that is not on record"
    assert not [key for key, times in received.items() if times > 1], "the upstream saw a write twice"
    for index, outcome in now.outcomes.items():
        assert (outcome["sent"] == "yes") >= (keys[index] in received), (
            f"{outcome['call']} was sent, and is said not to be"
        )
        if outcome["eff"] == "applied":
            assert sum(sandbox.effects_by_key[keys[index]].values()) == 1, f"{outcome['call']} was not done once"
        if outcome["eff"] == "not_applied":
            assert keys[index] not in sandbox.effects_by_key, f"{outcome['call']} was done, and is said not to be"
    return sum(received.values())


def doubts_named_once(now: Standing) -> None:
    """
    Every open intent has one `recovery.opened`, and nothing else has one.
    """
    named = Counter(entry["intent"] for entry in now.of_kind("recovery.opened"))
    assert named == Counter(dict.fromkeys(now.open, 1)), "an open intent is not named exactly once"
    for entry in now.of_kind("recovery.opened"):
        assert entry["call"] == now.intents[entry["intent"]]["call"]


async def doubts_shown(now: Standing) -> None:
    """
    `status`, a metric and the log of this start name exactly the writes whose outcome is not known.
    """
    unknown = {now.intents[i]["call"] for i, outcome in now.outcomes.items() if outcome["eff"] == "unknown"}
    doubt = unknown | {entry["call"] for entry in now.open.values()}
    status = await now.site.admin("GET", "/v1/status")
    assert {intent["intent"] for intent in status["in_doubt"]} == doubt
    assert len(status["in_doubt"]) == len(doubt)
    assert await now.site.metric("breakwater_unknown_outcomes_open") == len(doubt)
    assert now.site.child is not None
    await until(lambda: bool(now.site.events("ready")))
    assert [line["pid"] for line in now.site.events("ready")] == [now.site.child.pid]
    assert Counter(line["intent"] for line in now.site.events("in-doubt")) == Counter(doubt)
