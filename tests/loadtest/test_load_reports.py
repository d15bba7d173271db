"""A run's reports: read back as it was, whole in each form, nothing of it taken for markup, held against another."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from loadtest import telling
from loadtest.report import compare as comparing
from loadtest.report import document, junit, markdown, page
from loadtest.report.charts import distribution_chart, timeline_chart
from loadtest.report.compare import Turn
from loadtest.results import Check, Distribution, Figure, Kept, Kind, Result, Run, State, Timeline, Verdict

HOSTILE = '<script>alert("1")</script> | & \n'

LATENCY = Result(
    "latency",
    "What does a call take longer?",
    seconds=4.2,
    figures={"read.added_p50_ms": Figure(0.4, "ms", (0.4, 0.5, 0.4)), "calls": Figure(12345.0, "calls/s")},
    checks=(Check("once", "each create reached the upstream once", held=True, found="400 of 400"),),
    distributions=(Distribution("governed", (1.0, 2.0, 500.0), (90, 9, 1)),),
    lines=("a table",),
)
KILL = Result(
    "kill",
    "Does a stop hold?",
    checks=(Check("after", "no write leaves after the proof", held=False, found=f"3 left {HOSTILE}"),),
    timeline=Timeline({"200": (5, 6, 0), "503 killed": (0, 1, 7)}, ((1.5, f"stop {HOSTILE}"),)),
)
GONE = Result("store", "And without Redis?", State.ABSENT, "no redis-server on PATH")
BROKE = Result("soak", "Flat?", State.FAILED, "it ended early")
FAST = Kept("p50", "a read adds 1 ms", Kind.SPEED, "latency", "read.added_p50_ms", False, 1.0, 2.0, 0.4, True)
SLOW = replace(FAST, name="ratio", says=f"half as fast {HOSTILE}", at_least=True, found=None, held=False)
LEFT = replace(FAST, name="left", says="it is flat", scenario="flat", found=None, held=None, why="flat was not run")
UNDONE = replace(LEFT, name="undone", says="it keeps count", scenario="store", held=False, why="store was not run")
RUN = Run(
    "ci",
    {"machine": "2 cores", "python": "3.11"},
    (LATENCY, KILL, GONE, BROKE),
    (FAST, SLOW, LEFT, UNDONE),
    Verdict.FAILED,
    ("x",),
)


def test_round_trip() -> None:
    """A run that was written down is the same run when it is read again."""
    assert document.read(json.loads(json.dumps(document.to_json(RUN)))) == RUN


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ([], "does not begin with"),
        ({"format": "breakwater-load/9"}, "does not begin with"),
        ({**document.to_json(RUN), "verdict": "fine"}, "verdict: "),
        ({**document.to_json(RUN), "results": [{"scenario": 1}]}, "results.0."),
    ],
)
def test_not_a_run(spoilt: object, why: str) -> None:
    """What is no run is refused with the place that is wrong."""
    with pytest.raises(document.UnreadableRunError, match=why):
        document.read(spoilt)


def test_junit() -> None:
    """What is broken is a failure there, what broke off an error, what is absent or was not asked is skipped."""
    root = ET.fromstring(junit.to_xml(RUN))
    found = {
        case.get("name"): next((child.tag for child in case if child.tag != "properties"), "passed")
        for suite in root
        for case in suite
        if case.get("name") != "runs"
    }
    kept = {"p50": "passed", "ratio": "failure", "left": "skipped", "undone": "failure"}
    assert found == {"once": "passed", "after": "failure", **kept}
    ends = {suite.get("name"): (suite.get("failures"), suite.get("errors"), suite.get("skipped")) for suite in root}
    assert ends == {
        "latency": ("1", "0", "0"),
        "kill": ("1", "0", "0"),
        "store": ("1", "0", "1"),
        "soak": ("0", "1", "0"),
        "flat": ("0", "0", "1"),
    }
    assert 'message="not asked: flat was not run"' in junit.to_xml(RUN)
    assert 'message="it keeps count: store was not run"' in junit.to_xml(RUN)
    assert "not measured, needed at least 2.00 here (1.00 promised)" in junit.to_xml(RUN)


def test_markdown() -> None:
    """Every promise, figure and count stands in a table whose rows have as many cells as its head."""
    lines = markdown.to_markdown(RUN).splitlines()
    assert lines[0] == "# Load test: failed"
    assert "| read.added_p50_ms | 0.40 ms |" in lines
    assert "| calls | 12,345 calls/s |" in lines
    assert any(line.endswith("| **broken** |") and "3 left" in line for line in lines)
    assert any(
        line.endswith("| not asked: flat was not run |") and "| it is flat | not asked |" in line for line in lines
    )
    assert any(line.endswith("| **broken: store was not run** |") for line in lines)
    cells: list[int] = []
    for line in lines:
        if line.startswith("|"):
            cells.append(line.replace("\\|", "").count("|"))
            assert cells[0] == cells[-1], line
        else:
            cells = []


class Page(HTMLParser):
    """
    What a browser would take for markup.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name in {"src", "href", "onload"} for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "rect", "polyline"}:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page() -> None:
    """The page is whole, fetches nothing, runs nothing, and shows what was said as it was said."""
    read = Page()
    read.feed(page.to_html(RUN))
    assert read.open == []
    assert "script" not in read.tags
    assert "svg" in read.tags
    said = "".join(read.text)
    assert f"3 left {HOSTILE}" in said
    assert f"stop {HOSTILE}" in said
    assert "not asked: flat was not run" in said
    assert "broken: store was not run" in said
    assert "http" not in page.to_html(RUN)


