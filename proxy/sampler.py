"""
What the road tells the breakers: each call as it was let pass, each attempt as it began and ended.

Nothing here waits or asks anyone: it is counted, and told to the store behind the road (`observing`). What a call is
counted under is how the breakers stood when it was let pass; what moved since is none of its business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from breakers.breaker import READ, WRITE, Breaker, State, fed_by, keys_of
from breakers.call import Applied, Call, Health, Outcome, Sent
from breakers.facts import NO_BREAKERS, Facts
from breakers.observe import tells
from breakers.thresholds import Gauging, Thresholds
from config.catalog import Effect, OperationSpec
from config.settings import Timeouts
from proxy.alone import Alone
from proxy.clock import Clock
from proxy.localfaults import LocalFaults
from proxy.refusals import Refusals
from proxy.sampling import NOTHING, Admitted, Counts, Lane, Sample, Windows, bucket_of, health_of, is_doubtful
from proxy.throttling import Throttling

TELLING = frozenset({Health.OK, Health.FAIL})
"""What a breaker on its way back is told of each attempt; the rest counts only once the call is over."""

RECOVERING = frozenset({State.PROBING, State.RAMPING})

FAULTY = frozenset({Health.FAIL, Health.FAIL_LOCAL})

RATED = ("api:", "agent:", "credential:")
"""Breakers of which it is known how many writes a minute they let pass: a task is too short, a stop has its own."""

WAITING_MAX = 1_000
"""Of results and of calls that are over, the newest that wait for a store that is away; a permit ends by itself."""

REMEMBERED_MAX = 10_000
"""Thresholds, and what calls of one agent are counted in, that are worked out once: as many as there are agents."""

HANDED_MAX = 100
"""Writes in doubt of an account that are handed to a person and kept in mind: two are enough."""

_BLOCKED = frozenset({State.BLOCKED, State.FORCED_BLOCKED})
_BACK = _BLOCKED | {State.SUGGEST_ONLY, State.FORCED_SUGGEST_ONLY}


class Sampler:
    """
    What is under way, and what was counted since the store was last told.

    `gauging` changes with the configuration. `bell` rings where the store should be told soon; `results` are for
    breakers on their way back, each with whether it was slow, `over` the calls that give back what they were permitted.
    """

    def __init__(self, clock: Clock, timeouts: Timeouts, gauging: Gauging, throttling: Throttling) -> None:
        self._clock, self._timeouts, self.throttling = clock, timeouts, throttling
        self.gauging = gauging
        self.counts, self.here, self.bell = Counts(), LocalFaults(), asyncio.Event()
        self.alone = Alone()
        self.results: deque[tuple[Admitted, Outcome, bool]] = deque(maxlen=WAITING_MAX)
        self.over_calls: deque[str] = deque(maxlen=WAITING_MAX)
        self.view: Mapping[str, Breaker] = NO_BREAKERS
        self._recovering = False
        # In the order in which they began.
        self._flying: dict[Sample, None] = {}
        self._refusals = Refusals()
        self._handed: dict[str, deque[float]] = {}

    def __repr__(self) -> str:
        return f"Sampler({len(self._flying)} under way, {len(self.counts)} not told)"

    @property
    def gauging(self) -> Gauging:
        """
        Return when which breaker moves.
        """
        return self._gauging

    @gauging.setter
    def gauging(self, gauging: Gauging) -> None:
        self._gauging = gauging
        self._thresholds: dict[str, Thresholds] = {}
        self._lanes: dict[tuple[str, str, Effect], Lane] = {}

    def saw(self, view: Mapping[str, Breaker]) -> None:
        """
        Take how the breakers stand.
        """
        self.view = view
        self._recovering = _any_recovering(view)

    def noted(self, call: Call, facts: Facts) -> Facts:
        """
        Return the facts with what this process knows: what keeps it back alone, and what asked for fewer calls.
        """
        laid = self.here.laid_over(call.api, self.alone.laid_over(facts.breakers))
        throttled = self.throttling.of(call, facts.at)
        if laid is facts.breakers and throttled is None:
            return facts
        return replace(facts, breakers=laid, throttled=throttled)

    def admitted(self, call: Call, facts: Facts) -> Admitted:
        """
        Return a call as it was let pass on these facts.
        """
        lane = self._lane_of(call)
        if not self.view and not facts.breakers:
            return Admitted(call, call.operation.spec, lane.counted, NOTHING, lane=lane)
        counted = {key: self._gen(key, facts) for key in lane.counted}
        # What stands still now is of another generation by the time at which it can be healed.
        recovering = self._recovering or _any_recovering(facts.breakers)
        heals = {key: self._gen(key, facts) for key in tells(call)} if recovering else NOTHING
        return Admitted(call, call.operation.spec, counted, heals)

    def read(self, call: Call, spec: OperationSpec, facts: Facts | None) -> Admitted:
        """
        Return a read as it was let pass on these facts; without any it is ours, for the sake of a call: the account's,
        and no agent's.
        """
        if facts is not None:
            return self.admitted(call, facts)
        seen = replace(call, id="", operation=replace(call.operation, spec=spec))
        account = fed_by(seen)[0]
        heals = {key: self._gen(key) for key in tells(seen) if key.startswith("api:")} if self._recovering else NOTHING
        return Admitted(seen, spec, {account: self._gen(account)}, heals, mine=False)

    def resent(self, call: Call) -> Admitted:
        """
        Return a write that is sent again for the sake of a doubt, as it is let pass now.
        """
        account = fed_by(call)[0]
        return Admitted(call, call.operation.spec, {account: self._gen(account)}, NOTHING, mine=False)

    def begin(self, admitted: Admitted) -> Sample:
        """
        Begin an attempt.
        """
        sample = Sample(admitted, self._clock.monotonic())
        self._flying[sample] = None
        return sample

    def left(self, sample: Sample) -> float:
        """
        Note that nothing more of an attempt is waited for, and return when that was; what it takes from here is up to
        whoever reads it.
        """
        self._flying.pop(sample, None)
        sample.left_at = now = self._clock.monotonic()
        return now

    def headed(self, sample: Sample, outcome: Outcome) -> None:
        """
        Note that the answer to a read has begun; where it is well, its end tells more.
        """
        if outcome.health is not Health.OK:
            self.ended(sample, outcome)

    def closed(self, sample: Sample, outcome: Outcome) -> None:
        """
        Note that a read is over.
        """
        if not sample.closed:
            sample.closed = True
            self.ended(sample, outcome)
            self.over(sample.admitted, outcome)

    def ended(self, sample: Sample, outcome: Outcome) -> None:
        """
        Count how an attempt ended, once.
        """
        if sample.over:
            return
        sample.over = True
        admitted, now = sample.admitted, self._clock.monotonic()
        bucket, took_s, lane = bucket_of(self._clock.now()), sample.took_s(now), admitted.lane
        if lane is not None and self._is_plain(sample, lane, outcome, took_s):
            sample.counted = True
            self.here.reached(admitted.call.api)
            self._refusals.passed(admitted.call.api, admitted.spec.name, now)
            self.counts.all_good(lane.good, bucket)
            return
        health = health_of(outcome)
        if health is Health.THROTTLE:
            self.throttling.heard(admitted.call, outcome)
        if health is Health.FAIL_LOCAL:
            self.here.failed(admitted.call.api, now)
        elif outcome.status is not None:
            self.here.reached(admitted.call.api)
        if not sample.counted:
            self._count(sample, health, took_s, bucket)
        if admitted.mine:
            self._refused(admitted, outcome, now, bucket)
        if health in TELLING and admitted.heals:
            slow = self._is_slow(admitted, took_s)
            self.alone.ended(admitted, outcome, self._clock.now(), slow=slow)
            self.results.append((admitted, outcome, slow))
        if health in FAULTY or admitted.heals or outcome.applied is Applied.UNKNOWN:
            self.bell.set()

    def _is_plain(self, sample: Sample, lane: Lane, outcome: Outcome, took_s: float) -> bool:
        """
        Tell whether an attempt ended as nearly all do: well, in time, and before any breaker moved or a reload.
        """
        well = outcome.health is Health.OK and outcome.status is not None and outcome.status < 300  # the protocol's own
        if lane.gauging is not self._gauging or self.view or sample.counted or sample.slow:
            return False
        return well and took_s <= lane.slow_after_s

    def given_up(self, call: str) -> None:
        """
        Note that nothing of a call left that may have had a permit.
        """
        self.alone.given_up(call)
        # Whether it had one need not be seen here yet: others move breakers, too.
        self.over_calls.append(call)
        if self._recovering:
            self.bell.set()

    def over(self, admitted: Admitted, outcome: Outcome) -> None:
        """
        Note that a call is over, with how it ended.

        A permit is given back whose call proved nothing. One whose call left and was cut keeps it to the end of its
        lease: whoever hung up may have done so because the upstream hangs.
        """
        call = admitted.call
        if not admitted.mine:
            return
        if call.operation.writes and outcome.sent is Sent.YES:
            self._wrote(admitted, is_doubtful=is_doubtful(outcome))
        if admitted.heals and health_of(outcome) not in TELLING:
            self.given_up(call.id)

    def _wrote(self, admitted: Admitted, *, is_doubtful: bool) -> None:
        bucket, lane = bucket_of(self._clock.now()), admitted.lane
        if lane is not None and lane.gauging is self._gauging and not (self.view or is_doubtful):
            self.counts.all_wrote(lane.written, bucket)
            return
        for key, gen in admitted.counted.items():
            self.counts.wrote(key, gen, bucket, self._of(key).over_s, int(is_doubtful))
        for key, over_s in self._lane_of(admitted.call).written:
            if key not in admitted.counted:
                self.counts.wrote(key, self._gen(key), bucket, over_s)

    def holds_back(self, admitted: Admitted) -> bool:
        """
        Tell whether a call that was let pass may not be sent once more: its account failed since.
        """
        reads, blocked = admitted.spec.effect is Effect.READ, f"api:{admitted.call.api}/{READ}"
        for key in {*admitted.counted, blocked}:
            known = self.view.get(key)
            back = _BLOCKED if reads or key == blocked else _BACK
            if known is not None and known.state in back and known.gen != admitted.counted.get(key):
                return not self._of(key).watch
        return False

    def handed_over(self, api: str) -> None:
        """
        Note that a write of an account that is in doubt was handed to a person: evidence against the account.
        """
        self._handed.setdefault(api, deque(maxlen=HANDED_MAX)).append(self._clock.monotonic())
        key = f"api:{api}/{WRITE}"
        self.counts.add(key, self._gen(key), bucket_of(self._clock.now()), self._of(key).over_s)
        self.bell.set()

    def handed(self, key: str) -> int:
        """
        Return how many writes of a breaker's were handed to a person within its window.
        """
        kind, _, rest = key.partition(":")
        api, _, of = rest.rpartition("/")
        now, over_s = self._clock.monotonic(), self._of(key).over_s
        return sum(now - at <= over_s for at in self._handed.get(api, ())) if (kind, of) == ("api", WRITE) else 0

    def _of(self, key: str) -> Thresholds:
        """
        Return the thresholds of a breaker.
        """
        known = self._thresholds.get(key)
        if known is None:
            if len(self._thresholds) >= REMEMBERED_MAX:
                self._thresholds.clear()
            known = self._thresholds[key] = self._gauging.of(key)
        return known

    def _lane_of(self, call: Call) -> Lane:
        """
        Return what a call is counted in.
        """
        place = (call.api, call.caller.agent, call.operation.spec.effect)
        known = self._lanes.get(place)
        if known is None:
            if len(self._lanes) >= REMEMBERED_MAX:
                self._lanes.clear()
            fed = fed_by(call)
            # Of a write each other breaker that may keep it back, too: towards that rate its ramp leads.
            rated = [key for key in keys_of(call) if key not in fed and key.startswith(RATED)]
            known = self._lanes[place] = Lane(
                dict.fromkeys(fed, 0),
                self._windows((*fed, f"credential:{call.api}")),
                self._windows((*fed, *rated)),
                min(self._of(key).slow_after_s for key in fed),
                self._gauging,
            )
        return known

    def _windows(self, keys: tuple[str, ...]) -> Windows:
        return tuple([(key, self._of(key).over_s) for key in keys])

    def _gen(self, key: str, facts: Facts | None = None) -> int:
        known = None if facts is None else facts.breakers.get(key)
        if known is not None:
            return known.gen
        seen = self.view.get(key)
        if seen is None:
            return 0
        # What moved after the facts were read, moved without this call.
        moved_since = facts is not None and seen.since is not None and seen.since > facts.at
        return seen.gen - 1 if moved_since else seen.gen

    def _count(self, sample: Sample, health: Health, took_s: float, bucket: int) -> None:
        ok, fail, local = int(health is Health.OK), int(health is Health.FAIL), int(health is Health.FAIL_LOCAL)
        if not ok + fail + local:
            return
        sample.counted = True
        for key, gen in sample.admitted.counted.items():
            thresholds = self._of(key)
            if not ok:
                self.counts.add(key, gen, bucket, thresholds.over_s, fail=fail, local=local)
                continue
            slow = took_s > thresholds.slow_after_s and key not in sample.slow
            self.counts.good(key, gen, bucket, thresholds.over_s, slow)
            if slow:
                self.bell.set()

    def _refused(self, admitted: Admitted, outcome: Outcome, now: float, bucket: int) -> None:
        """
        Count what was refused, as evidence about the credential and the task.
        """
        call, operation = admitted.call, admitted.spec.name
        good = self._refusals.of_credential(call.api, call.caller.agent, operation, outcome, now)
        if good is not None:
            key = f"credential:{call.api}"
            count, over_s = self.counts, self._of(key).over_s
            if good:
                count.good(key, self._gen(key), bucket, over_s)
            else:
                count.add(key, self._gen(key), bucket, over_s, fail=1)
        task, declined = call.caller.task, 0
        if not good and call.operation.writes:
            declined = self._refusals.declined(task, f"{call.api}/{operation}", outcome, now)
        if declined:
            key = f"task:{task}"
            self.counts.add(key, self._gen(key), bucket, self._of(key).over_s, fail=declined)
        if declined or good is False:
            self.bell.set()

    def overdue(self) -> None:
        """
        Count what is under way for too long: as slow at once, and as failed once it may take no longer.
        """
        now, bucket = self._clock.monotonic(), bucket_of(self._clock.now())
        for sample in tuple(self._flying):
            if sample.counted:
                continue
            took_s, admitted = sample.took_s(now), sample.admitted
            if took_s > self._longest_s(admitted):
                self._count(sample, Health.FAIL, took_s, bucket)
                continue
            for key, gen in admitted.counted.items():
                thresholds = self._of(key)
                if took_s > thresholds.slow_after_s and key not in sample.slow:
                    sample.slow |= {key}
                    self.counts.add(key, gen, bucket, thresholds.over_s, slow=1)

    def _longest_s(self, admitted: Admitted) -> float:
        reads = admitted.spec.effect is Effect.READ
        return self._timeouts.first_byte_s if reads else self._timeouts.write_total_s

    def _is_slow(self, admitted: Admitted, took_s: float) -> bool:
        return any(took_s > self._of(key).slow_after_s for key in admitted.counted)


def _any_recovering(breakers: Mapping[str, Breaker]) -> bool:
    return bool(breakers) and any(one.state in RECOVERING for one in breakers.values())
