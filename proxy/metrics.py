"""
What Prometheus reads. Labels are bounded: never a task id, a path or an argument.

A registry belongs to one running program, so that two in one process do not share counts.
"""

from __future__ import annotations

import contextlib
from collections import Counter as Counted
from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from breakers.breaker import Breaker
from breakers.periods import span_of
from breakers.spend import Alert, Total
from breakers.stops import CANARY, Mode, Stop
from breakers.store.protocol import Store, StoreUnavailable
from breakers.verdict import Reason
from proxy.drifting import DriftMetrics
from proxy.durations import Durations
from proxy.fleetnews import FleetMetrics
from proxy.ledger.book import Ledger
from proxy.queued import SuggestionMetrics
from proxy.reviewing import ReviewMetrics
from proxy.trail import Trail

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""From half a millisecond, about what a judged read costs us, to the longest write."""


SHOWN = frozenset({"agent", "team", "api"})
"""Kinds of nodes that are labels: there are as many as the configuration names; tasks and tokens have no bound."""


class Metrics:
    """
    Every metric of the program, by what it counts.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.calls = Counter(
            "breakwater_calls_total", "Calls that ended, by verdict and outcome.",
            ("api", "effect", "verdict", "outcome"), registry=r,
        )  # fmt: skip
        self.refusals = Counter(
            "breakwater_refusals_total",
            "Answers of ours, not the upstream's, by reason.",
            ("reason",),
            registry=r,
        )
        self.repeats = Counter(
            "breakwater_repeats_total", "Writes that were answered from an earlier one.", ("api", "how"), registry=r
        )
        self.duplicates_refused = Counter(
            "breakwater_duplicates_refused_total", "Writes that were refused as suspected duplicates.", ("api",),
            registry=r,
        )  # fmt: skip
        self.loops = Counter(
            "breakwater_loops_noticed_total", "Calls in which the loop guard noticed something, by rule.",
            ("api", "rule"), registry=r,
        )  # fmt: skip
        self.stage_seconds = Durations(
            "breakwater_stage_seconds", "Time spent in each stage of a call.", "stage", SECONDS, r
        )
        self.added_seconds = Durations(
            "breakwater_added_seconds", "Time that a call spent here and not at the upstream.", "effect", SECONDS, r
        )
        self.writes_in_flight = Gauge("breakwater_in_flight", "Writes being carried now.", registry=r)
        self.unknown_open = Gauge("breakwater_unknown_outcomes_open", "Writes whose outcome is not known.", registry=r)
        self.echoes = Counter(
            "breakwater_credential_echoes_total", "Answers in which an upstream echoed our credential.",
            ("api",), registry=r,
        )  # fmt: skip
        self.upstream_retries = Counter(
            "breakwater_upstream_retries_total", "Calls that were sent to their upstream again, by why.",
            ("api", "why"), registry=r,
        )  # fmt: skip
        self.doubts_resolved = Counter(
            "breakwater_doubts_resolved_total", "Writes in doubt that were settled or put before a person, by how.",
            ("api", "how"), registry=r,
        )  # fmt: skip
        self.doubt_incidents = Counter(
            "breakwater_doubt_incidents_total", "Writes in doubt that turned out to have been made more than once.",
            ("api",), registry=r,
        )  # fmt: skip
        self.alerts = Counter(
            "breakwater_budget_alerts_total", "Alerts on caps, by what is told and whose cap it is.",
            ("kind", "node"), registry=r,
        )  # fmt: skip
        self.spend = Gauge(
            "breakwater_spend", "What was taken of a cap in its current period: money in micro-units of its currency.",
            ("node", "span", "measure", "state"), registry=r,
        )  # fmt: skip
        self.suggestions = SuggestionMetrics(r)
        self.reviews, self.drift, self.fleet = ReviewMetrics(r), DriftMetrics(r), FleetMetrics(r)
        self._counted: dict[tuple[Counter, tuple[str, ...]], Counter] = {}
        self._of_the_record()

    def _of_the_record(self) -> None:
        r = self.registry
        self.ledger_entries = Counter("breakwater_ledger_entries_total", "Entries made durable.", registry=r)
        self.ledger_sync_seconds = Histogram(
            "breakwater_ledger_sync_seconds", "Time until a batch of entries was durable.", buckets=SECONDS, registry=r
        )
        self.ledger_lost = Counter(
            "breakwater_ledger_lost_total", "Records that were lost on their way to the disk.", registry=r
        )
        # Of what the ledger has lost, as much as was counted here.
        self._lost = 0
        self.ledger_queue = Gauge("breakwater_ledger_queue", "Entries waiting to become durable.", registry=r)
        self.letters_refused = Counter(
            "breakwater_letters_refused_total", "Letters that were not taken, by why.", ("why",), registry=r
        )
        self.ledger_ready = Gauge("breakwater_ledger_ready", "1 while the ledger can be written.", registry=r)
        self.disk_free = Gauge("breakwater_ledger_disk_free_bytes", "Room left on the ledger's disk.", registry=r)
        self.config_info = Gauge(
            "breakwater_config_info", "1 for the version of the configuration that is in force.",
            ("version",), registry=r,
        )  # fmt: skip
        self.reloads = Counter(
            "breakwater_reloads_total", "Times that a changed configuration was to be taken, by what came of it.",
            ("result",), registry=r,
        )  # fmt: skip
        self.announcements = Counter(
            "breakwater_announcements_total", "What people were told of beside alerts on caps, by what it is.",
            ("kind",), registry=r,
        )  # fmt: skip
        self.breaker_state = Gauge(
            "breakwater_breaker_state", "1 for the state that a breaker is in; tasks are counted together.",
            ("breaker", "state"), registry=r,
        )  # fmt: skip
        self.breaker_moves = Counter(
            "breakwater_breaker_transitions_total", "Transitions of breakers, by the state that they led to.",
            ("breaker", "state"), registry=r,
        )  # fmt: skip
        self.kill_epoch = Gauge("breakwater_kill_epoch", "The epoch of the newest kill record.", registry=r)
        self.stopped = Gauge("breakwater_kill_scopes", "Scopes that are not running, by mode.", ("mode",), registry=r)
        self.kill_propagation = Histogram(
            "breakwater_kill_propagation_seconds", "Time from an order of the stop until it was in force here.",
            buckets=SECONDS, registry=r,
        )  # fmt: skip
        self.drill_seconds = Gauge(
            "breakwater_kill_drill_seconds", "Time that the newest drill took, by what it waited for.", ("until",),
            registry=r,
        )  # fmt: skip
        self.drilled_at = Gauge(
            "breakwater_kill_drill_timestamp_seconds", "When the newest drill was, in seconds since 1970.", registry=r
        )

    def letter_refused(self, why: str) -> None:
        """
        Count a letter that was not taken.
        """
        self.letters_refused.labels(why).inc()

    def applied(self, version: str) -> None:
        """
        Note which version of the configuration is in force.
        """
        self.config_info.clear()
        self.config_info.labels(version[:12]).set(1)

    def watch(self, ledger: Ledger) -> None:
        """
        Take what the ledger says of each batch that became durable.
        """

        def on_batch(entries: int, seconds: float) -> None:
            self.ledger_entries.inc(entries)
            self.ledger_sync_seconds.observe(seconds)

        ledger.stats.on_batch = on_batch

    async def sample(self, ledger: Ledger, store: Store, in_flight: int, now: datetime) -> None:
        """
        Read what is a state and not a count; what a store that is away would say stays as it was.
        """
        self.ledger_queue.set(ledger.pending)
        lost = ledger.stats.lost
        self.ledger_lost.inc(lost - self._lost)
        self._lost = lost
        self.ledger_ready.set(ledger.state == "ready")
        self.disk_free.set(ledger.stats.free_bytes)
        self.writes_in_flight.set(in_flight)
        with contextlib.suppress(StoreUnavailable):
            self.unknown_open.set(sum(intent.suspended for intent in await store.open_intents()))
            self._stops((await store.stops()).by_scope.values(), now)
            self._spend(await store.totals(), now)
            self.suggestions.sample(await store.suggestions())

    def stop_applied(self, stop: Stop, seconds: float) -> None:
        """
        Note that a record of the stop took hold here so many seconds after it was ordered.
        """
        self.kill_propagation.observe(seconds)
        self.kill_epoch.set(stop.epoch)

    def drilled(self, here_s: float, told_s: float, at: datetime) -> None:
        """
        Note what a drill measured, and when it was.
        """
        self.drill_seconds.labels("here").set(here_s)
        self.drill_seconds.labels("told").set(told_s)
        self.drilled_at.set(at.timestamp())

    def _stops(self, stops: Iterable[Stop], now: datetime) -> None:
        stops = [stop for stop in stops if stop.scope != CANARY]
        self.kill_epoch.set(max((stop.epoch for stop in stops), default=0))
        modes = Counted(stop.mode_at(now) for stop in stops)
        for mode in Mode:
            if mode is not Mode.RUN:
                self.stopped.labels(str(mode)).set(modes[mode])

    def _spend(self, totals: Iterable[Total], now: datetime) -> None:
        """
        Show what was taken of the caps of agents, teams and APIs: of what the configuration names, and nothing else.
        """
        self.spend.clear()
        for total in totals:
            kind, _, _ = total.node.partition(":")
            if kind in SHOWN and total.until is not None and total.until > now:
                for state, value in (("settled", total.settled), ("held", total.held), ("cap", total.cap)):
                    self.spend.labels(total.node, span_of(total.period), total.measure, state).set(value)

    def breaker_moved(self, breaker: Breaker) -> None:
        """
        Count a transition of a breaker.
        """
        self.breaker_moves.labels(_shown(breaker.key), str(breaker.state)).inc()

    def breakers(self, found: Iterable[Breaker]) -> None:
        """
        Show how breakers stand.
        """
        self.breaker_state.clear()
        for breaker in found:
            self.breaker_state.labels(_shown(breaker.key), str(breaker.state)).inc()

    def alerted(self, alert: Alert) -> None:
        """
        Count an alert on a cap.
        """
        self.alerts.labels(str(alert.kind), alert.node.partition(":")[0]).inc()

    def ended(self, trail: Trail) -> None:
        """
        Count a request that was answered.
        """
        effect = trail.effect or "none"
        self._count(self.calls, trail.api or "none", effect, trail.verdict or "edge", trail.outcome or "none")
        if trail.reason:
            self._count(self.refusals, trail.reason)
        if trail.reason == Reason.DUPLICATE_SUSPECTED:
            self._count(self.duplicates_refused, trail.api)
        if trail.loop:
            self._count(self.loops, trail.api, trail.loop.partition(";")[0])
        if trail.how:
            self._count(self.repeats, trail.api, trail.how)
        self.stage_seconds.took(trail.stages)
        self.added_seconds.took({effect: max(0, trail.total_us() - trail.upstream_us)})

    def _count(self, counter: Counter, *labels: str) -> None:
        # The same object that `labels` gives, which takes three times as long to find it.
        counted = self._counted.get((counter, labels))
        if counted is None:
            counted = self._counted[counter, labels] = counter.labels(*labels)
        counted.inc()


def _shown(key: str) -> str:
    """
    Return a breaker's key as a label: of tasks there is no bound, so they are one.
    """
    kinds = key.split(":")
    return key if "task" not in kinds[:2] else ":".join(kinds[: kinds.index("task") + 1])
