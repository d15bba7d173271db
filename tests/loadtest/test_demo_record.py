from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pytest
from jira import JIRAError

from loadtest.demo import __main__ as demo
from loadtest.demo import record
from loadtest.demo.record import Record, UnexpectedError
from loadtest.installation import Breakwater, Command

PATCH = [
    {"op": "replace", "path": "/charge/amount_refunded", "value": 2500},
    {"op": "add", "path": "/charge/n", "value": 1},
]
INVERSE = [
    {"op": "test", "path": "/charge/amount_refunded", "value": 2500},
    {"op": "replace", "path": "/charge/amount_refunded", "value": 0},
    {"op": "remove", "path": "/charge/n"},
]

PRINTED = """\
call C

#1  T  call.outcome  applied, sent yes, status 200, 3 ms

#2  T  change.recorded  charge changed; refund created; 2 requested
  stripe charge changed: 6 expected
{}
  stripe refund created: 1 requested
    + /amount  2500
"""
MEMBERS = [f"    ~ /m{n}  0 → 1  (expected)" for n in range(6)]


@dataclass
class Operator:
    """
    Commands that print what they were told to: a change, with or without its diff.
    """

    payloads: dict[str, Any]
    kind: str = "change.recorded"

    def cli(self, *arguments: str) -> Command:
        if "--json" not in arguments:
            return Command(0, PRINTED.format("\n".join(MEMBERS)), "")
        return Command(0, json.dumps([{"entry": {"k": self.kind}, "payloads": self.payloads}]), "")


def of(operator: Operator) -> Record:
    return Record(cast("Breakwater", operator))


def test_diff_is_cut() -> None:
    """Of a change, the lines of the one object are shown, few of them and how many more there are."""
    shown = of(Operator({"patch": {"json": PATCH}, "inv": {"json": INVERSE}})).expect_changed(
        "C", "/charge/amount_refunded", 0, 2500
    )
    assert shown == (
        "stripe charge changed: 6 expected",
        *(line[2:] for line in MEMBERS[:4]),
        "  … and 2 more",
    )


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/charge/amount_refunded", 0, 2400),
        ("/charge/amount_refunded", 100, 2500),
        ("/charge/n", 0, 1),
        ("/charge/other", None, None),
    ],
)
def test_another_diff(path: str, before: object, after: object) -> None:
    """A change that says anything else than a scene promised fails it."""
    with pytest.raises(UnexpectedError, match=path):
        of(Operator({"patch": {"json": PATCH}, "inv": {"json": INVERSE}})).expect_changed("C", path, before, after)


@pytest.mark.parametrize(
    ("operator", "said"),
    [(Operator({}), "has no diff"), (Operator({}, "call.outcome"), "no change of C")],
)
def test_no_diff(operator: Operator, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change without a diff, or none at all in good time, fails a scene."""
    monkeypatch.setattr(record, "SOON_S", 0.01)
    with pytest.raises(UnexpectedError, match=said):
        of(operator).expect_changed("C", "/charge/n", None, 1)


def entries(*rows: tuple[str, str, str | None]) -> list[dict[str, str | None]]:
    return [{"call": call, "prov": prov, "sent": sent} for call, prov, sent in rows]


@pytest.mark.parametrize("arrived", [1, 3])
def test_went_round(arrived: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that arrived and is not on record fails a scene, as does one on record that never arrived."""
    found = entries(("A", "jira", "yes"), ("B", "jira", None), ("B", "", "yes"), ("C", "github", "yes"))
    monkeypatch.setattr(Record, "_entries", lambda _: found)
    monkeypatch.setattr(record, "SOON_S", 0.0)
    with pytest.raises(UnexpectedError, match=f"{arrived} requests arrived at jira, 2 are on record"):
        of(Operator({})).expect_sent("jira", lambda: arrived)


def test_recorded_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that comes a moment after the answer is waited for."""
    looks = iter([entries(), entries(("A", "jira", "yes"))])
    monkeypatch.setattr(Record, "_entries", lambda _: next(looks))
    monkeypatch.setattr(record, "_STEP_S", 0.0)
    of(Operator({})).expect_sent("jira", lambda: 1)


def test_key_is_not_printed() -> None:
    """What the demo prints of Jira's error is its sentence, without the headers that the client sent."""
    assert demo._said(JIRAError("No.", 403, headers={"Authorization": "agent-key-canary"})) == "No."
    assert demo._said(UnexpectedError("no call")) == "no call"
