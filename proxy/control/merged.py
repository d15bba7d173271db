"""
What several processes answer, put together: one function for each route of the admin door, and nothing but that.

`answers` are the bodies by replica, each of what that process knows alone (`?here=1`); the first is that of whoever was
asked. What stands in the store all of them say alike, and it is said once; what stands in one record only is joined,
in one order, and nothing twice. Who was not heard is no part of a body: it is said beside it (`UNHEARD`), because
silence is never emptiness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

UNHEARD = "Breakwater-Unheard"
"""The header that names who was not heard: `REPLICA;WHY`, separated by commas. Without it everybody was."""

HEARD = "Breakwater-Heard"
"""The header that names whose answers these are, separated by commas."""

RUNS = "run"
"""The mode of a scope that is not stopped."""

LIVE, SILENT = "live", "silent"

Answers = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]
Merge = Callable[[Answers, Rows], Any]
"""Takes the answers, and a row of each replica that was not heard: its `replica`, and `state` `silent` or `live`."""


def timeline(answers: Answers, _: Rows = ()) -> Any:
    """
    Join what each record has of a task: by time, then by id; what several have of one call stands in one place.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for replica, body in answers.items():
        for number, row in enumerate(body["told"]):
            # What belongs to no call stands for itself.
            key = (row["call"],) if row["call"] is not None else (replica, str(number))
            found[key] = _one_call(found[key], row) if key in found else {**row, "replica": replica}
    told = sorted(found.values(), key=lambda row: (row["at"], row["call"] or "", row["replica"]))
    tasks = sorted({task for body in answers.values() for task in body["tasks"]}, reverse=True)
    return {"task": next(iter(answers.values()))["task"], "told": told, "tasks": [] if told else tasks}


def _one_call(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    first, second = sorted((one, other), key=lambda row: row["at"])
    joined = {**first, "replica": one["replica"]}
    # Whose call it was is said once.
    joined["lines"] = [*first["lines"], *second["lines"][1:]]
    if first.get("said") is not None and second.get("said") is not None:
        records = sorted(
            [*first["said"]["records"], *second["said"]["records"]], key=lambda record: record["entry"]["ts"]
        )
        joined["said"] = {**first["said"], "records": records}
    return joined


def suggestions(answers: Answers, _: Rows = ()) -> Any:
    """
    Say of each parked write, which all of them know, in whose record it stands; None where nobody says so.
    """
    return _owned(answers, "suggestion", "asked")


def doubts(answers: Answers, _: Rows = ()) -> Any:
    """
    Join the writes in doubt; one that only the store knows is its silent owner's.
    """
    return _owned(answers, "intent", "at")


def reviews(answers: Answers, _: Rows = ()) -> Any:
    """
    Join what waits to be looked at.
    """
    return _owned(answers, "call", "at")


def drifts(answers: Answers, _: Rows = ()) -> Any:
    """
    Put how each process finds an agent's calls beside how the others do: each compares those that it sees.
    """
    found = [{**row, "replica": replica} for replica, body in answers.items() for row in body]
    return sorted(found, key=lambda row: (row["agent"], row["replica"]))


def owned(row: Mapping[str, Any], *, mine: bool) -> dict[str, Any]:
    """
    Return a row of what all of them know, by the one that answers: whether it is in its own record.
    """
    return dict(row) if mine else {**row, "mine": False}


def _owned(answers: Answers, id_: str, at: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for replica, body in answers.items():
        for row in body:
            is_own = row.get("mine", True)
            if row[id_] not in found or is_own:
                # Of what is another's somebody may know whose it is.
                said = {name: value for name, value in row.items() if name not in {"mine", "owner"}}
                found[row[id_]] = {**said, "replica": replica if is_own else row.get("owner")}
    return sorted(found.values(), key=lambda row: (row.get(at) or "", row[id_]))


def kill(answers: Answers, unheard: Rows = ()) -> Any:
    """
    Join the proofs of a scope: it has stopped where every process says so, and nothing of it is on its way.
    """
    own = next(iter(answers.values()))
    rows = [_row(body["process"]) for body in answers.values()]
    proofs = [
        Said.of(body["in_force"]["mode"], body["in_force"]["epoch"], body["process"]) for body in answers.values()
    ]
    return {
        **own,
        "replicas": [*rows, *(dict(row) for row in unheard)],
        "confirmed": confirmed(own, proofs, unheard),
    }


def status(answers: Answers, unheard: Rows = ()) -> Any:
    """
    Add every process to what one of them says of itself.
    """
    own = next(iter(answers.values()))
    rows = [
        {**_row(body["kill"]["process"]), "ready": body["ready"], "why": body["why"], "policy": body["policy"]}
        for body in answers.values()
    ]
    proofs = [
        Said.of(body["kill"]["mode"], body["kill"]["epoch"], body["kill"]["process"]) for body in answers.values()
    ]
    stopped = {**own["kill"], "confirmed": confirmed(own["kill"], proofs, unheard)}
    return {**own, "kill": stopped, "replicas": [*rows, *(dict(row) for row in unheard)]}


def _row(process: Mapping[str, Any]) -> dict[str, Any]:
    return {**process, "state": LIVE}


@dataclass(frozen=True, slots=True)
class Said:
    """
    What one process says of a scope.
    """

    mode: str
    epoch: int
    heard: bool
    in_flight: frozenset[str]

    @classmethod
    def of(cls, mode: str, epoch: int, process: Mapping[str, Any]) -> Said:
        """
        Read what a process says.
        """
        return cls(mode, epoch, process["heard"], frozenset(one["intent"] for one in process["in_flight"]))


def confirmed(own: Mapping[str, Any], proofs: Iterable[Said], unheard: Rows) -> bool:
    """
    Tell whether nothing of a scope moves any more, anywhere.

    Every process that lives has to say that it has applied what stands here, or what is newer, and has nothing on its
    way. One that is silent has stopped by itself once its lease is over, and what it had on its way has ended, one way
    or the other, after the longest that a write may take; until then it, and a mark that nobody owns, keeps back the
    word.
    """
    every = list(proofs)
    epoch = every[0].epoch
    if any(one.mode == RUNS or not one.heard or one.epoch < epoch or one.in_flight for one in every):
        return False
    if any(row["state"] != SILENT for row in unheard) or own["elsewhere"] is None:
        return False
    fence = own["fence"]
    is_past = fence["since_s"] is not None and fence["since_s"] >= fence["after_s"] + fence["longest_s"]
    return is_past or not (unheard or own["elsewhere"])


MERGED: Mapping[str, Merge] = MappingProxyType(
    {
        "/v1/timeline": timeline,
        "/v1/suggestions": suggestions,
        "/v1/doubt": doubts,
        "/v1/reviews": reviews,
        "/v1/drift": drifts,
        "/v1/kill": kill,
        "/v1/status": status,
    }
)
"""How the answers of several are put together, by route."""
