"""Answers of several processes, put together: one order, nothing twice, and confirmed only what all confirm."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.merged import MERGED, confirmed, drifts, kill, reviews, status, suggestions, timeline
from proxy.control.merged import Said as Proof


def told(call: str | None, at: str, *lines: str, records: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    Return what one process tells of a call.
    """
    said = {"call": call, "records": [{"entry": {"ts": ts}} for ts in records]} if records else None
    return {"call": call, "at": at, "lines": [f"{at} {call}", *lines], "said": said}


def line(*rows: dict[str, Any], tasks: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    Return the timeline of one process.
    """
    return {"task": "t", "told": list(rows), "tasks": list(tasks)}


def test_one_order() -> None:
    """Calls of several records stand by their time, of one moment by their id, and say whose record they are in."""
    answers = {
        "a": line(told("c2", "12:02"), told("c4", "12:04"), told(None, "12:05")),
        "b": line(told("c3", "12:02"), told("c1", "12:01"), told(None, "12:05")),
    }
    found = [(row["call"], row["replica"]) for row in timeline(answers)["told"]]
    assert found == [("c1", "b"), ("c2", "a"), ("c3", "b"), ("c4", "a"), (None, "a"), (None, "b")]


@pytest.mark.parametrize("order", list(itertools.permutations("ab")), ids="".join)
def test_one_call_in_two(order: tuple[str, ...]) -> None:
    """What two records have of one call stands together, its beginning once, whoever is asked."""
    answers = {
        "a": line(told("c", "12:01", "sent", records=("12:01", "12:04"))),
        "b": line(told("c", "12:02", "resolved", records=("12:02",))),
    }
    (row,) = timeline({name: answers[name] for name in order})["told"]
    assert row["lines"] == ["12:01 c", "sent", "resolved"]
    assert [record["entry"]["ts"] for record in row["said"]["records"]] == ["12:01", "12:02", "12:04"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 3)), max_size=12, unique=True))
def test_whoever_is_asked(made: list[tuple[str, int, int]]) -> None:
    """The same calls come in the same order from whichever process is asked, and each of them once."""
    answers = {name: line(*(told(f"c{number}", f"12:0{at}") for of, number, at in made if of == name)) for name in "ab"}
    first, second = (timeline({name: answers[name] for name in order})["told"] for order in ("ab", "ba"))
    assert [row["call"] for row in first] == [row["call"] for row in second]
    assert sorted(row["call"] for row in first) == sorted({f"c{number}" for _, number, _ in made})
    assert [row["at"] for row in first] == sorted(row["at"] for row in first)


def test_no_such_task() -> None:
    """Where nobody knows a task the newest of all are named, and otherwise none."""
    answers = {"a": line(tasks=("t3", "t1")), "b": line(tasks=("t2", "t1"))}
    assert timeline(answers)["tasks"] == ["t3", "t2", "t1"]
    assert timeline({**answers, "c": line(told("c", "12:00"))})["tasks"] == []


def test_owned() -> None:
    """What all know is said once, with whose it is; None where its owner is not heard."""

    def row(id_: str, asked: str, **more: object) -> dict[str, object]:
        return {"suggestion": id_, "asked": asked, **more}

    answers = {
        "a": [row("s1", "2", mine=False), row("s2", "1"), row("s3", "3", mine=False)],
        "b": [row("s1", "2", more=1), row("s2", "1", mine=False), row("s4", "4", mine=False, owner="c")],
    }
    assert suggestions(answers) == [
        row("s2", "1", replica="a"),
        row("s1", "2", more=1, replica="b"),
        row("s3", "3", replica=None),
        row("s4", "4", replica="c"),
    ]


def test_drifts() -> None:
    """How each process finds an agent's calls stands beside how the others do, by agent."""
    answers = {"b": [{"agent": "x", "state": "drifting"}, {"agent": "y"}], "a": [{"agent": "x", "state": "watching"}]}
    found = [(row["agent"], row["replica"], row.get("state")) for row in drifts(answers)]
    assert found == [("x", "a", "watching"), ("x", "b", "drifting"), ("y", "b", None)]


def test_joined() -> None:
    """What only one record has is joined by time."""
    answers = {"a": [{"call": "r2", "at": "2"}], "b": [{"call": "r1", "at": "1"}]}
    assert [(row["call"], row["replica"]) for row in reviews(answers)] == [("r1", "b"), ("r2", "a")]


OWN: dict[str, Any] = {"elsewhere": [], "fence": {"since_s": 1.0, "after_s": 5.0, "longest_s": 65.0}}
PAST: dict[str, Any] = {**OWN, "fence": {**OWN["fence"], "since_s": 70.0}}
STOPPED = Proof("stop-writes", 4, heard=True, in_flight=frozenset())
SILENT, HUNG = {"replica": "c", "state": "silent"}, {"replica": "c", "state": "live"}

CONFIRMED: dict[str, tuple[dict[str, Any], list[Proof], list[dict[str, Any]], bool]] = {
    "one": (OWN, [STOPPED], [], True),
    "all": (OWN, [STOPPED, STOPPED, STOPPED], [], True),
    "a newer epoch": (OWN, [STOPPED, Proof("stop-all", 5, True, frozenset())], [], True),
    "an older epoch": (OWN, [STOPPED, Proof("stop-writes", 3, True, frozenset())], [], False),
    "one runs": (OWN, [STOPPED, Proof("run", 9, True, frozenset())], [], False),
    "one flies": (OWN, [STOPPED, Proof("stop-writes", 4, True, frozenset({"w"}))], [], False),
    "ours flies": (OWN, [Proof("stop-writes", 4, True, frozenset({"w"})), STOPPED], [], False),
    "one does not hear": (OWN, [STOPPED, Proof("stop-writes", 4, False, frozenset())], [], False),
    "one flies for ever": (PAST, [STOPPED, Proof("stop-writes", 4, True, frozenset({"w"}))], [], False),
    "one is silent": (OWN, [STOPPED], [SILENT], False),
    "one was silent for long": (PAST, [STOPPED], [SILENT], True),
    "a moment too soon": ({**OWN, "fence": {**OWN["fence"], "since_s": 69.999}}, [STOPPED], [SILENT], False),
    "one lives and does not answer": (PAST, [STOPPED], [HUNG], False),
    "a mark that nobody owns": ({**OWN, "elsewhere": ["w"]}, [STOPPED], [], False),
    "an old mark that nobody owns": ({**PAST, "elsewhere": ["w"]}, [STOPPED], [], True),
    "nobody can be asked": ({**PAST, "elsewhere": None}, [STOPPED], [], False),
    "never shared": ({**OWN, "fence": {**OWN["fence"], "since_s": None}}, [STOPPED], [SILENT], False),
}


@pytest.mark.parametrize("case", CONFIRMED)
def test_confirmed(case: str) -> None:
    """A stop is confirmed once all that live say so, and all that are silent have stopped by themselves."""
    own, proofs, unheard, holds = CONFIRMED[case]
    assert confirmed(own, proofs, unheard) is holds


def process(name: str, *flying: str) -> dict[str, Any]:
    """
    Return what a process says of itself.
    """
    return {"replica": name, "epoch": 4, "heard": True, "in_flight": [{"intent": one} for one in flying]}


def test_kill() -> None:
    """The proofs are rows, those that were not heard among them; the rest is what whoever was asked says."""
    in_force = {"mode": "stop-writes", "epoch": 4}
    answers = {
        "a": {**OWN, "in_force": in_force, "process": process("a"), "confirmed": True},
        "b": {**OWN, "in_force": in_force, "process": process("b", "w"), "confirmed": False},
    }
    said = kill(answers, [SILENT])
    assert [(row["replica"], row["state"]) for row in said["replicas"]] == [
        ("a", "live"),
        ("b", "live"),
        ("c", "silent"),
    ]
    assert not said["confirmed"]
    assert kill({"a": answers["a"]})["confirmed"]


def test_status() -> None:
    """The processes are added to what one says of itself, and its word on the stop is the word of all."""

    def body(name: str, *flying: str) -> dict[str, Any]:
        stopped = {**OWN, "mode": "stop-writes", "epoch": 4, "process": process(name, *flying), "confirmed": True}
        return {"ready": True, "why": [], "policy": f"v{name}", "kill": stopped}

    said = status({"a": body("a"), "b": body("b", "w")})
    assert [(row["replica"], row["policy"]) for row in said["replicas"]] == [("a", "va"), ("b", "vb")]
    assert (said["policy"], said["kill"]["confirmed"]) == ("va", False)
    assert status({"a": body("a"), "b": body("b")})["kill"]["confirmed"]


def test_routes() -> None:
    """Each look that several answer has its way of being put together."""
    looks = {"timeline", "suggestions", "doubt", "reviews", "drift", "kill", "status"}
    assert MERGED.keys() == {f"/v1/{look}" for look in looks}