def test_told() -> None:
    """In a terminal a promise that was not asked says why, and is counted neither as held nor as broken."""
    lines = list(telling.told(RUN))
    assert [line.split("promised)")[-1].strip() for line in lines if line.startswith(("left", "undone"))] == [
        "flat was not run",
        "BROKEN   store was not run",
    ]
    held = replace(RUN, promises=(FAST, LEFT), verdict=Verdict.HELD, why=())
    assert list(telling.told(held))[-1] == "held: 1 promises, 2 counts; 1 promises were not asked"
    assert list(telling.told(replace(held, promises=(FAST,))))[-1] == "held: 1 promises, 2 counts"


def test_charts() -> None:
    """A curve runs from the fastest to the slowest call, and a second is as high as all that ended in it."""
    drawn = distribution_chart(LATENCY.distributions)
    assert drawn.count("<polyline") == 1
    assert all(f">{label}<" in drawn for label in ("50 %", "99 %", "1", "500"))
    assert KILL.timeline is not None
    bars = timeline_chart(KILL.timeline)
    assert bars.count("<rect") == 4
    assert bars.count('class="mark"') == 1
    assert distribution_chart(()) == timeline_chart(Timeline({"200": (0, 0)})) == ""


TURNS = [
    (Figure(100.0, "calls/s", (99, 100, 101)), Figure(104.0, "calls/s", (103, 104, 105)), None),
    (Figure(100.0, "calls/s", (80, 100, 120)), Figure(110.0, "calls/s", (90, 110, 130)), None),
    (Figure(100.0, "calls/s", (99, 100, 101)), Figure(10.0, "calls/s", (9, 10, 11)), Turn.WORSE),
    (Figure(1.0, "ms"), Figure(1.05, "ms"), None),
    (Figure(1.0, "ms"), Figure(2.0, "ms"), Turn.WORSE),
    (Figure(2.0, "ms"), Figure(1.0, "ms"), Turn.BETTER),
    (Figure(2.0, "bananas"), Figure(1.0, "bananas"), Turn.CHANGED),
    (None, Figure(1.0, "ms"), Turn.NEW),
    (Figure(1.0, "ms"), None, Turn.GONE),
]


@pytest.mark.parametrize(("old", "new", "turn"), TURNS)
def test_moved(old: Figure | None, new: Figure | None, turn: Turn | None) -> None:
    """A figure has moved only beyond its own noise, and which way is good is told by its unit."""
    runs = [
        replace(RUN, results=(Result("s", "?", figures={"f": one} if one else {}),), promises=()) for one in (old, new)
    ]
    assert [change.turn for change in comparing.compare(*runs)] == ([turn] if turn else [])


def test_promised_way() -> None:
    """Where a promise says which way is good, its word counts, and a promise that broke is told."""
    old, new = Figure(1.0, "x"), Figure(3.0, "x")
    was = replace(FAST, scenario="s", figure="f")
    runs = [
        replace(RUN, results=(Result("s", "?", figures={"f": told}),), promises=(replace(was, held=held),))
        for told, held in ((old, True), (new, False))
    ]
    assert [(change.turn, change.what) for change in comparing.compare(*runs)] == [
        (Turn.WORSE, "s: f"),
        (Turn.WORSE, "a read adds 1 ms"),
    ]


def test_not_asked_any_more() -> None:
    """A promise and a check that the newer run does not speak of are told of as gone."""
    less = replace(RUN, results=(replace(LATENCY, checks=()), KILL, GONE, BROKE), promises=(SLOW, LEFT, UNDONE))
    assert [(change.turn, change.what, change.old, change.new) for change in comparing.compare(RUN, less)] == [
        (Turn.GONE, "latency: each create reached the upstream once", "held", "not asked"),
        (Turn.GONE, "a read adds 1 ms", "held", "not asked"),
    ]


@pytest.mark.parametrize(
    ("was", "now", "turn"),
    [(True, None, Turn.GONE), (False, None, Turn.GONE), (None, True, Turn.NEW), (None, False, Turn.NEW)],
)
def test_asked_again(was: bool | None, now: bool | None, turn: Turn) -> None:
    """A promise that one of two runs did not ask is gone or new, and neither better nor worse than it was."""
    runs = [replace(RUN, promises=(replace(LEFT, held=held),)) for held in (was, now)]
    assert [change.turn for change in comparing.compare(*runs)] == [turn]


def test_same() -> None:
    """A run beside itself has changed nothing; another setting and a check that broke are told, what is worse first."""
    assert comparing.compare(RUN, RUN) == []
    broke = replace(LATENCY, checks=(replace(LATENCY.checks[0], held=False),), state=State.RAN)
    other = replace(RUN, setting={"machine": "8 cores", "python": "3.11"}, results=(broke, KILL, GONE, BROKE))
    assert [(change.turn, change.what) for change in comparing.compare(RUN, other)] == [
        (Turn.WORSE, "latency: each create reached the upstream once"),
        (Turn.CHANGED, "setting: machine"),
    ]
