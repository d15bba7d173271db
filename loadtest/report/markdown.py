"""A run as Markdown: the table of promises, what every scenario found, and on what it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from loadtest.report.words import HELD, ended, figure, found, needed
from loadtest.results import Result, Run


def to_markdown(run: Run) -> str:
    """
    Return the whole report.
    """
    return "\n".join(_lines(run)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """
    Return a table's lines; a bar inside a cell is escaped.
    """
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _marked(text: str, *, held: bool | None) -> str:
    return f"**{text}**" if held is False else text


def _lines(run: Run) -> Iterator[str]:
    yield f"# Load test: {run.verdict}"
    yield ""
    for why in run.why:
        yield f"* {why}"
    if run.why:
        yield ""
    yield from table(("setting", ""), ((name, value) for name, value in run.setting.items()))
    yield ""
    if run.promises:
        yield "## Promises"
        yield ""
        judged = ((kept.says, found(kept), needed(kept), _marked(ended(kept), held=kept.held)) for kept in run.promises)
        yield from table(("promise", "found", "needed", ""), judged)
        yield ""
    for result in run.results:
        yield from _result(result)


def _result(result: Result) -> Iterator[str]:
    yield f"## {result.scenario}"
    yield ""
    yield f"{result.question} ({result.state}, {result.seconds:.0f} s)"
    yield ""
    if result.why:
        yield f"{result.state}: {result.why}"
        yield ""
    if result.lines:
        yield "```text"
        yield from result.lines
        yield "```"
        yield ""
    if result.figures:
        yield from table(("figure", ""), ((name, figure(told)) for name, told in result.figures.items()))
        yield ""
    if result.checks:
        rows = ((check.says, check.found, _marked(HELD[check.held], held=check.held)) for check in result.checks)
        yield from table(("counted", "found", ""), rows)
        yield ""
