"""The page on breakers draws its diagram from the table, and shows the numbers that hold."""

from __future__ import annotations

from pathlib import Path

from breakers.breaker import FORCED, State
from breakers.evidence import BLOCKS_PPM, DECLINED, DOUBTS, HANDED_OVER, IN_A_ROW, NOT_TAKEN, SLOW
from breakers.observe import FORCED_MAX_S, FORCED_PASSING_MAX_S, FORCED_S, GAP_MAX_S, OKS
from breakers.thresholds import LEAST, LEAST_OF_AGENT
from breakers.transitions import (
    BACK_OFF_MAX_S,
    BACK_OFF_S,
    CLEAN_S,
    STEP_S,
    STEPS,
    TABLE,
    TASK_OFF_S,
    Row,
)
from breakers.wilson import proves

PAGE = Path(__file__).parents[2] / "docs" / "BREAKERS.md"
ANY, FORCED_NODE = "any", "forced"


def node(state: State) -> str:
    """
    Return what a state is drawn as: the forced ones are one.
    """
    return FORCED_NODE if state in FORCED else str(state)


def lines(row: Row) -> list[str]:
    """
    Draw one row: an arrow from each of its states to each of its ends.
    """
    starts = [ANY] if {*row.starts} == {*State} else list(dict.fromkeys(node(state) for state in row.starts))
    ends = list(dict.fromkeys(node(state) for state in row.ends))
    counts = ", one more trip" if row.trip else ""
    return [f"    {start} --> {end}: {row.event}{counts}" for start in starts for end in ends]


def drawn() -> str:
    """
    Draw the table.
    """
    return "\n".join(["stateDiagram-v2", "    [*] --> passing", *(line for row in TABLE for line in lines(row))])


def test_diagram() -> None:
    """The diagram on the page is the table's."""
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition("```mermaid\n")[2].partition("\n```")[0]
    assert shown == drawn(), f"write this into {PAGE.name}:\n{drawn()}"


def test_numbers() -> None:
    """What the page says in words is what holds."""
    assert (LEAST, LEAST_OF_AGENT, IN_A_ROW, SLOW, DOUBTS, HANDED_OVER, DECLINED, NOT_TAKEN) == (3, 5, 5, 5, 3, 2, 5, 3)
    assert (BACK_OFF_S, BACK_OFF_MAX_S, CLEAN_S, TASK_OFF_S) == (30, 600, 300, 600)
    assert (OKS, STEPS, STEP_S, GAP_MAX_S, BLOCKS_PPM) == (3, (10, 25, 50, 100), 30, 10, 250_000)
    assert (FORCED_S, FORCED_MAX_S, FORCED_PASSING_MAX_S) == (86_400, 30 * 86_400, 3600)
    told = [proves(failed, of, 5_000) for failed, of in ((3, 60), (1, 200), (25, 3000), (24, 3000))]
    assert told == [True, False, True, False]
