"""
The metrics of several workers as those of one process: what Prometheus reads at the parent's door.

Counts and histograms are summed. A worker that ends takes its counts with it, and a sum that falls would be taken for
a restart of all; so what an ended process last said is kept and added. A gauge is summed where each worker has a part
of it (`SUMMED`), is one value where all of them look at the same (`SHARED`, of which the highest is shown), and
otherwise carries the label `worker`: a sum of states says nothing. The parent's own stand beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.seats import Seats, State

SUMMED = frozenset({"breakwater_in_flight", "breakwater_ledger_queue"})

SHARED = frozenset(
    {
        "breakwater_unknown_outcomes_open",
        "breakwater_spend",
        "breakwater_suggestions_open",
        "breakwater_kill_epoch",
        "breakwater_kill_scopes",
        "breakwater_kill_drill_seconds",
        "breakwater_kill_drill_timestamp_seconds",
        "breakwater_breaker_state",
        "breakwater_fleet_members",
    }
)

COUNTED = frozenset({"counter", "histogram", "summary"})

CREATED = "_created"
"""When a count began: of several the first."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample: its name and its labels."""


@dataclass(frozen=True, slots=True)
class Family:
    """
    One metric: what it counts, how, and its samples.
    """

    name: str
    help: str
    type: str
    samples: Mapping[Key, float]


Said = Mapping[str, Family]
"""What one process says, by the metric's name."""


def read(text: str) -> dict[str, Family]:
    """
    Read what a process shows.
    """
    return {family.name: _family(family) for family in text_string_to_metric_families(text)}


def _family(family: Metric) -> Family:
    samples = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in family.samples}
    return Family(family.name, family.documentation, family.type, samples)


class ParentMetrics:
    """
    What a parent counts itself.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.workers = Gauge("breakwater_workers", "Workers, by how they stand.", ("state",), registry=self.registry)
        self.starts = Counter(
            "breakwater_worker_starts_total", "Processes that were started, by worker.", ("worker",),
            registry=self.registry,
        )  # fmt: skip

    def moved(self, seats: Seats) -> None:
        """
        Show how workers stand.
        """
        for state in State:
            self.workers.labels(str(state)).set(sum(seat.state is state for seat in seats))


class Totals:
    """
    What every worker last said, and what those counted that have ended.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, Said]] = {}
        self._gone: dict[str, Family] = {}

    def __repr__(self) -> str:
        return f"Totals({sorted(self._last)})"

    def heard(self, worker: int, pid: int, said: Said) -> None:
        """
        Take what a worker says, by the process that it is now.
        """
        before = self._last.get(worker)
        if before is not None and before[0] != pid:
            self._gone = summed([self._gone, counts(before[1])])
        self._last[worker] = (pid, said)

    def all(self, heard: Collection[int]) -> dict[str, Family]:
        """
        Return what they come to; of a worker that was not heard just now only what it has counted.
        """
        said = {worker: one if worker in heard else counts(one) for worker, (_, one) in sorted(self._last.items())}
        return merged(said, self._gone)


def counts(said: Said) -> dict[str, Family]:
    """
    Return what only grows of what a process says.
    """
    return {name: family for name, family in said.items() if family.type in COUNTED}


def merged(said: Mapping[int, Said], gone: Said) -> dict[str, Family]:
    """
    Return the metrics of several workers as one, with the counts of those that have ended.
    """
    found = summed([gone, *(counts(one) for one in said.values())])
    for worker, one in said.items():
        for name, family in one.items():
            if family.type not in COUNTED:
                found[name] = _gauged(found.get(name), family, worker)
    return found


def summed(parts: Sequence[Said]) -> dict[str, Family]:
    """
    Add counts up.
    """
    found: dict[str, Family] = {}
    for part in parts:
        for name, family in part.items():
            known = found.get(name)
            samples = dict(known.samples) if known is not None else {}
            for key, value in family.samples.items():
                samples[key] = samples.get(key, 0.0) + value
            found[name] = Family(name, family.help, family.type, samples)
    return found


def _gauged(known: Family | None, family: Family, worker: int) -> Family:
    samples = dict(known.samples) if known is not None else {}
    for (name, labels), value in family.samples.items():
        if name.endswith(CREATED):
            samples[name, labels] = min(value, samples.get((name, labels), value))
        elif family.name in SUMMED:
            samples[name, labels] = samples.get((name, labels), 0.0) + value
        elif family.name in SHARED:
            samples[name, labels] = max(value, samples.get((name, labels), value))
        else:
            samples[name, tuple(sorted((*labels, ("worker", str(worker)))))] = value
    return Family(family.name, family.help, family.type, samples)


def spelled(families: Iterable[Family]) -> str:
    """
    Return metrics as Prometheus reads them.
    """
    lines = []
    for family in families:
        shown = f"{family.name}_total" if family.type == "counter" else family.name
        lines += [f"# HELP {shown} {_escaped(family.help)}", f"# TYPE {shown} {family.type}"]
        for (name, labels), value in family.samples.items():
            inside = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels)
            lines.append(f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
